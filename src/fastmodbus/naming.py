"""What a client's ``read`` and ``write`` are asked for, as tags and a cached plan: text, lists, patterns, mappings.

Plain values and no I/O. What was learnt about a device (bridges, splits, holes) lives here as the newest generation of
each plan, for one client and unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .address import Address
from .maps import Limits, Map, resolve
from .plan import ReadPlan
from .tags import Tag
from .values import Decoder

_PLAIN = {str, Address, Tag}
KEPT = 64  # selections whose plans are remembered
REST = 600.0  # seconds until what a device refused is tried again


Request = tuple[int, int, int, int, int]


def requests_of(decoder: Decoder) -> list[Request]:
    """The reads of a plan as the core takes them: function, unit, address, count, offset in the image in bytes."""
    image = decoder.image()
    start = image.__array_interface__["data"][0]
    return [
        (read.function, read.unit, read.address, read.count, target.__array_interface__["data"][0] - start)
        for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True)
    ]


class Selection:
    """Some tags under the keys of a result, the plan that reads them and its decoder.

    Attributes
    ----------
    keys : dict of str to int
        For each key of the result the number of its tag in ``plan.tags``; scale factors have none.
    single : bool
        The result is one value instead of a dict.
    """

    __slots__ = ("_said", "decoder", "keys", "learnt_at", "plan", "requests", "single")

    def __init__(self, keys: dict[str, int], single: bool, plan: ReadPlan) -> None:
        self.keys, self.single = keys, single
        self._said: set[int] = set()
        self.learn(plan, None)

    def learn(self, plan: ReadPlan, at: float | None) -> None:
        """Go on with another generation of the plan, learnt at this time."""
        self.learnt_at = at
        self.plan = plan
        self.decoder = Decoder(plan)
        self.requests = requests_of(self.decoder)

    def freshen(self, now: float) -> None:
        """Give what was refused another chance when it has rested: the device may have been starting, or changed."""
        if self.learnt_at is not None and now - self.learnt_at > REST:
            self.learn(self.plan.forget(), None)

    def unsaid(self, holes: Iterable[int]) -> list[int]:
        """Those of these holes that were not logged yet."""
        new = [hole for hole in holes if hole not in self._said]
        self._said.update(new)
        return new

    def result(self, values: list[Any]) -> Any:
        """The values of the tags, by their numbers, as the caller wants them."""
        if self.single:
            return values[next(iter(self.keys.values()))]
        return {key: values[number] for key, number in self.keys.items()}


class Names:
    """What one client, or view of a unit, can read and write by name.

    Parameters
    ----------
    map : Map or None
    unit : int
    max_registers, max_bits : int
        The client's limits; the map's may be smaller.
    """

    def __init__(self, map: Map | None, *, unit: int, max_registers: int, max_bits: int) -> None:
        self.map = map
        own = Limits(max_registers=max_registers, max_bits=max_bits)
        self._limits = own if map is None else own.narrowed(map.limits)
        self._unit = unit
        self._selections: dict[Any, Selection] = {}

    def tags(self, what: Any) -> dict[str, Tag]:
        """The tags that are meant, by the keys of the result.

        Raises
        ------
        ValueError
            A text that is no tag, no address and no pattern that matches.
        TypeError
            Something else than texts, addresses and tags.
        """
        if what is None:
            if self.map is None:
                raise ValueError("what to read is missing, and the client has no map that would say so")
            return dict(self.map.by_name)
        if isinstance(what, (str, Address, Tag)):
            return self._of_one(what)
        if isinstance(what, Mapping):
            return {str(key): self._exactly_one(value) for key, value in what.items()}
        if not isinstance(what, Iterable):
            raise TypeError(f"what to read is {what!r}, a {type(what).__name__}; texts, addresses or tags are needed")
        return {key: tag for one in what for key, tag in self._of_one(one).items()}

    def _of_one(self, what: Any) -> dict[str, Tag]:
        if isinstance(what, Tag):
            return {what.name: what}
        if isinstance(what, Address):
            return {str(what): Tag(str(what), what)}
        if not isinstance(what, str):
            raise TypeError(f"{what!r} is a {type(what).__name__}; a text, an address or a tag is needed")
        found = resolve(what, self.map)
        return {what: found[0]} if _means_one(what, found) else {tag.name: tag for tag in found}

    def _exactly_one(self, what: Any) -> Tag:
        found = list(self._of_one(what).values())
        if len(found) != 1:
            raise ValueError(f"{what!r} means {len(found)} tags; one is needed")
        return found[0]

    def selection(self, what: Any) -> Selection:
        """The selection for what a caller asks, made once and then remembered."""
        key = _key(what)
        found = self._selections.get(key) if key is not None else None
        if found is None:
            found = self._select(what)
            if key is not None:
                if len(self._selections) >= KEPT:
                    del self._selections[next(iter(self._selections))]
                self._selections[key] = found
        return found

    def _select(self, what: Any) -> Selection:
        asked = self.tags(what)
        if not asked:
            raise ValueError("what to read is empty")
        tags = list(dict.fromkeys(asked.values()))
        if self.map is not None:
            tags = list(self.map.with_factors(tags))
        number = {tag: index for index, tag in enumerate(tags)}
        single = isinstance(what, (Address, Tag)) or (isinstance(what, str) and what in asked)
        return Selection({key: number[tag] for key, tag in asked.items()}, single, self.plan(tags))

    def plan(self, tags: Iterable[Tag]) -> ReadPlan:
        """The plan that reads these tags from this client's unit."""
        return ReadPlan(tags, unit=self._unit, **self._limits.for_plan())

    def writable(self, key: str) -> Tag:
        """The one tag of a key to write; a tag of a map must allow it, an address always may.

        Raises
        ------
        ValueError
            No tag, several, one that is only read, or an area that cannot be written.
        """
        tag = self._exactly_one(key)
        mapped = self.map is not None and self.map.by_name.get(tag.name) is tag
        if tag.address.area not in ("co", "hr"):
            raise ValueError(f"{tag.name!r} ({tag.address}) cannot be written: only coils and holding registers can")
        if mapped and tag.access != "rw":
            raise ValueError(f"{tag.name!r} ({tag.address}) may only be read; access = 'rw' in its map would allow it")
        return tag


def _means_one(text: str, found: tuple[Tag, ...]) -> bool:
    """Whether a text names one tag or address; a pattern gives a dict, also when it matches only one."""
    return len(found) == 1 and (found[0].name == text or not any(mark in text for mark in "*?["))


def _key(what: Any) -> Any:
    """What a selection is remembered by, None when it cannot be."""
    if what is None or isinstance(what, (str, Address, Tag)):
        return what if what is not None else ()
    try:
        if isinstance(what, Mapping):
            return (dict, tuple(what.items())) if _hashable(what.values()) else None
        if isinstance(what, (list, tuple)):
            return (list, tuple(what)) if _hashable(what) else None
    except TypeError:
        return None
    return None


def _hashable(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= _PLAIN
