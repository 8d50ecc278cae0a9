"""What one more request costs a device, in registers: measured by how long reads of different shapes take.

Plain values and no clock; `names` notes what reads took, and plans with ``max_gap="auto"`` use what comes of it.
"""

from __future__ import annotations

import numpy as np

LEAST, MOST = 1.0, 125.0
SHAPES = 16  # kept, the newest
TIMES = 4  # a shape must have been read, so that its best time means something
NOTICED = 1.25  # by how much a cost must differ from the one before to count


class RequestCost:
    """The cost of a request over that of a register.

    Of each shape (requests and registers of a read) the best time counts: disturbance only ever adds. What fits the
    shapes best as so much a request and so much a register is the measure; it takes two shapes of different kinds.
    """

    def __init__(self) -> None:
        self._best: dict[tuple[int, int], tuple[int, int]] = {}  # shape: how often it was read, its best time in ns

    def note(self, requests: int, registers: int, ns: int) -> None:
        """A read of so many requests and registers took so long."""
        shape = requests, registers
        times, best = self._best.pop(shape, (0, ns))
        self._best[shape] = times + 1, min(best, ns)
        if len(self._best) > SHAPES:
            del self._best[next(iter(self._best))]

    def value(self) -> float | None:
        """The cost in registers, 1 to 125; None while it cannot be told."""
        known = [(*shape, best) for shape, (times, best) in self._best.items() if times >= TIMES and best > 0]
        if len(known) < 2:
            return None
        found = np.array(known, np.float64)
        (request, register), _, rank, _ = np.linalg.lstsq(found[:, :2] / found[:, 2:], np.ones(len(found)), rcond=1e-3)
        if rank < 2 or request <= 0:
            return None
        return float(np.clip(request / register, LEAST, MOST)) if register > 0 else MOST


def differs(cost: float, before: float) -> bool:
    """Whether a cost is another than before, and not the same measured anew."""
    return not before / NOTICED <= cost <= before * NOTICED
