"""The values that read plans are made of: requests, where values lie in them, what a device has taught.

Pure values, of which only what was learnt goes to files; ``planner`` makes them, ``readplan`` shows them to the world.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec

from ..address import REGISTER, Address, AddressRange
from ..files import write_whole
from ..spec import AUTOMATIC_MOST
from ..tags import Tag
from .packing import Piece

FUNCTIONS = {"co": 1, "di": 2, "hr": 3, "ir": 4}
Table = tuple[int, str]  # unit, area
_T = TypeVar("_T")


class Member(NamedTuple):
    """Where elements of a tag lie in a read.

    ``tag`` counts in the plan's tags; ``offset`` is the register (or coil) within the read at which the first of the
    ``elements`` begins, ``first`` the number of that element in the tag: 0 unless a long array is split.
    """

    tag: int
    offset: int
    first: int = 0
    elements: int = 1


@dataclass(frozen=True, slots=True)
class Read:
    """One request.

    Parameters
    ----------
    unit : int
        Unit id.
    area : str
        ``co``, ``di``, ``ir`` or ``hr``.
    address, count : int
        First register (or coil) and how many.
    members : tuple of Member
        The values in the answer.
    stage : int
        Requests of one stage may be under way together; a stage begins when the one before is answered (``Tag.after``).
    repeat : bool
        A scale factor that is read once more, on the other side of values that could not share its request: when it
        differs from the first reading, those values are torn.
    """

    unit: int
    area: str
    address: int
    count: int
    members: tuple[Member, ...]
    stage: int = 0
    repeat: bool = False

    @property
    def function(self) -> int:
        """The function code."""
        return FUNCTIONS[self.area]

    @property
    def end(self) -> int:
        """The first address after the read."""
        return self.address + self.count

    def __str__(self) -> str:
        return str(AddressRange(self.area, self.address, self.end - 1, self.unit))


class Apart(msgspec.Struct, frozen=True):
    """Registers ``first`` and ``last`` of a table, which no request may have both."""

    unit: int
    area: str
    first: int
    last: int


class Learnt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device has taught.

    Parameters
    ----------
    holes : mapping of str to str
        Tags that cannot be read, and their addresses.
    unbridged, split : sequence of Apart
        Gaps that are not bridged any more; where reads were split.
    request_cost : float, optional
        Measured cost of one more request, in registers.
    no_mask_write : sequence of int
        Units that do not have function 22.
    in_flight : int, optional
        Requests in flight that paid, of a client that learns how many do; 1 for a device that stands no more.
    """

    format: Literal["fastmodbus-learnt/1"] = "fastmodbus-learnt/1"
    holes: dict[str, str] = {}
    unbridged: tuple[Apart, ...] = ()
    split: tuple[Apart, ...] = ()
    request_cost: float | None = None
    no_mask_write: tuple[int, ...] = ()
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=AUTOMATIC_MOST)] | None = None

    def advanced(self, before: Learnt, after: Learnt) -> Learnt:
        """These facts with what changed between two others: who learns beside another takes nothing back from it."""
        if self is before:
            return after
        cost = self.request_cost if after.request_cost == before.request_cost else after.request_cost
        holes = _advanced(self.holes.items(), before.holes.items(), after.holes.items())
        return Learnt(
            holes=dict(holes),
            unbridged=_advanced(self.unbridged, before.unbridged, after.unbridged),
            split=_advanced(self.split, before.split, after.split),
            request_cost=cost,
            no_mask_write=_advanced(self.no_mask_write, before.no_mask_write, after.no_mask_write),
            in_flight=self.in_flight,
        )

    def with_in_flight(self, in_flight: int) -> Learnt:
        """These facts, and how many requests in flight paid."""
        return msgspec.structs.replace(self, in_flight=in_flight)

    def save(self, path: str | Path) -> None:
        """Write the facts to a file, as JSON."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def load(cls, source: str | Path) -> Learnt:
        """The facts in a file, or in a text that begins with ``{``.

        Raises
        ------
        ValueError
            These are no learnt facts, or of another version.
        OSError
            The file cannot be read.
        """
        text = isinstance(source, str) and source.lstrip()[:1] in ("", "{")
        try:
            found = msgspec.json.decode(str(source) if text else Path(source).read_bytes(), type=cls)
            for hole in found.holes.values():
                Address(hole)
            return found
        except (msgspec.DecodeError, ValueError) as error:
            where = "" if text else f"{source}: "
            raise ValueError(f"{where}these are no learnt facts of a plan: {error}") from None


def _advanced(mine: Iterable[_T], before: Iterable[_T], after: Iterable[_T]) -> tuple[_T, ...]:
    """Without what was taken away between before and after, and with what came."""
    known, now = set(before), list(after)
    kept = [one for one in mine if one not in known or one in now]
    return tuple(dict.fromkeys([*kept, *(one for one in now if one not in known)]))


@dataclass(frozen=True, slots=True)
class Rules:
    """The arguments of a plan besides its tags."""

    unit: int
    max_registers: int
    max_bits: int
    max_gap: int | Literal["auto"]
    ranges: tuple[AddressRange, ...]
    holes: tuple[AddressRange, ...]
    reads: tuple[AddressRange, ...]
    request_cost: float | None


def table_of(tag: Tag, unit: int) -> Table:
    return (unit if tag.address.unit is None else tag.address.unit, tag.address.area)


def element_start(tag: Tag, element: int) -> int:
    """The register in which an element begins."""
    address = tag.address
    if address.bit is None:
        return address.address + element * address.width
    return address.address + (address.bit + element) // REGISTER


def piece_of(tag: Tag, member: Member, read: Read) -> Piece:
    """The registers of a member."""
    start = read.address + member.offset
    end = tag.address.end
    if member.first + member.elements < tag.address.length:
        end = element_start(tag, member.first + member.elements - 1) + tag.address.width
    return Piece(start, end, member.tag, member.first, member.elements)
