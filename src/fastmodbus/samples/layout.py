"""Which columns there are: names, tags, and which reads bring each. Plain values, made once for a plan.

Samples of one layout fit together; its names are those of every export. Only this package uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from ..tags import Tag
from ..values import Decoder


@dataclass(frozen=True, eq=False)
class Layout:
    """The columns of some Samples.

    Parameters
    ----------
    tags : tuple of Tag
        One for each column, called as the column is.
    reads : tuple of tuple of int
        The reads of the plan that bring each column; empty where that is not known.
    requests : tuple of str
        The reads of the plan, as text.
    """

    tags: tuple[Tag, ...]
    reads: tuple[tuple[int, ...], ...]
    requests: tuple[str, ...] = ()

    @classmethod
    def of_tags(cls, tags: Iterable[Tag], requests: Iterable[str] = ()) -> Layout:
        """The layout of columns when nobody knows any more which read brings which."""
        tags = tuple(tags)
        return cls(tags, ((),) * len(tags), tuple(requests))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(tag.name for tag in self.tags)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The number of each column."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def elements(self) -> tuple[tuple[str, ...], ...]:
        """For each column the name of each element: its own, or ``name[0]``, ``name[1]`` ... of an array.

        No two are the same: an array's element that is called like a column gets a prime.
        """
        taken = {tag.name for tag in self.tags}
        return tuple((tag.name,) if tag.address.count is None else tuple(_unlike(tag, taken)) for tag in self.tags)

    @cached_property
    def width(self) -> int:
        """How many values a row has."""
        return sum(tag.address.length for tag in self.tags)

    @cached_property
    def exports(self) -> dict[str, Any]:
        """What other libraries need of this layout and takes time to make: each keeps it here under its own name."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Layout, (self.tags, self.reads, self.requests)

    def fits(self, other: Layout) -> bool:
        """Whether the columns mean the same."""
        return self is other or self.tags == other.tags


def _unlike(tag: Tag, taken: set[str]) -> Iterator[str]:
    for number in range(tag.address.length):
        name = f"{tag.name}[{number}]"
        while name in taken:
            name += "'"
        taken.add(name)
        yield name


# By decoder, then by what the columns are called.
_KNOWN: WeakKeyDictionary[Decoder, dict[tuple[tuple[str, int], ...] | None, Layout]] = WeakKeyDictionary()


def layout_of(decoder: Decoder, keys: Mapping[str, int] | None) -> Layout:
    """The layout of a decoder's columns under these keys; see `Rows`. Made once, then remembered with the decoder."""
    known = _KNOWN.setdefault(decoder, {})
    key = None if keys is None else tuple(keys.items())
    if key not in known:
        known[key] = _make(decoder, keys)
    return known[key]


def _make(decoder: Decoder, keys: Mapping[str, int] | None) -> Layout:
    plan = decoder.plan
    if keys is None:
        keys = {tag.name: number for number, tag in enumerate(plan.tags)}
    reads: dict[int, list[int]] = {}
    for number, read in enumerate(plan.reads):
        for member in () if read.repeat else read.members:
            reads.setdefault(member.tag, []).append(number)
    return Layout(
        tuple(_called(plan.tags[number], name) for name, number in keys.items()),
        tuple(tuple(reads.get(number, ())) for number in keys.values()),
        tuple(map(str, plan.reads)),
    )


def _called(tag: Tag, name: str) -> Tag:
    return tag if tag.name == name else tag.replace(name=name)
