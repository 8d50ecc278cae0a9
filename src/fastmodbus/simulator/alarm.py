"""How the simulator's thread wakes up: a selector that other threads can wake, and time, to a tenth of a millisecond.

The millisecond rounding of epoll is avoided with a timerfd; where there is none the selector's timeout is exact enough.
Used by the server's thread; `ring` alone may be called by any other.
"""

import contextlib
import selectors
import socket
import time

from fastmodbus._core import timer


class Alarm:
    """Owns the wake-up descriptors of one selector."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        selector.register(self._bell, selectors.EVENT_READ, self)
        self._timer = timer.Timer() if timer.AVAILABLE else None
        self._armed = 0.0
        if self._timer is not None:
            selector.register(self._timer.fileno(), selectors.EVENT_READ, self)

    def wait(self, until: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for a descriptor, the bell, or a moment of time.monotonic()."""
        if self._timer is None:
            return self._selector.select(None if until is None else max(0.0, until - time.monotonic()))
        if self._armed != (until or 0.0):
            self._armed = until or 0.0
            self._timer.arm(self._armed)
        return self._selector.select()

    def ring(self) -> None:
        """Wake the waiting thread, from any other."""
        with contextlib.suppress(BlockingIOError):
            self._button.send(b"\0")

    def quiet(self) -> None:
        """Take note of having been woken."""
        self._armed = -1.0
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass

    def close(self) -> None:
        """Give the descriptors back."""
        self._bell.close()
        self._button.close()
        if self._timer is not None:
            self._timer.close()
