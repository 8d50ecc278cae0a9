"""The scattered values: 600 registers as a device's table spreads them, dense groups with holes between."""

from __future__ import annotations

import random

COUNT = 600
DELAY_US = 5000


def _spread(count: int) -> list[int]:
    rng = random.Random(600)
    steps = rng.choices((1, 2, 3, 4, 8, 16, 40), weights=(30, 25, 12, 12, 12, 6, 3), k=count)
    address, found = 0, []
    for step in steps:
        found.append(address)
        address += step
    return found


ADDRESSES = _spread(COUNT)
"""Their addresses, ascending."""
