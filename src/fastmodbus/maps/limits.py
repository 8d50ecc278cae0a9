"""What a device stands: sizes of requests, what may be read, what must not. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ..address import AddressRange
from ..tags import map_error
from .files import LimitsEntry


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device stands; None and empty mean that nobody has said anything.

    Parameters
    ----------
    max_registers, max_bits : int, optional
        The most that one read may ask for.
    max_gap : int or "auto", optional
        Unused registers that a read may bridge.
    ranges : sequence of AddressRange
        What can be read: a request stays within one of them. Areas without any are free.
    holes : sequence of AddressRange
        What no request may touch.
    reads : sequence of AddressRange
        Requests to make exactly so.
    in_flight : int, optional
        Requests on their way at once.
    """

    max_registers: int | None = None
    max_bits: int | None = None
    max_gap: int | Literal["auto"] | None = None
    ranges: tuple[AddressRange, ...] = ()
    holes: tuple[AddressRange, ...] = ()
    reads: tuple[AddressRange, ...] = ()
    in_flight: int | None = None

    @classmethod
    def from_entry(cls, entry: LimitsEntry, *, file: str = "", tag: str = "") -> Limits:
        """The limits of a file, their ranges parsed."""
        given = msgspec.structs.asdict(entry)
        for name in ("ranges", "holes", "reads"):
            try:
                given[name] = tuple(AddressRange.parse(text) for text in given[name])
            except ValueError as error:
                raise map_error(str(error), file=file, tag=tag, field=f"limits.{name}") from None
        return cls(**given)

    def narrowed(self, other: Limits) -> Limits:
        """Both limits at once: of two givers the smaller wins, and what either calls a hole is one."""
        return Limits(
            max_registers=_smaller(self.max_registers, other.max_registers),
            max_bits=_smaller(self.max_bits, other.max_bits),
            max_gap=_smaller_gap(self.max_gap, other.max_gap),
            ranges=_common(self.ranges, other.ranges),
            holes=tuple(dict.fromkeys(self.holes + other.holes)),
            reads=other.reads or self.reads,
            in_flight=_smaller(self.in_flight, other.in_flight),
        )

    def for_plan(self) -> dict[str, Any]:
        """What has been said, as arguments of ``ReadPlan``."""
        names = ("max_registers", "max_bits", "max_gap", "ranges", "holes", "reads")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, ())}


def _smaller(one: int | None, other: int | None) -> int | None:
    given = [value for value in (one, other) if value is not None]
    return min(given, default=None)


def _smaller_gap(one: int | str | None, other: int | str | None) -> Any:
    numbers = [value for value in (one, other) if isinstance(value, int)]
    return min(numbers) if numbers else one or other


def _common(one: Sequence[AddressRange], other: Sequence[AddressRange]) -> tuple[AddressRange, ...]:
    """What lies in a range of both; a range that the other giver says nothing about stays as it is."""
    both: list[AddressRange] = []
    for mine in one:
        rivals = [theirs for theirs in other if _same_table(mine, theirs)]
        both.extend([mine] if not rivals else filter(None, (_overlap(mine, theirs) for theirs in rivals)))
    both.extend(theirs for theirs in other if not any(_same_table(mine, theirs) for mine in one))
    return tuple(dict.fromkeys(both))


def _same_table(one: AddressRange, other: AddressRange) -> bool:
    return one.area == other.area and (one.unit is None or other.unit is None or one.unit == other.unit)


def _overlap(one: AddressRange, other: AddressRange) -> AddressRange | None:
    first, last = max(one.first, other.first), min(one.last, other.last)
    unit = other.unit if one.unit is None else one.unit
    return AddressRange(one.area, first, last, unit) if first <= last else None
