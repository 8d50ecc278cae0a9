"""What a feed's plan learns while it is polled: a device that refuses a read is asked for less, from the next row on.

The supervisor's. The rules of refining are the plan's (`plan.refining`); those of when are here. What was learnt is
shared with the client's other reads of the unit.
"""

from __future__ import annotations

from .._core.reactor import now
from ..naming import REST, Names
from ..plan import ReadPlan
from ..plan.refining import REFUSALS, Refinement
from ..quality import EXCEPTION
from ..samples import Rows
from ..tags import Tag
from .feed import Feed

_REFUSED = frozenset(EXCEPTION | code for code in REFUSALS)


class Learning:
    """Refines the plan of one feed.

    Parameters
    ----------
    feed : Feed
    names : Names
        What the client knows of the unit.
    """

    def __init__(self, feed: Feed, names: Names) -> None:
        self.feed, self.names = feed, names
        self._begin()

    def _begin(self) -> None:
        self._refinement = Refinement()
        self._begun = self.feed.plan
        self._answered = False
        self._silent = False  # the search ended, and nothing was ever answered: the device may be starting
        self._again_at: int | None = None

    def look(self) -> list[Tag]:
        """A row had refusals: refine the plan by the newest one. Returns the tags that are left out from now on."""
        rows = self.feed.last(1)
        if rows is None or rows.decoder is not self.feed.decoder:
            return []  # of the generation before: the new one will show
        statuses = rows.statuses[-1]
        self._answered |= bool((statuses == 0).any())
        plan = rows.decoder.plan
        refused = [read for read, status in zip(plan.reads, statuses, strict=True) if status in _REFUSED]
        if not refused:
            return []  # a row came after the one that was told of; the next refusal will be told as well
        finer, again = self._refinement.refine(plan, refused, answered=self._answered)
        if finer is not plan:
            self.feed.swap(finer)
        elif not again:
            return self._conclude(rows)
        return []

    def _conclude(self, rows: Rows) -> list[Tag]:
        plan, holes = rows.decoder.plan, self._refinement.holes
        if holes:
            self.feed.swap(self._refinement.conclude(plan, self._begun))
        elif self.feed.job is not None:
            self.feed.job.watch(False)
        self._silent = not self._answered
        if self._answered:
            self._tell()
        self._again_at = now() + int(REST * 1e9)
        return self.names.unsaid(plan.tags[number] for number in holes)

    def _tell(self) -> None:
        """Let the client's other reads know, and a later process, and be ready for the next refusal."""
        self.names.learn(self.feed.plan.learnt, self._begun.learnt, now() / 1e9)
        self.names.keep()
        self._begin()

    def tend(self) -> None:
        """From time to time: see whether the search is over, and give what was refused another chance."""
        if self._again_at is not None and now() >= self._again_at:
            self._begin_with(self._begun.forget())
        elif self._refinement.begun:
            self._see_whether_over()

    def _begin_with(self, plan: ReadPlan) -> None:
        self.feed.swap(plan)
        self._begin()

    def _see_whether_over(self) -> None:
        """A finer plan that is answered ends the search: nobody reports a row without refusals.

        What was found out while the device answered nothing is worth nothing once it does.
        """
        rows = self.feed.last(1)
        if rows is None or rows.decoder is not self.feed.decoder:
            return
        statuses = set(rows.statuses[-1].tolist())
        if self._silent and 0 in statuses:
            self._begin_with(self._begun)
        elif not self._silent and 0 in statuses and not statuses & _REFUSED:
            self._tell()
            self._again_at = now() + int(REST * 1e9)
