"""The time of day of monotonic instants, and the moments at which the wall clock was set."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right

from .._core.reactor import now

#: Less than this is noise of measuring, or the clock being slewed.
STEP = 50_000_000


def measure() -> int:
    """What is to be added to the core's clock for ns since 1970: the best of a few readings of both clocks."""
    found = []
    for _ in range(5):
        before = now()
        wall = time.time_ns()
        after = now()
        found.append((after - before, wall - (before + after) // 2))
    return min(found)[1]


class Anchors:
    """Which offset holds from which monotonic instant on. Threads may share it.

    A step of the wall clock is noticed at the next `check`, and holds for the instants from then on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = [0]
        self._offsets = [measure()]

    @property
    def newest(self) -> int:
        """The offset that holds now."""
        return self._offsets[-1]

    def check(self) -> float:
        """Measure again; by how many seconds the wall clock was set since the last time, 0 if it was not."""
        step = measure() - self._offsets[-1]
        if abs(step) < STEP or abs(again := measure() - self._offsets[-1]) < STEP:
            return 0.0
        with self._lock:
            self._since.append(now())
            self._offsets.append(self._offsets[-1] + again)
        return again / 1e9

    def at(self, instant: int) -> tuple[int, int | None]:
        """The offset for an instant, and the first instant for which it does not hold any more."""
        with self._lock:
            index = bisect_right(self._since, instant) - 1
            end = self._since[index + 1] if index + 1 < len(self._since) else None
            return self._offsets[index], end
