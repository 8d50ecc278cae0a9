"""What a client's ``read`` and ``write`` are asked for, as tags and remembered plans: text, lists, patterns, mappings.

Plain values and no I/O. What one unit has taught one client lives here, for all plans alike, and the values that never
change, for as long as the connection lives that they were read over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any

import msgspec

from ..address import BIT_AREAS, REGISTER, Address
from ..maps import Limits, Map, resolve
from ..plan import DEFAULT_REQUEST_COST, Learnt, ReadPlan
from ..tags import Tag
from .cost import RequestCost, differs
from .selection import Selection, own, usable_factor

KEPT = 64  # selections whose plans are remembered
REST = 600.0  # seconds until what a device refused is tried again


class Names:
    """What one client, or view of a unit, can read and write by name.

    Parameters
    ----------
    map : Map or None
    unit : int
    max_registers, max_bits : int
        The client's limits; the map's may be smaller.
    connections : callable
        How many connections were made so far: what never changes is read again over each.
    keep : callable
        Writes down what was learnt, where that is wanted: for who learns outside of a call of the client.

    Attributes
    ----------
    learnt : Learnt
        What the device has taught. It is replaced, never changed, so that whoever saved it sees what is new.
    """

    def __init__(
        self, map: Map | None, *, unit: int, max_registers: int, max_bits: int,
        connections: Callable[[], int] = lambda: 0, keep: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.map, self.connections, self.keep = map, connections, keep
        own = Limits(max_registers=max_registers, max_bits=max_bits)
        self._limits = own if map is None else own.narrowed(map.limits)
        self._unit = unit
        self._cost = RequestCost() if self._limits.max_gap == "auto" else None
        self._selections: dict[Any, Selection] = {}
        self._recent: tuple[Any, Any] = None, None
        self.learnt = Learnt()
        self._lock = Lock()
        self._learnt_at: float | None = None
        self._said: set[tuple[str, str]] = set()
        self._constants: dict[Tag, Any] = {}
        self._constants_of = 0  # the connection over which they were read

    # -------------------------------------------------------------------------------------------- what was learnt

    def learn(self, learnt: Learnt, before: Learnt, now: float) -> None:
        """Take over what was learnt, or loaded, at this time, in seconds; ``before``: what it began with."""
        with self._lock:  # a poller's supervisor learns beside the client's callers
            self.learnt = self.learnt.advanced(before, learnt)
            if self._learnt_at is None:
                self._learnt_at = now

    def freshen(self, now: float, fresh: bool = False) -> None:
        """Give what was refused another chance when it has rested: the device may have been starting, or changed.

        ``fresh``: do so now, and forget the values that never change as well.
        """
        if fresh:
            self.forget_constants()
        if self._learnt_at is not None and (fresh or now - self._learnt_at > REST):
            known = self.learnt
            self.learnt, self._learnt_at = Learnt(request_cost=known.request_cost, in_flight=known.in_flight), None

    def unsaid(self, tags: Iterable[Tag]) -> list[Tag]:
        """Those of these holes that were not logged yet."""
        new = [tag for tag in tags if (tag.name, str(tag.address)) not in self._said]
        self._said.update((tag.name, str(tag.address)) for tag in new)
        return new

    def took(self, plan: ReadPlan, ns: int, now: float) -> None:
        """All reads of a plan took so long, with nothing in between: where the device's cost counts, learn it."""
        if self._cost is None or not plan.reads:
            return
        bits = sum(read.count for read in plan.reads if read.area in BIT_AREAS)
        self._cost.note(len(plan.reads), plan.registers - bits + bits // REGISTER, ns)
        cost = self._cost.value()
        if cost is not None and differs(cost, self.learnt.request_cost or DEFAULT_REQUEST_COST):
            self.learn(msgspec.structs.replace(self.learnt, request_cost=cost), self.learnt, now)

    def lacks_mask_write(self, unit: int, now: float) -> None:
        """Remember that a unit has no function 22."""
        units = (*self.learnt.no_mask_write, unit)
        self.learn(msgspec.structs.replace(self.learnt, no_mask_write=units), self.learnt, now)

    # -------------------------------------------------------------------------------------------- what never changes

    def forget_constants(self) -> None:
        """Read again what never changes."""
        self._constants = {}

    def remember(self, selection: Selection, values: list[Any], connection: int) -> None:
        """Keep the values that never change, which came over this connection."""
        tags = selection.plan.tags
        found = {tags[number]: own(values[number]) for number in selection.once}
        factors = {tag.scale_from for tag in tags}
        if all(usable_factor(value) for tag, value in found.items() if tag.name in factors):
            self._constants = {**self._known(), **found}
            self._constants_of = connection

    def _known(self) -> dict[Tag, Any]:
        """The values that never change, as far as they were read over this connection."""
        if self._constants and self._constants_of != self.connections():
            self.forget_constants()
        return self._constants

    def written(self, unit: int, area: str, start: int, end: int) -> None:
        """Registers were written: what never changed by itself may have changed there."""
        spans = (tag.address for tag in self._constants if self._table(tag) == (unit, area))
        if any(span.address < end and start < span.end for span in spans):
            self.forget_constants()

    def _table(self, tag: Tag) -> tuple[int, str]:
        return self._unit if tag.address.unit is None else tag.address.unit, tag.address.area

    # -------------------------------------------------------------------------------------------- what is meant

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
        """What a caller asks for, in the newest generation of its plan; made once and then remembered."""
        return self._newest(self._selection(what))

    def to_read(self, what: Any) -> Selection:
        """The same without the values that never change, when these are known."""
        found = self._selection(what)
        return self._newest(found.rest(self._known(), self.plan) if found.once else found)

    def _newest(self, selection: Selection) -> Selection:
        if selection.plan.learnt is not self.learnt:
            selection.follow(selection.plan.informed(self.learnt))
        return selection

    def _selection(self, what: Any) -> Selection:
        recent, selection = self._recent
        found: Selection = selection
        if not _same_list(what, recent):
            found = self._remembered(what)
            if type(what) is list:
                self._recent = what.copy(), found
        return found

    def _remembered(self, what: Any) -> Selection:
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
        once = frozenset(index for index, tag in enumerate(tags) if self._never_changes(tag))
        return Selection({key: number[tag] for key, tag in asked.items()}, single, self.plan(tags), once, {})

    def _never_changes(self, tag: Tag) -> bool:
        return self.map is not None and bool(tag.group) and self.map.groups.get(tag.group) == math.inf

    def plan(self, tags: Iterable[Tag]) -> ReadPlan:
        """The plan that reads these tags from this client's unit."""
        return ReadPlan(tags, unit=self._unit, learnt=self.learnt, **self._limits.for_plan())

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


def _same_list(what: Any, other: Any) -> bool:
    """Whether a list has the elements of another: the usual case, found without hashing them."""
    if type(what) is not list:
        return False
    try:
        return bool(what == other)
    except ValueError:  # arrays are no tags
        return False


def _key(what: Any) -> Any:
    """What a selection is remembered by, None when it cannot be. Only what means something is ever remembered."""
    if isinstance(what, Mapping):
        key: Any = (dict, tuple(what.items()))
    elif isinstance(what, (list, tuple)):
        key = (list, tuple(what))
    else:
        key = what
    try:
        hash(key)
    except TypeError:
        return None
    return key
