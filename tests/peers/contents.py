"""What the peers hold: one value for every address of every table, computed from the address alone.

The server scripts fill their stores from here and the tests expect the same, so nothing has to travel between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

TableName = Literal["coils", "discrete", "holding", "input"]
READ_FUNCTION: Mapping[TableName, int] = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}
ADDRESSES = 65536


def coil(address: int) -> int:
    return int((address * address + address // 3) % 3 == 0)


def discrete(address: int) -> int:
    return int((address * 5 + 1) % 7 < 3)


def holding(address: int) -> int:
    return (address * 7919 + 13) & 0xFFFF


def input_register(address: int) -> int:
    return (address * 104729 + 7) & 0xFFFF


VALUE_AT = {"coils": coil, "discrete": discrete, "holding": holding, "input": input_register}


def computed(name: TableName, size: int = ADDRESSES) -> list[int]:
    """The first `size` values of a table."""
    return [VALUE_AT[name](address) for address in range(size)]


@dataclass(frozen=True)
class Table:
    """The values a peer holds from address `start` on; nothing exists before or behind them."""

    name: TableName
    values: Sequence[int]
    start: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.values)

    @property
    def function(self) -> int:
        return READ_FUNCTION[self.name]

    @property
    def is_bits(self) -> bool:
        return self.name in ("coils", "discrete")

    def expected(self, address: int, quantity: int) -> list[int]:
        return list(self.values[address - self.start : address - self.start + quantity])
