"""From tags to requests: groups the tags by table, applies the rules, lets ``packing`` cut, puts the requests in order.

Only ``readplan`` uses this. Functions of values; every call plans afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..address import AREAS, BIT_AREAS, REGISTER, Address, AddressRange
from ..tags import Tag, map_error
from .packing import Pair, Piece, Reach, Span, array_edges, pack
from .reads import FUNCTIONS, Learnt, Member, Read, Rules, Table, element_start, table_of

DEFAULT_REQUEST_COST = 8.0  # registers, until measured


def plan_reads(
    tags: Sequence[Tag], live: Sequence[int], factors: Sequence[int], rules: Rules, learnt: Learnt
) -> tuple[Read, ...]:
    """The requests for the tags numbered ``live`` (the others are holes); ``factors`` has the scale factor of each."""
    stages = _stages(tags)
    groups: dict[tuple[int, Table], list[int]] = {}
    for number in live:
        groups.setdefault((stages[number], table_of(tags[number], rules.unit)), []).append(number)
    dead = [Address(text) for text in learnt.holes.values()]
    tables = {table: _TablePlanner(table, tags, rules, learnt, dead, live) for _, table in groups}
    reads: list[Read] = []
    for (stage, table), numbers in groups.items():
        inside = set(numbers)
        pairs = [(number, factors[number]) for number in numbers if factors[number] in inside]
        reads += tables[table].reads(numbers, pairs, stage)
    return _in_order(reads, factors, lambda number: tables[table_of(tags[number], rules.unit)])


class _TablePlanner:
    """One table of one unit, with the rules that apply to it."""

    def __init__(
        self, table: Table, tags: Sequence[Tag], rules: Rules, learnt: Learnt, dead: Iterable[Address],
        live: Iterable[int],
    ) -> None:  # fmt: skip
        self.table, self.tags = table, tags
        self.unit, self.area = table
        bits = self.area in BIT_AREAS
        self.size = rules.max_bits if bits else rules.max_registers
        per_register = REGISTER if bits else 1
        cost = None if rules.max_gap != "auto" else learnt.request_cost or rules.request_cost or DEFAULT_REQUEST_COST
        self.request_cost = None if cost is None else cost * per_register
        self.max_gap = int(rules.max_gap * per_register) if rules.max_gap != "auto" else int(self.request_cost or 0)
        self.exact = sorted(self._spans(rules.reads))
        self.holes = self._spans(rules.holes)
        mine = [tags[number].address for number in live if table_of(tags[number], rules.unit) == table]
        lost = [one for one in dead if (rules.unit if one.unit is None else one.unit, one.area) == table]
        refused = _minus([(one.address, one.end) for one in lost], [(one.address, one.end) for one in mine])
        apart = [
            (one.first, one.last) for one in (*learnt.unbridged, *learnt.split) if (one.unit, one.area) == self.table
        ]
        self.reach = Reach(self.size, self._spans(rules.ranges), [*self.holes, *self.exact, *refused], apart)

    def _spans(self, ranges: Iterable[AddressRange]) -> list[Span]:
        return [(one.first, one.last + 1) for one in ranges if one.applies(self.unit, self.area)]

    def reads(self, numbers: Iterable[int], pairs: Sequence[Pair], stage: int, *, repeat: bool = False) -> list[Read]:
        """The requests for some tags of this table."""
        exact: dict[Span, list[Piece]] = {}
        free: list[int] = []
        for number in numbers:
            span = self._exact_read(self.tags[number]) if self.exact else None
            if span is None:
                free.append(number)
            else:
                exact.setdefault(span, []).append(self._whole(number))
        made = [self._read(span, pieces, stage, repeat) for span, pieces in exact.items()]
        return made + self._packed(free, pairs, stage, repeat)

    def _packed(self, numbers: Sequence[int], pairs: Sequence[Pair], stage: int, repeat: bool) -> list[Read]:
        pieces = self._pieces(numbers)
        by_tag: dict[int, list[int]] = {}
        if pairs:
            for index, piece in enumerate(pieces):
                by_tag.setdefault(piece.tag, []).append(index)
        linked = [
            (one, other) for value, factor in pairs for one in by_tag.get(value, ()) for other in by_tag.get(factor, ())
        ]
        runs = pack(pieces, linked, self.reach, max_gap=self.max_gap, request_cost=self.request_cost)
        made = []
        for run in runs:
            inside = [pieces[index] for atom in run for index in atom.pieces]
            made.append(self._read((run[0].start, run[-1].end), inside, stage, repeat))
        return made

    def _read(self, span: Span, pieces: Iterable[Piece], stage: int, repeat: bool) -> Read:
        start, end = span
        members = tuple(Member(piece.tag, piece.start - start, piece.first, piece.elements) for piece in pieces)
        return Read(self.unit, self.area, start, end - start, members, stage, repeat)

    def _exact_read(self, tag: Tag) -> Span | None:
        address = tag.address
        for start, end in self.exact:
            if address.address < end and start < address.end:
                if end - start > self.size:
                    raise map_error(
                        f"the read of {end - start} registers asks for more than {self.size}", field="reads"
                    )
                if start <= address.address and address.end <= end:
                    return start, end
                raise map_error(f"{address} lies across the edge of the read {self._text(start, end)}", tag=tag.name)
        return None

    def _whole(self, number: int) -> Piece:
        address = self.tags[number].address
        return Piece(address.address, address.end, number, 0, address.length)

    def _pieces(self, numbers: Sequence[int]) -> list[Piece]:
        """Whole values, and arrays that no request can hold cut into such that one can."""
        pieces: list[Piece] = []
        long: list[Piece] = []
        for number in numbers:
            piece = self._whole(number)
            (pieces if self.reach.hard(piece.start) >= piece.end else long).append(piece)
        starts = {piece.start for piece in pieces}
        for piece in sorted(long):
            parts = self._parts(piece, starts)
            starts.update(part.start for part in parts)
            pieces += parts
        return pieces

    def _parts(self, piece: Piece, starts: Iterable[int]) -> list[Piece]:
        tag = self.tags[piece.tag]
        edges: list[int] = []
        if tag.address.count is not None and not self._in_hole(piece):
            edges = array_edges(piece.start, piece.end, starts, self.reach, lambda register: _edge(tag, register))
        if not edges:
            raise map_error(self._why_not(tag), tag=tag.name, field="address")
        firsts = [_element_at(tag, edge) for edge in edges[:-1]] + [piece.elements]
        return [
            Piece(edge, end, piece.tag, first, after - first)
            for edge, end, first, after in zip(edges, edges[1:], firsts, firsts[1:], strict=False)
        ]

    def _in_hole(self, piece: Piece) -> bool:
        return any(piece.start < end and start < piece.end for start, end in self.holes)

    def _why_not(self, tag: Tag) -> str:
        address = tag.address
        for start, end in self.holes:
            if address.address < end and start < address.end:
                return f"{address} lies in the hole {self._text(start, end)}"
        spans = self.reach.ranges
        if spans and not any(start <= address.address and address.end <= end for start, end in spans):
            return f"{address} lies outside of what can be read: {', '.join(self._text(*span) for span in spans)}"
        one = address.width if address.count else address.registers
        return f"{address} takes {one} {AREAS[self.area]}; a request may ask for {self.size}"

    def _text(self, start: int, end: int) -> str:
        return str(AddressRange(self.area, start, end - 1))


def _element_at(tag: Tag, register: int) -> int:
    """The first element that begins at or after a register, counting from an element's edge."""
    address = tag.address
    if address.bit is None:
        return (register - address.address) // address.width
    return max(0, (register - address.address) * REGISTER - address.bit)


def _edge(tag: Tag, register: int) -> int:
    """The edge between two elements at or before a register."""
    return element_start(tag, _element_at(tag, register)) if register > tag.address.address else tag.address.address


def _minus(spans: Iterable[Span], kept: Iterable[Span]) -> list[Span]:
    """What of the spans is in none of those kept."""
    left = list(spans)
    for start, end in kept if left else ():
        left = [
            part for low, high in left for part in ((low, min(high, start)), (max(low, end), high)) if part[0] < part[1]
        ]
    return left


def _stages(tags: Sequence[Tag]) -> list[int]:
    """For every tag, how many others must be read in earlier requests."""
    if not any(tag.after for tag in tags):
        return [0] * len(tags)
    by_name = {tag.name: tag for tag in tags}
    stages = []
    for tag in tags:
        stage, here = 0, tag
        while here.after in by_name:
            stage, here = stage + 1, by_name[here.after]
            if stage > len(tags):
                raise map_error("leads in a circle", tag=tag.name, field="after")
        stages.append(stage)
    return stages


def _parted(reads: Iterable[Read], factors: Sequence[int], read_at_all: Iterable[int]) -> list[tuple[Read, int]]:
    """Each read of a value whose scale factor is read elsewhere, with that factor."""
    elsewhere = set(read_at_all)
    found: list[tuple[Read, int]] = []
    for read in reads:
        inside = {member.tag for member in read.members}
        needed = {factors[number] for number in inside} & elsewhere - inside
        found += [(read, factor) for factor in sorted(needed)]
    return found


def _in_order(
    reads: list[Read], factors: Sequence[int], planner_of: Callable[[int], _TablePlanner]
) -> tuple[Read, ...]:
    """The reads by stage and address, scale factors that are read apart from their values on both sides of these."""
    parted = _parted(reads, factors, {member.tag for read in reads for member in read.members})
    wanted = {factor for _, factor in parted}

    def place(read: Read) -> tuple[int, bool, int, int, int]:
        late = bool(wanted) and not any(member.tag in wanted for member in read.members)
        return read.stage, late, read.unit, FUNCTIONS[read.area], read.address

    ordered = sorted(reads, key=place)
    if not wanted:
        return tuple(ordered)
    position = {member.tag: number for number, read in enumerate(ordered) for member in read.members}
    before = {factor for read, factor in parted if ordered.index(read) < position[factor]}
    after = {factor for read, factor in parted if ordered.index(read) > position[factor]}
    again = _repeats(before, 0, planner_of), _repeats(after, ordered[-1].stage, planner_of)
    return (*again[0], *ordered, *again[1])


def _repeats(factors: Iterable[int], stage: int, planner_of: Callable[[int], _TablePlanner]) -> list[Read]:
    tables: dict[Table, list[int]] = {}
    for factor in sorted(factors):
        tables.setdefault(planner_of(factor).table, []).append(factor)
    return [
        read for numbers in tables.values() for read in planner_of(numbers[0]).reads(numbers, (), stage, repeat=True)
    ]
