"""Some tags under the keys of a result, with the plan that reads them. Plain values and no I/O; `names` makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import numpy as np

from .._core.program import Record
from ..plan import ReadPlan
from ..tags import Tag
from ..values import Decoder

Request = tuple[int, int, int, int, int]

# What a scale factor without a value stands for: SunSpec's "not implemented", as the core knows it.
_NO_FACTOR = -0x8000
_UNKNOWN: Any = object()


def requests_of(decoder: Decoder) -> list[Request]:
    """The reads of a plan as the core takes them: function, unit, address, count, offset in the image in bytes."""
    image = decoder.image()
    start = image.__array_interface__["data"][0]
    return [
        (read.function, read.unit, read.address, read.count, target.__array_interface__["data"][0] - start)
        for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True)
    ]


class Selection:
    """What one call reads.

    Parameters
    ----------
    keys : dict of str to int
        For each key of the result the number of its tag: in ``plan.tags``, and beyond these in ``fixed``. Scale factors
        that only come along have no key.
    single : bool
        The result is one value instead of a dict.
    plan : ReadPlan
    once : frozenset of int
        The tags of the plan that never change.
    fixed : mapping of Tag to value
        Values that are known and not read.

    Attributes
    ----------
    decoder : Decoder
        Of the plan.
    requests : list of Request
        The plan's reads.
    stages : list of list of int
        The numbers of the reads that may be under way together, one list after the other.
    """

    __slots__ = (
        "_pick", "_record", "_rest", "_rest_of", "decoder", "fixed", "keys", "once", "plan", "requests", "single",
        "stages",
    )  # fmt: skip

    def __init__(
        self, keys: dict[str, int], single: bool, plan: ReadPlan, once: frozenset[int], fixed: Mapping[Tag, Any]
    ) -> None:
        self.keys, self.single, self.once, self.fixed = keys, single, once, fixed
        self._rest: Selection | None = None
        self._rest_of: Mapping[Tag, Any] | None = None
        self._record = Record(keys)
        self._pick = _picker(tuple(keys.values()), len(plan.tags) + len(fixed))
        self.follow(plan)

    def follow(self, plan: ReadPlan) -> None:
        """Go on with another generation of the plan."""
        self.plan = plan
        self.decoder = Decoder(plan, factors=_factors(self.fixed))
        self.requests = requests_of(self.decoder)
        self.stages = stages_of(plan)

    def result(self, values: list[Any]) -> Any:
        """The values of the plan's tags, by their numbers, and those that are known, as the caller wants them."""
        found = self._pick(values + [own(value) for value in self.fixed.values()] if self.fixed else values)
        return found[0] if self.single else self._record.of(found)

    def by(self, plan: ReadPlan) -> Selection:
        """The same by another generation of the plan."""
        return Selection(self.keys, self.single, plan, self.once, self.fixed)

    def rest(self, known: Mapping[Tag, Any], plan_of: Callable[[list[Tag]], ReadPlan]) -> Selection:
        """What is left to read when the values that never change are known; this very selection while they are not.

        ``known`` is replaced, never changed, when there is more or other to know.
        """
        if self._rest_of is not known:
            tags = self.plan.tags
            fixed = {tags[number]: known.get(tags[number], _UNKNOWN) for number in sorted(self.once)}
            others = [tag for number, tag in enumerate(tags) if number not in self.once]
            place = {tag: number for number, tag in enumerate((*others, *fixed))}
            keys = {key: place[tags[number]] for key, number in self.keys.items()}
            missing = any(value is _UNKNOWN for value in fixed.values())
            self._rest = None if missing else Selection(keys, self.single, plan_of(others), frozenset(), fixed)
            self._rest_of = known
        return self._rest or self


def _picker(numbers: tuple[int, ...], count: int) -> Callable[[list[Any]], list[Any]]:
    """What takes these of so many values, in this order."""
    if numbers == tuple(range(count)):
        return lambda values: values
    if len(numbers) == 1:
        return lambda values: [values[numbers[0]]]
    pick = itemgetter(*numbers)
    return lambda values: list(pick(values))


def stages_of(plan: ReadPlan) -> list[list[int]]:
    """The numbers of the reads of each stage."""
    found: dict[int, list[int]] = {}
    for number, read in enumerate(plan.reads):
        found.setdefault(read.stage, []).append(number)
    return [found[stage] for stage in sorted(found)]


def usable_factor(value: Any) -> bool:
    """Whether a value that was read can be a scale factor from then on: an integer, or none at all."""
    return isinstance(value, int) or (isinstance(value, float) and math.isnan(value))


def _factors(fixed: Mapping[Tag, Any]) -> dict[str, int]:
    """The known values that may be scale factors."""
    numbers = {tag.name: value for tag, value in fixed.items() if usable_factor(value)}
    return {name: _NO_FACTOR if math.isnan(value) else _within(value) for name, value in numbers.items()}


def _within(number: int) -> int:
    """What is beyond 16 bits is out of range, and stays so."""
    return max(-0x7FFF, min(0x7FFF, number))


def own(value: Any) -> Any:
    """A value for one caller alone."""
    return value.copy() if isinstance(value, np.ndarray) else value
