"""What to read and write, in text: ``hr100``, ``hr0-99``, ``ir100[10]``, ``hr40=7``, ``co8=1,0,on``. No I/O.

Ranges are tables' plain numbers, and how they are written is `address`' business; types and names are that of `named`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from fastmodbus.address import AREAS, BIT_AREAS, AddressRange, looks_like_range
from fastmodbus.spec import TABLE_SIZE

from .outcome import UsageError

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)
_SWITCH = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses of one table, of the unit that the client is for or of another; `text` is how the user wrote them."""

    text: str
    area: str
    address: int
    count: int
    unit: int | None = None

    @property
    def bits(self) -> bool:
        return self.area in BIT_AREAS


class Assignment(NamedTuple):
    """Values for consecutive addresses of one table."""

    target: Range
    values: list[int]


def is_plain(text: str) -> bool:
    """Whether a text is a range of the client's own unit, be its addresses allowed or not."""
    return looks_like_range(text) and "/" not in text


def parse_range(text: str) -> Range:
    """Read ``hr100``, ``hr100-110`` (both included) or ``hr100[11]``; numbers may be hexadecimal, ``hr0x64``.

    Raises
    ------
    UsageError
    """
    try:
        found = AddressRange.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Range(text, found.area, found.first, found.length, found.unit)


def parse_assignment(text: str) -> Assignment:
    """Read ``hr40=7``, ``hr100=1,0x20,3`` or ``co8=on,off``; with a range there must be as many values as addresses.

    Raises
    ------
    UsageError
    """
    where, equals, what = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} assigns nothing: write an address, = and a value, such as hr40=7")
    target = parse_range(where.strip())
    if target.area not in ("co", "hr"):
        raise UsageError(f"{text!r}: {AREAS[target.area]} cannot be written; coils (co) and holding registers (hr) can")
    values = [_value(text, target, value.strip()) for value in what.split(",")]
    if target.text[-1] == "]" or "-" in target.text:
        if len(values) != target.count:
            raise UsageError(f"{text!r} has {len(values)} values for {target.count} addresses")
    elif target.address + len(values) > TABLE_SIZE:
        raise UsageError(f"{text!r} goes past the last address, {TABLE_SIZE - 1}")
    return Assignment(replace(target, count=len(values)), values)


def _value(text: str, target: Range, value: str) -> int:
    if target.bits:
        if value.lower() not in _SWITCH:
            raise UsageError(f"{text!r}: a coil is on or off (or 1 or 0), not {value!r}")
        return _SWITCH[value.lower()]
    number = int(value, 16 if value[:2].lower() == "0x" else 10) if _NUMBER.fullmatch(value) else 1 << 16
    if number >= 1 << 16:
        raise UsageError(f"{text!r}: a register holds 0 to 65535 (or 0xFFFF), not {value!r}")
    return number
