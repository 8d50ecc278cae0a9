"""Read plans: which requests fetch a set of tags, and where in the answers each value lies.

Pure values: a plan knows nothing of connections. Whoever polls executes ``plan.reads`` and, when a device refuses one,
asks the plan for its next generation; the plan itself never changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..address import BIT_AREAS, AddressRange
from ..spec import MAX_READ_BITS, MAX_READ_REGISTERS
from ..tags import Tag
from .packing import Atom, atoms_of
from .planner import plan_reads
from .reads import Apart, Learnt, Read, Rules, piece_of, table_of

DEFAULT_GAP = 8
GAPS_SHOWN = 6


class ReadPlan:
    """The fewest requests that read some tags. Immutable; what is learnt about the device makes a new plan.

    Parameters
    ----------
    tags : sequence of Tag
        What to read. Tags whose address names no unit belong to ``unit``.
    unit : int
        Unit id, 1 by default.
    max_registers, max_bits : int
        The most that one request may ask for: 125 and 2000.
    max_gap : int or "auto"
        Unused registers (times 16 for coils and discrete inputs: the same bytes) that a request may bridge. "auto"
        bridges whatever costs less than another request.
    ranges, holes, reads : sequence of AddressRange or str
        What a request must stay within, what it must not touch, and what is read by exactly that request.
    request_cost : float, optional
        With ``max_gap="auto"``: what one more request costs, in registers; 8 until measured.
    learnt : Learnt, optional
        Facts from an earlier plan.

    Raises
    ------
    MapError
        A tag that no request can read under these limits, with the tag's name.
    """

    __slots__ = ("_rules", "factors", "generation", "learnt", "reads", "tags")
    tags: tuple[Tag, ...]
    reads: tuple[Read, ...]
    factors: tuple[int, ...]
    learnt: Learnt
    generation: int
    _rules: Rules

    def __init__(
        self,
        tags: Iterable[Tag],
        *,
        unit: int = 1,
        max_registers: int = MAX_READ_REGISTERS,
        max_bits: int = MAX_READ_BITS,
        max_gap: int | Literal["auto"] = DEFAULT_GAP,
        ranges: Iterable[AddressRange | str] = (),
        holes: Iterable[AddressRange | str] = (),
        reads: Iterable[AddressRange | str] = (),
        request_cost: float | None = None,
        learnt: Learnt | None = None,
    ) -> None:
        _check_size("max_registers", max_registers, MAX_READ_REGISTERS)
        _check_size("max_bits", max_bits, MAX_READ_BITS)
        if max_gap != "auto" and max_gap < 0:
            raise ValueError(f"max_gap is {max_gap}; it must be 'auto' or at least 0")
        rules = Rules(
            unit, max_registers, max_bits, max_gap, _parsed(ranges), _parsed(holes), _parsed(reads), request_cost
        )
        self._build(tuple(tags), rules, learnt or Learnt(), 0)

    def _build(self, tags: tuple[Tag, ...], rules: Rules, learnt: Learnt, generation: int) -> ReadPlan:
        self.tags, self._rules, self.learnt, self.generation = tags, rules, learnt, generation
        index = {tag.name: number for number, tag in enumerate(tags)}
        self.factors = tuple(index.get(tag.scale_from, -1) if tag.scale_from else -1 for tag in tags)
        live = [number for number, tag in enumerate(tags) if not self._is_hole(tag)]
        self.reads = plan_reads(tags, live, self.factors, rules, learnt)
        return self

    def _next(self, **facts: Any) -> ReadPlan:
        return self.informed(msgspec.structs.replace(self.learnt, **facts))

    @property
    def skipped(self) -> tuple[int, ...]:
        """The tags, by their number, that are not read: holes."""
        return tuple(number for number, tag in enumerate(self.tags) if self._is_hole(tag))

    def _is_hole(self, tag: Tag) -> bool:
        return tag.name in self.learnt.holes and self.learnt.holes[tag.name] == str(tag.address)

    @property
    def registers(self) -> int:
        """Registers and coils that one poll transfers."""
        return sum(read.count for read in self.reads)

    def bridges(self, read: Read) -> tuple[AddressRange, ...]:
        """What a read transfers though no tag needs it."""
        gaps: list[AddressRange] = []
        here = read.address
        for atom in [*self._atoms(read), Atom(read.end, read.end)]:
            if atom.start > here:
                gaps.append(AddressRange(read.area, here, atom.start - 1, read.unit))
            here = max(here, atom.end)
        return tuple(gaps)

    def _atoms(self, read: Read) -> list[Atom]:
        return atoms_of([piece_of(self.tags[member.tag], member, read) for member in read.members])

    def _is_exact(self, read: Read) -> bool:
        return any(
            one.applies(read.unit, read.area) and (one.first, one.last) == (read.address, read.end - 1)
            for one in self._rules.reads
        )

    def without_bridges(self, read: Read) -> ReadPlan:
        """The plan after a read with bridges was refused (exceptions 2, 3, 4): its gaps are not bridged any more.

        Returns this very plan when the read bridges nothing, or has to be made exactly so.
        """
        gaps = () if self._is_exact(read) else self.bridges(read)
        apart = [Apart(read.unit, read.area, gap.first - 1, gap.last + 1) for gap in gaps]
        return self._next(unbridged=_joined(self.learnt.unbridged, apart)) if apart else self

    def split(self, read: Read) -> ReadPlan:
        """The plan after a read was refused without bridges: halved between two values, its neighbours left alone.

        Returns this very plan when nothing is left to divide: then ``culprits`` says which tags are to blame.
        """
        atoms = self._atoms(read)
        if len(atoms) < 2 or self._is_exact(read):
            return self
        middle = read.address + read.count / 2
        cut = min(range(1, len(atoms)), key=lambda number: abs(atoms[number].start - middle))
        apart = [_apart(read, atoms[cut - 1], atoms[cut]), *self._fences(read, atoms)]
        return self._next(split=_joined(self.learnt.split, apart))

    def _fences(self, read: Read, atoms: list[Atom]) -> list[Apart]:
        """What keeps the halves of a read from growing into its neighbours, which the device does answer."""
        beside = sorted(
            (other for other in self.reads if (other.unit, other.area) == (read.unit, read.area) and not other.repeat),
            key=lambda other: other.address,
        )
        number = beside.index(read) if read in beside else 0
        fences = []
        if number > 0:
            fences.append(_apart(read, self._atoms(beside[number - 1])[-1], atoms[0]))
        if number + 1 < len(beside):
            fences.append(_apart(read, atoms[-1], self._atoms(beside[number + 1])[0]))
        return fences

    def culprits(self, read: Read) -> tuple[int, ...]:
        """The tags, by their number, that a refused read leaves to blame: empty while the read can be split."""
        atoms = self._atoms(read)
        if len(atoms) > 1 and not self._is_exact(read):
            return ()
        pieces = [piece_of(self.tags[member.tag], member, read) for member in read.members]
        widest = max(piece.end - piece.start for piece in pieces)
        return tuple(piece.tag for piece in pieces if piece.end - piece.start == widest)

    def hole(self, *tags: Tag | int | str) -> ReadPlan:
        """The plan without tags that cannot be read. Splits made while looking for them are forgotten."""
        found = [self._tag(tag) for tag in tags]
        tables = {table_of(tag, self._rules.unit) for tag in found}
        return self._next(
            holes=self.learnt.holes | {tag.name: str(tag.address) for tag in found},
            split=tuple(apart for apart in self.learnt.split if (apart.unit, apart.area) not in tables),
        )

    def forget(self, *tags: Tag | int | str) -> ReadPlan:
        """The plan that tries these holes again; without arguments, everything that was refused."""
        if not tags:
            return self._next(holes={}, unbridged=(), split=())
        names = {self._tag(tag).name for tag in tags}
        return self._next(holes={name: where for name, where in self.learnt.holes.items() if name not in names})

    def measured(self, request_cost: float) -> ReadPlan:
        """The plan for a measured cost of one more request, in registers."""
        return self._next(request_cost=float(request_cost))

    def _tag(self, tag: Tag | int | str) -> Tag:
        if isinstance(tag, int):
            return self.tags[tag]
        name = tag if isinstance(tag, str) else tag.name
        for one in self.tags:
            if one.name == name:
                return one
        raise ValueError(f"the plan has no tag {name!r}")

    def save(self, path: str | Path | None = None) -> str:
        """What was learnt, as JSON; also into a file if one is named."""
        if path is not None:
            self.learnt.save(path)
        return msgspec.json.encode(self.learnt).decode()

    def load(self, source: str | Path) -> ReadPlan:
        """The plan with what ``save`` kept, a file or its text; holes count where the tag is still at its address.

        Raises
        ------
        ValueError, OSError
            As of `Learnt.load`.
        """
        return self.informed(Learnt.load(source))

    def informed(self, learnt: Learnt) -> ReadPlan:
        """The plan for these facts, be they from another plan of the same device or from an earlier day."""
        return ReadPlan.__new__(ReadPlan)._build(self.tags, self._rules, learnt, self.generation + 1)

    def __repr__(self) -> str:
        return f"<ReadPlan: {len(self.tags)} tags, {len(self.reads)} requests, generation {self.generation}>"

    def __str__(self) -> str:
        bridged = sum(_size(gap) for read in self.reads for gap in self.bridges(read))
        bits = sum(read.count for read in self.reads if read.area in BIT_AREAS)
        sizes = [_counted(self.registers - bits, "register")] if self.registers > bits else []
        sizes += [_counted(bits, "bit")] if bits else []
        tags, requests = len(self.tags) - len(self.skipped), len(self.reads)
        head = f"{_counted(tags, 'tag')} in {_counted(requests, 'request')} per poll"
        lines = [f"{head}: {', '.join(sizes) or 'nothing'}" + (f", {bridged} of them bridged" if bridged else "")]
        lines += [self._line(read) for read in self.reads]
        if self.skipped:
            names = ", ".join(f"{self.tags[number].name} ({self.tags[number].address})" for number in self.skipped)
            lines.append(f"  not read, holes: {names}")
        return "\n".join(lines)

    def _line(self, read: Read) -> str:
        gaps = self.bridges(read)
        bridges = ", ".join(str(gap._replace(unit=None)) for gap in gaps)
        if len(gaps) > GAPS_SHOWN:
            bridges = f"{len(gaps)} gaps ({sum(map(_size, gaps))})"
        notes = [f"stage {read.stage}" if read.stage else "", "scale factors once more" if read.repeat else ""]
        notes += [f"bridges {bridges}" if gaps else ""]
        note = "".join(f"; {one}" for one in notes if one)
        where = str(read).partition("/")[2]
        return f"  unit {read.unit} {where:<13} {read.count:>4}  {_counted(len(read.members), 'tag')}{note}"


def _size(gap: AddressRange) -> int:
    return gap.last - gap.first + 1


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _check_size(name: str, size: int, most: int) -> None:
    if not 1 <= size <= most:
        raise ValueError(f"{name} is {size}; it must be 1 to {most}")


def _parsed(ranges: Iterable[AddressRange | str]) -> tuple[AddressRange, ...]:
    return tuple(AddressRange.parse(one) if isinstance(one, str) else one for one in ranges)


def _joined(known: tuple[Apart, ...], more: Iterable[Apart]) -> tuple[Apart, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _apart(read: Read, low: Atom, high: Atom) -> Apart:
    return Apart(read.unit, read.area, low.start, high.end - 1)
