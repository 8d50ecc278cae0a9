"""Known contents for simulated tables: a value says which unit, table and address it belongs to.

So a value that arrives in the wrong place is seen. The formulas are in docs/cli.md, for whoever tests another client.
"""

from __future__ import annotations

import numpy as np

from fastmodbus.simulator import Unit


def fill(unit: Unit, number: int) -> None:
    """Fill the tables of the unit with that number."""
    address = np.arange(len(unit.holding), dtype=np.uint32)
    unit.holding[:] = (31 * address + 1000 * number) & 0xFFFF
    unit.input[:] = (37 * address + 1000 * number + 500) & 0xFFFF
    scattered = (address * np.uint32(2654435761)) >> 16
    unit.coils[:] = (scattered + number) & 1
    unit.discrete[:] = ((scattered >> 1) + number) & 1
