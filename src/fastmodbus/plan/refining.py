"""How a plan becomes finer where a device refuses it: bridges are taken back, requests divided, until the tags that
cannot be read stand alone.

Plain values; whoever reads or polls says what was refused, and asks again with the plan that comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..spec import ExceptionCode
from .readplan import ReadPlan
from .reads import Read

#: The exceptions that may mean that a device does not take this very request.
REFUSALS = frozenset(
    {ExceptionCode.ILLEGAL_DATA_ADDRESS, ExceptionCode.ILLEGAL_DATA_VALUE, ExceptionCode.SERVER_DEVICE_FAILURE}
)
TRIES = 2  # of a tag that is refused alone, before it is a hole

ReadKey = tuple[int, str, int, int, bool]


def read_key(read: Read) -> ReadKey:
    """What a request is, in any generation of a plan."""
    return read.unit, read.area, read.address, read.count, read.repeat


class Refinement:
    """What is learnt from refusals, generation after generation.

    Attributes
    ----------
    settled : set of ReadKey
        Reads that are refused, and of which asking again would teach nothing.
    begun : bool
        Something was refused.
    """

    def __init__(self) -> None:
        self.begun = False
        self.settled: set[ReadKey] = set()
        self._alone: dict[int, int] = {}

    def refine(self, plan: ReadPlan, refused: Iterable[Read], *, answered: bool) -> tuple[ReadPlan, bool]:
        """The next generation of a plan of which the device refused some reads, and whether to ask the same once more.

        ``answered``: the device answered something else. While it does not, it may be starting, and no tag is to blame.
        """
        again = False
        for read in refused:
            self.begun = True
            finer = plan.without_bridges(read)
            if finer is plan:
                finer = plan.split(read)
            if finer is not plan:
                plan = finer
            elif answered and self._blame(plan.culprits(read)):
                again = True
            else:
                self.settled.add(read_key(read))
        return plan, again

    def _blame(self, tags: Iterable[int]) -> bool:
        """Count the failures of tags that were asked alone; whether they have a try left."""
        left = False
        for tag in tags:
            self._alone[tag] = self._alone.get(tag, 0) + 1
            left |= self._alone[tag] < TRIES
        return left

    @property
    def holes(self) -> list[int]:
        """The tags that failed alone as often as it takes."""
        return [tag for tag, tries in self._alone.items() if tries >= TRIES]

    def conclude(self, plan: ReadPlan, begun: ReadPlan) -> ReadPlan:
        """The plan to go on with, where the search began with another.

        Without the holes, what was given up in search of them gets another chance.
        """
        return begun.hole(*self.holes) if self.holes else plan
