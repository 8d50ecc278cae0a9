"""The timer that a selector can wait for."""

import select
import sys
import time

import pytest

from fastmodbus._core import timer

if sys.platform != "linux":
    pytest.skip("platform: timerfd is Linux's", allow_module_level=True)


def ready(made: timer.Timer, seconds: float) -> bool:
    return bool(select.select([made.fileno()], [], [], seconds)[0])


def test_readable_from_its_moment_on_and_not_before() -> None:
    made = timer.Timer()
    assert timer.AVAILABLE
    assert not ready(made, 0)
    at = time.monotonic() + 0.01
    made.arm(at)
    assert ready(made, 30)
    assert time.monotonic() >= at
    made.arm(time.monotonic() + 1000)
    assert not ready(made, 0)
    made.arm(time.monotonic() - 1)
    assert ready(made, 30)
    made.arm(0)
    assert not ready(made, 0)
    made.close()


def test_closed_twice_and_armed_in_vain() -> None:
    made = timer.Timer()
    made.close()
    made.close()
    with pytest.raises(OSError, match="descriptor"):
        made.arm(1.0)
