"""The rows of the table of faults: what happens, what is correct, what other clients do, and which faults of ours stand
for it. The facts about peers were measured once, as docs/reliability.md says; they are data, in rows.json.
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One row; `instead` stands in our column where no test of this folder measures."""

    number: int
    title: str
    correct: str
    faults: list[str]
    peers: str
    instead: str = ""

    @property
    def named(self) -> bool:
        """Whether the faults have names that a user can give to the simulator."""
        from fastmodbus.simulator.faults import KINDS

        return bool(self.faults) and all(fault in KINDS for fault in self.faults)


ROWS = [Row(**row) for row in json.loads(Path(__file__).with_name("rows.json").read_text(encoding="utf-8"))]
