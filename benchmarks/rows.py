"""What is measured: every row is one way of reading, and the contestants that can read that way."""

from __future__ import annotations

from typing import NamedTuple

from .contestants import CEILING, CONTESTANTS, PIPELINING_PEERS
from .process import Load

EVERYONE = tuple(name for name in CONTESTANTS if name != "fastmodbus_default")
"""One at a time ``fastmodbus`` is at its default settings anyway."""
PIPELINES = (CEILING, "fastmodbus", *PIPELINING_PEERS)
COALESCERS = (CEILING, "fastmodbus")
DEFAULT_TOO = (*PIPELINES, "fastmodbus_default")
SCATTERED_QUICK = ("fastmodbus", "pymodbus", "tmodbus")
BUSY = (CEILING, "fastmodbus", "fastmodbus_default", "tmodbus", "bacsys_pymod")


class Row(NamedTuple):
    """One way of reading."""

    group: str
    load: Load
    contestants: tuple[str, ...]
    requests: int | None = None
    """Requests of a round; None: as many as fill the time."""

    @property
    def key(self) -> str:
        """Its name in the results."""
        load = self.load
        parts = [f"{load.registers}r", f"{load.in_flight}f", "coalesced" if load.coalesce else "separate"]
        if load.delay_us:
            parts.append(f"{load.delay_us / 1000:g}ms")
        if load.busy:
            parts.append("busy")
        return f"{self.group}/{'-'.join(parts)}"


def _one_at_a_time() -> list[Row]:
    return [Row("single", Load(registers=registers), EVERYONE) for registers in (1, 10, 125)]


def _bulk() -> list[Row]:
    rows = []
    for in_flight in (4, 16, 64, 256):
        rows.append(Row("bulk", Load(125, in_flight), DEFAULT_TOO if in_flight == 16 else PIPELINES))
        rows.append(Row("bulk", Load(125, in_flight, coalesce=True), COALESCERS))
    for registers in (1, 10):
        rows.append(Row("bulk", Load(registers, 16), PIPELINES))
        rows.append(Row("bulk", Load(registers, 16, coalesce=True), COALESCERS))
    return rows


def _delayed() -> list[Row]:
    rows = []
    for delay_us in (1000, 5000):
        rows.append(
            Row("delay", Load(125, 1, delay_us=delay_us), (CEILING, "libmodbus_client", "fastmodbus", "pymodbus"))
        )
        for in_flight in (4, 16, 64):
            load = Load(125, in_flight, delay_us=delay_us)
            rows.append(Row("delay", load, DEFAULT_TOO if in_flight == 16 else PIPELINES))
    rows.append(Row("delay", Load(125, 16, coalesce=True, delay_us=1000), COALESCERS))
    return rows


def _beside_a_busy_thread() -> list[Row]:
    rows = []
    for busy in (False, True):
        rows.append(Row("thread", Load(125, 16, busy=busy), BUSY, requests=500))
        rows.append(Row("thread", Load(125, 1, busy=busy), (CEILING, "fastmodbus", "pymodbus"), requests=50))
    return rows


ROWS = [*_one_at_a_time(), *_bulk(), *_delayed(), *_beside_a_busy_thread()]
QUICK = [
    row
    for row in ROWS
    if row.group == "thread"
    or row.key in {"single/10r-1f-separate", "single/125r-1f-separate"}
    or row.load[:2] in {(125, 16), (125, 256)}
]
