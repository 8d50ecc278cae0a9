"""What ``Poller.add`` means: which tags are polled together, how often, and where the grid of instants begins."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..address import did_you_mean
from ..options import seconds

if TYPE_CHECKING:
    from ..maps import Map
    from ..naming import Names, Selection
    from ..settings import Settings

#: The shortest period but 0, in seconds.
SHORTEST = 100e-6
#: How often a group that is read once is tried until it is had, in seconds.
ONCE_AGAIN = 10.0
_LEAD = 20_000_000  # ns from adding to the first instant at least


class Pollable(Protocol):
    """A client of any kind."""

    _settings: Settings


def name_of(settings: Settings) -> str:
    """What the rows of a client are called: its name, or its address."""
    where = settings.default.where
    if where.name:
        return where.name
    unit = settings.default.unit
    return where.label if unit == 1 else f"{where.label}/{unit}"


class Group(NamedTuple):
    """Tags that are polled together."""

    name: str
    selection: Selection
    every: float  # seconds; 0 back to back, infinite for once
    names: Names  # what the client knows of the unit


def period(name: str, value: Any) -> float:
    """A period in seconds: 0 for back to back, infinite for ``"once"``."""
    if isinstance(value, str) and value.strip().lower() == "once":
        return math.inf
    if isinstance(value, float) and math.isinf(value):
        return math.inf
    found = seconds(name, value, zero=True)
    if 0 < found < SHORTEST:
        raise ValueError(f"{name} is {value!r}; allowed are 0 (back to back) and {SHORTEST:g} s or more")
    return found


def groups_of(settings: Settings, tags: Any, every: Any, groups: Any, name: str | None) -> list[Group]:
    """The groups that are meant.

    Given tags are one group; so is the whole map when only `every` is given. Else the map's groups, or some of them.

    Raises
    ------
    ValueError
        No period for something that is to be polled, an unknown group, nothing to poll.
    """
    given = None if every is None else period("every", every)
    map, names = settings.map, settings.names(settings.default.unit)
    if tags is not None or (groups is None and given is not None):
        if groups is not None:
            raise ValueError("groups are those of the client's map: give tags or groups, not both")
        if given is None:
            raise ValueError("every is missing: how often to poll, as in every='100ms'; 0 is back to back")
        return [Group(name or "", names.selection(tags), given, names)]
    if map is None:
        raise ValueError("tags are missing, and the client has no map that would say what to poll")
    if name is not None:
        raise ValueError("group is a name for given tags; the groups of a map have names")
    wanted = _wanted(map, groups)
    found = []
    for group, own in wanted.items():
        each = own if given is None else given
        members = [tag.name for tag in map.group(group)]
        if each is None:
            raise ValueError(
                f"how often is the group {group!r} to be polled? Give every, or groups={{{group!r}: '1s'}}"
            )
        if members:
            found.append(Group(group, names.selection(members), each, names))
    if not found:
        raise ValueError("there is nothing to poll: the map has no groups with tags; give every, as in every='1s'")
    return found


def _wanted(map: Map, groups: Any) -> dict[str, float | None]:
    """The groups asked for and their periods, as far as somebody said."""
    if groups is None:
        return dict(map.groups)
    if isinstance(groups, str):
        groups = [groups]
    if not isinstance(groups, Iterable):
        raise TypeError(f"groups is {groups!r}, a {type(groups).__name__}; names, or a mapping of names to periods")
    for name in groups:
        if name not in map.groups:
            raise ValueError(f"the map has no group {name!r}{did_you_mean(name, map.groups)}")
    if not isinstance(groups, Mapping):
        return {name: map.groups[name] for name in groups}
    return {name: None if value is None else period(f"groups[{name!r}]", value) for name, value in groups.items()}


def spread(index: int) -> float:
    """A fraction of the period for the connection with this number, far from those before (van der Corput)."""
    fraction, step = 0.0, 0.5
    while index:
        fraction += step * (index & 1)
        index >>= 1
        step /= 2
    return fraction


def phase_of(phase: Any, every: float, index: int) -> float:
    """The seconds by which a grid is late against the multiples of its period."""
    if isinstance(phase, str) and phase == "spread":
        return 0.0 if math.isinf(every) else spread(index) * every
    if isinstance(phase, str) and not phase[:1].isdigit():
        raise ValueError(f"phase is {phase!r}; allowed are 'spread' and a time from 0 on")
    return seconds("phase", phase, zero=True)


def first_instant(now: int, every: float, phase: float, anchor: int | None) -> int:
    """Where a grid begins, on the monotonic clock: aligned with the wall clock by way of `anchor`, or soon."""
    if every == 0:
        return now
    base, late = now + _LEAD, round(phase * 1e9)
    if anchor is None or math.isinf(every):
        return base + late
    step = round(every * 1e9)
    return -((late - anchor - base) // step) * step + late - anchor
