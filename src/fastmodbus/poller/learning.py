"""What a feed's plan learns while it is polled: a device that refuses a read is asked for less, from the next row on.

The supervisor's. The rules of refining are the plan's (`plan.refining`); those of when are here.
"""

from __future__ import annotations

from .._core.reactor import now
from ..naming import REST
from ..plan.refining import REFUSALS, Refinement
from ..quality import EXCEPTION
from ..samples import Rows
from .feed import Feed

_REFUSED = frozenset(EXCEPTION | code for code in REFUSALS)


class Learning:
    """Refines the plan of one feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._refinement = Refinement()
        self._answered = False
        self._again_at: int | None = None

    def look(self) -> list[int]:
        """A row had refusals: refine the plan by the newest one. Returns the tags that are left out from now on."""
        rows = self.feed.last(1)
        if rows is None or rows.decoder is not self.feed.decoder:
            return []  # of the generation before: the new one will show
        statuses = rows.statuses[-1]
        self._answered |= bool((statuses == 0).any())
        plan = rows.decoder.plan
        refused = [read for read, status in zip(plan.reads, statuses, strict=True) if status in _REFUSED]
        finer, again = self._refinement.refine(plan, refused, answered=self._answered)
        if finer is not plan:
            self.feed.swap(finer)
        elif not again:
            return self._conclude(rows)
        return []

    def _conclude(self, rows: Rows) -> list[int]:
        plan = rows.decoder.plan
        holes = self._refinement.holes
        self._again_at = now() + int(REST * 1e9)
        self._refinement = Refinement()
        assert self.feed.job is not None
        if not holes:
            self.feed.job.watch(False)
            return []
        self.feed.swap(plan.forget().hole(*plan.skipped, *holes))
        return holes

    def freshen(self) -> None:
        """Give what was refused another chance when it has rested."""
        if self._again_at is not None and now() >= self._again_at:
            self._again_at = None
            self._answered = False
            self.feed.swap(self.feed.plan.forget())
