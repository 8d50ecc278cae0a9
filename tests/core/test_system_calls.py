"""Every system call of the reactor returning short, EAGAIN, EINTR or an error. Linux only: by a preloaded library."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from children import environment

if sys.platform != "linux":
    pytest.skip("platform: system calls are intercepted on Linux only", allow_module_level=True)

HERE = Path(__file__).parent
EAGAIN, EINTR, ENOBUFS, EIO = errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.EIO
ALL_RIGHT = [True] * 20
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("a C compiler (cc) is missing")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "shim.c", "-ldl"], check=True)
    return library


@pytest.fixture(scope="module")
def ask(shim: Path) -> Iterator[Ask]:
    """Runs a case in the process under the shim, which is started once."""
    preloaded = ":".join(filter(None, [os.environ.get("LD_PRELOAD"), str(shim)]))
    command = [sys.executable, "-X", "faulthandler", "-c", "from core.under_shim import main; main()"]
    child = subprocess.Popen(
        command, env=environment(LD_PRELOAD=preloaded), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def answered(kind: str, calls: str, repeats: int = 0, coalesce: bool = False) -> dict[str, Any]:
        child.stdin.write(json.dumps([kind, calls, repeats, coalesce]) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        assert line, f"the process under the shim ended with {child.wait()}"
        result: dict[str, Any] = json.loads(line)
        assert "failed" not in result, result["failed"]
        return result

    with child:
        yield answered
        child.stdin.close()
        assert child.wait() == 0


@pytest.mark.parametrize("coalesce", [False, True], ids=["apart", "coalesced"])
@pytest.mark.parametrize(
    "calls",
    [
        "send:*:s1",
        "send:1:s5",
        "send:/2:s7",
        f"send:1:{EAGAIN}",
        f"send:/2:{EAGAIN}",
        f"send:/2:{EINTR}",
        f"send:/2:{ENOBUFS}",
        f"send:/2:s3,send:/3:{EAGAIN},send:/5:{EINTR}",
        "recv:*:s1",
        "recv:/3:s8",
        f"recv:/2:{EAGAIN}",
        f"recv:/2:{EINTR}",
        f"ppoll:/2:{EINTR}",
        f"ppoll:/2:{EAGAIN}",
        f"send:/2:s3,recv:/2:s5,recv:/3:{EAGAIN},ppoll:/3:{EINTR}",
    ],
)
def test_what_only_delays_is_not_seen(ask: Ask, calls: str, coalesce: bool) -> None:
    for kind, expected_requests in (("reads", 20), ("writes", 4)):
        result = ask(kind, calls, 0, coalesce)
        if kind == "reads":
            assert result["hit"]
            assert result["right"] == ALL_RIGHT
        else:
            assert result["written"] == [0, 1, 2, 3]
        assert set(result["statuses"]) == {"OK"}
        assert result["connections"] == 1
        assert result["requests"] == expected_requests


ERRORS = [
    ("send", 1, errno.EPIPE),
    ("send", 6, errno.ECONNRESET),
    ("recv", 1, errno.ETIMEDOUT),
    ("recv", 3, errno.ECONNRESET),
    ("ppoll", 1, errno.ENOMEM),
]


@pytest.mark.parametrize(("call", "which", "error"), ERRORS)
def test_an_error_costs_a_connection_and_no_values_where_repeating_is_allowed(ask, call, which, error) -> None:
    result = ask("reads", f"{call}:{which}:{error}", 1)
    assert result["hit"]
    assert result["right"] == ALL_RIGHT
    assert result["connections"] == 2
    assert result["errors"] == [error]


@pytest.mark.parametrize(("call", "which", "error"), ERRORS)
def test_an_error_costs_what_was_in_flight_where_it_is_not(ask, call, which, error) -> None:
    result = ask("reads", f"{call}:{which}:{error}", 0)
    assert result["hit"]
    assert result["right"] == [status == "OK" for status in result["statuses"]]
    assert set(result["statuses"]) <= {"OK", "LOST"}
    assert result["statuses"].count("LOST") == (0 if (call, which) == ("send", 1) else result["statuses"].count("LOST"))
    assert 0 <= result["statuses"].count("LOST") <= 4
    assert result["errors"] == [error]


def test_a_write_that_could_not_leave_is_sent_again(ask: Ask) -> None:
    result = ask("writes", f"send:2:{errno.ECONNRESET}")
    assert result["written"] == [0, 1, 2, 3]
    assert result["requests"] == 4
    assert result["connections"] == 2


def test_a_write_of_which_a_part_left_is_not_sent_again(ask: Ask) -> None:
    result = ask("writes", f"send:2:s5,send:3:{errno.ECONNRESET}")
    assert result["statuses"] == ["OK", "LOST", "CANCELLED", "CANCELLED"]
    assert result["left"] == [True, True, False, False]
    assert result["written"] == [0, 0, 0, 0] or result["written"] == [0, 1, 0, 0]
    assert result["requests"] == 1


def test_a_write_without_an_answer_is_not_sent_again(ask: Ask) -> None:
    result = ask("writes", f"ppoll:1:{errno.ENOMEM}", 3)
    assert result["statuses"] == ["LOST", "CANCELLED", "CANCELLED", "CANCELLED"]
    assert result["left"] == [True, False, False, False]
    assert result["requests"] <= 1


@pytest.mark.parametrize(
    "calls",
    [
        f"write:1:{EINTR}",
        f"write:/2:{EINTR}",
        f"read:1:{EINTR}",
        f"read:1:{EAGAIN}",
        f"read:1:{EIO}",
        f"ppoll:/2:{EINTR}",
    ],
)
def test_a_sleeping_driver_is_woken_all_the_same(ask: Ask, calls: str) -> None:
    result = ask("wakes", calls)
    assert result["right"] == [True, True]
    assert result["connections"] == 1


def test_a_driver_that_cannot_be_woken_still_works_for_others(ask: Ask) -> None:
    result = ask("cannot wake", f"write:1:{EIO}")
    assert result["hit"]
    assert result["right"] == [True, True]


def test_a_request_submitted_while_the_driver_receives_is_sent(ask: Ask) -> None:
    """Its thread is in recv, not asleep: it cannot be woken, and must look again before it sleeps."""
    result = ask("submits during recv", f"ppoll:1:{EINTR}")
    assert result["right"] == [True, True]
