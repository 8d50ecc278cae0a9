"""Runs the tests of a module with several kinds of clients, and says how hard hypothesis searches.

A module's `CLIENTS` names the kinds; a test gets them as `fm.Client` and `fm.connect`. What is about threads, signals
or the collector carries the marker `blocking` and runs with the blocking client alone; what carries `tls` runs over
TLS, too. What carries `repeats` shows of the other kinds nothing that other tests of the same faults do not, and runs
with them nightly. HYPOTHESIS_PROFILE=nightly makes hypothesis search long.

A test that carries `beside(start)` watches something that takes long by itself: `start` is called when the first test
begins, what it returns, a process, is the fixture `begun`, and the test is the last one.
"""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import fastmodbus as fm
from loops import STAND_INS
from secured import SecureSimulator, connect_over_tls

# No deadline: how long an example takes depends on who else uses the machine.
settings.register_profile("moderate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("moderate"), max_examples=1000, stateful_step_count=80)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "moderate"))


@pytest.fixture(autouse=True)
def client_kind(request: pytest.FixtureRequest) -> Iterator[None]:
    """The fixture `monkeypatch` would not do: pytest-run-parallel runs what has it in one thread only."""
    stand_in = STAND_INS[getattr(request, "param", "blocking")]
    with pytest.MonkeyPatch.context() as patch:
        if stand_in is not None:
            patch.setattr(fm, "Client", stand_in)
            patch.setattr(fm, "connect", stand_in.opened)
        if getattr(request, "param", "") == "tls":
            patch.setattr(fm, "connect", connect_over_tls)
            patch.setattr("faults.harness.Simulator", SecureSimulator)
        yield


_BEGUN = pytest.StashKey[subprocess.Popen[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("beside") is not None)


def pytest_runtestloop(session: pytest.Session) -> None:
    for item in [] if session.config.option.collectonly else session.items:
        if marker := item.get_closest_marker("beside"):
            item.stash[_BEGUN] = marker.args[0]()


@pytest.fixture
def begun(request: pytest.FixtureRequest) -> subprocess.Popen[str]:
    process: subprocess.Popen[str] = request.node.stash[_BEGUN]
    return process


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was begun and never asked for ends."""
    for item in session.items:
        process = item.stash.get(_BEGUN, None)
        if process is not None and process.returncode is None:
            process.kill()
            process.communicate()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kinds = getattr(metafunc.module, "CLIENTS", None)
    if kinds is not None and not metafunc.definition.get_closest_marker("blocking"):
        over_tls = ("tls",) if metafunc.definition.get_closest_marker("tls") else ()
        repeats = metafunc.definition.get_closest_marker("repeats") is not None
        metafunc.parametrize("client_kind", [_kind(name, repeats) for name in (*kinds, *over_tls)], indirect=True)


def _kind(name: str, repeats: bool) -> Any:
    return pytest.param(name, marks=pytest.mark.nightly) if repeats and name != "blocking" else name
