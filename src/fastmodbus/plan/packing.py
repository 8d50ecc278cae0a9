"""The arithmetic of read plans: intervals of one table of one unit, packed into the fewest requests.

Only ``planner`` and ``readplan`` use this. It knows registers and limits, nothing of tags, units or types.

How it works: values inside others ride along with them; what is left (atoms) has rising starts *and* rising ends, so
some best plan cuts the row of atoms into runs. A run from atom i may reach up to a limit that never falls as i rises,
so the best cuts come from one pass of dynamic programming.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Span = tuple[int, int]  # first register, first register after
Pair = tuple[int, int]  # two items that want to share a request

# Weights that make one sum out of "first the requests, then the parted pairs, then the registers".
REQUEST_WEIGHT = float(1 << 33)
PAIR_WEIGHT = float(1 << 18)


class Piece(NamedTuple):
    """Registers ``start`` to ``end - 1`` that must come in one request: a value, or ``elements`` of an array."""

    start: int
    end: int
    tag: int
    first: int = 0
    elements: int = 1


@dataclass(slots=True)
class Atom:
    """A piece that no other contains, and those that it contains."""

    start: int
    end: int
    pieces: list[int] = field(default_factory=list)


class Reach:
    """How far a request that starts at a register may go.

    Parameters
    ----------
    size : int
        Most registers in a request.
    ranges : sequence of Span
        A request stays within one of them; empty: anywhere.
    barriers : sequence of Span
        What no request may touch.
    apart : sequence of (first, last)
        Registers that no request may have both; given up for a piece that has both itself.
    """

    def __init__(self, size: int, ranges: Iterable[Span], barriers: Iterable[Span], apart: Iterable[Span]) -> None:
        self.size = size
        self.ranges = tuple(ranges)
        self._barriers = sorted(start for start, _ in barriers)
        pairs = sorted(apart)
        self._firsts = [first for first, _ in pairs]
        self._lasts = [last for _, last in pairs]
        for index in range(len(pairs) - 2, -1, -1):
            self._lasts[index] = min(self._lasts[index], self._lasts[index + 1])

    def hard(self, start: int) -> int:
        """The first register that a request from ``start`` cannot have; ``start`` itself when it must not be read."""
        end = start + self.size
        if self.ranges:
            end = min(end, max((stop for first, stop in self.ranges if first <= start < stop), default=start))
        index = bisect_left(self._barriers, start)
        return min(end, self._barriers[index]) if index < len(self._barriers) else end

    def of(self, start: int, end: int) -> int:
        """The same for a request whose first piece is ``start`` to ``end - 1``, with what is to be kept apart."""
        index = bisect_left(self._firsts, start)
        if index == len(self._firsts):
            return self.hard(start)
        return min(self.hard(start), max(self._lasts[index], end))


def atoms_of(pieces: Sequence[Piece]) -> list[Atom]:
    """The pieces that no other contains, by address; starts and ends both rise."""
    atoms: list[Atom] = []
    for index in sorted(range(len(pieces)), key=lambda index: (pieces[index].start, -pieces[index].end)):
        piece = pieces[index]
        if not atoms or piece.end > atoms[-1].end:
            atoms.append(Atom(piece.start, piece.end))
        atoms[-1].pieces.append(index)
    return atoms


def pack(
    pieces: Sequence[Piece], pairs: Sequence[Pair], reach: Reach, *, max_gap: int, request_cost: float | None
) -> list[list[Atom]]:
    """Divide the pieces into requests.

    Parameters
    ----------
    pieces : sequence of Piece
        Each must fit its reach.
    pairs : sequence of (index, index)
        Pieces that want to share a request.
    max_gap : int
        Unused registers that a request may bridge.
    request_cost : float, optional
        What one more request costs, in registers. None: requests count first, registers only among equals.

    Returns
    -------
    list of list of Atom
        The atoms of each request, by address.
    """
    atoms = atoms_of(pieces)
    home = {piece: index for index, atom in enumerate(atoms) for piece in atom.pieces}
    linked = {(min(home[a], home[b]), max(home[a], home[b])) for a, b in pairs if home[a] != home[b]}
    runs: list[list[Atom]] = []
    start = 0
    for stop in range(1, len(atoms) + 1):
        if stop == len(atoms) or atoms[stop].start - atoms[stop - 1].end > max_gap:
            inside = [(low - start, high - start) for low, high in linked if low >= start and high < stop]
            runs += _divide(atoms[start:stop], inside, reach, request_cost)
            start = stop
    return runs


def _divide(atoms: list[Atom], pairs: list[Pair], reach: Reach, request_cost: float | None) -> list[list[Atom]]:
    """The best cuts of atoms without a gap that is too wide."""
    limits = [reach.of(atom.start, atom.end) for atom in atoms]
    if limits[0] >= atoms[-1].end:
        return [atoms]
    weight = REQUEST_WEIGHT if request_cost is None else request_cost
    plans = [_cuts(atoms, limits, pairs, weight, PAIR_WEIGHT if request_cost is None else PAIR_WEIGHT / REQUEST_WEIGHT)]
    if pairs:
        plans.append(_cuts(atoms, limits, pairs, weight, weight * (len(atoms) + 1)))
        plans.sort(key=lambda cuts: (len(cuts) + bool(_parted(cuts, pairs)), _parted(cuts, pairs)))
    cuts = plans[0]
    return [atoms[low:high] for low, high in zip(cuts, [*cuts[1:], len(atoms)], strict=True)]


def _parted(cuts: list[int], pairs: list[Pair]) -> int:
    """How many pairs the cuts part."""
    return sum(bisect_right(cuts, low) != bisect_right(cuts, high) for low, high in pairs)


def _cuts(atoms: list[Atom], limits: list[int], pairs: list[Pair], request: float, parted: float) -> list[int]:
    """Where runs begin in the division of least cost: request per run, parted per parted pair, 1 per register."""
    count = len(atoms)
    starts = np.array([atom.start for atom in atoms], dtype=np.float64)
    lowest = np.searchsorted(np.array(limits), np.array([atom.end for atom in atoms]))
    cost = np.zeros(count + 1)  # of the atoms before each position
    before = np.zeros(count)  # cost[i] - starts[i], and the pairs that a run from i to here would part
    choice = [0] * (count + 1)
    partners: list[list[int]] = [[] for _ in atoms]
    for low, high in pairs:
        partners[high].append(low)
    for stop in range(1, count + 1):
        last = stop - 1
        before[last] += cost[last] - starts[last]
        for low in partners[last]:
            before[low + 1 : stop] += parted
        first = int(lowest[last])
        best = last - int(np.argmin(before[first:stop][::-1]))  # the latest of equals, so that early runs are full
        choice[stop] = best
        cost[stop] = before[best] + request + atoms[last].end
    return _walk_back(choice, count)


def _walk_back(choice: list[int], stop: int) -> list[int]:
    cuts: list[int] = []
    while stop:
        stop = choice[stop]
        cuts.append(stop)
    return cuts[::-1]


def array_edges(start: int, end: int, others: Iterable[int], reach: Reach, floor: Callable[[int], int]) -> list[int]:
    """Where to cut an array that no single request can hold.

    Parameters
    ----------
    start, end : int
        The array's registers.
    others : iterable of int
        Where requests may begin before the array and run into it.
    floor : callable
        The edge between two elements at or before a register.

    Returns
    -------
    list of int
        Rising edges from ``start`` to ``end``: wherever a request from one of the starts is full, and on from there. No
        other cut can make a better plan: a longer run within the array costs nothing and leaves less to the next. Empty
        when an element does not fit into a request.
    """
    edges = {start, end}
    waiting = [start, *(other for other in others if other < start < reach.hard(other))]
    while waiting:
        here = waiting.pop()
        stop = reach.hard(here)
        if stop >= end:
            continue
        edge = floor(stop)
        if edge <= here:
            if here >= start:
                return []
            continue
        if edge > start and edge not in edges:
            edges.add(edge)
            waiting.append(edge)
    return sorted(edges)
