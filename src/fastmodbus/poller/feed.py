"""One device's group while it is polled: its job in the core, the generations of its plan, and its rows.

The supervisor makes new generations; consumers, of any thread, take rows. Who drives the job does not matter here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core.batch import image_batch
from .._core.jobs import Job, Poll
from .._core.loop import Loop
from .._core.reactor import now
from ..calls import NO_DEADLINE, Call
from ..naming import requests_of
from ..plan import ReadPlan
from ..samples import Rows
from ..values import Decoder
from .anchors import Anchors
from .grouping import ONCE_AGAIN, Group, first_instant

if TYPE_CHECKING:
    from ..transport import Link

#: Bounds of a buffer: rows, and bytes.
FEWEST_ROWS, MOST_BYTES = 64, 1 << 26
_ASSUMED_PERIOD = 1e-3  # back to back
_LEAST_TIMEOUT = 1_000_000_000


class Grid(NamedTuple):
    """Where the instants of a feed begin and end."""

    phase: float = 0.0  # s later than the multiples of the period
    aligned: bool = True  # with the wall clock
    rows: int = -1  # without end
    duration: float = math.inf  # s


class Generation(NamedTuple):
    """A plan, and the rows that were polled by it."""

    decoder: Decoder
    poll: Poll


class Feed:
    """Rows of one (device, group).

    Parameters
    ----------
    device : str
    group : Group
    link : Link
        The connection.
    call : Call
        The client's settings: unit, timeout, retries.
    anchors : Anchors
    buffer : float
        Seconds of rows to keep for consumers.
    """

    def __init__(self, device: str, group: Group, link: Link, call: Call, anchors: Anchors, buffer: float) -> None:
        self.device, self.group, self.link = device, group.name, link
        self.period, self.names = group.every, group.names
        self.keys: Mapping[str, int] = group.selection.keys
        self.label = f"{device} {group.name}" if group.name else device
        self.job: Job | None = None
        self.dropped = 0
        self.removed = False
        self.grid = Grid()
        self.owner: object = None  # the client: with its last reference its connection would close
        self._call, self._anchors, self._buffer = call, anchors, buffer
        self._lock = threading.Lock()
        self._generations: tuple[Generation, ...] = (self._generation(group.selection.plan),)

    # -------------------------------------------------------------------------------------------- polling

    def begin(self) -> Job:
        """Make the job; when there is one, it goes on with its grid."""
        if self.job is None:
            grid, once = self.grid, math.isinf(self.period)
            start = first_instant(now(), self.period, grid.phase, self._anchors.newest if grid.aligned else None)
            every = round((ONCE_AGAIN if once else self.period) * 1e9)
            until = NO_DEADLINE if math.isinf(grid.duration) else start + round(grid.duration * 1e9)
            poll = self._generations[0].poll
            self.job = Job(self.link.core, poll, start, every, rows=grid.rows, until=until, once=once)
        return self.job

    def leave(self, loop: Loop) -> None:
        """Take the job, if there is one, off the loop; that may have been done already."""
        if self.job is not None:
            loop.remove(self.link.core, self.job)

    def _generation(self, plan: ReadPlan) -> Generation:
        decoder = Decoder(plan)
        image = decoder.image()
        requests = requests_of(decoder)
        stages: dict[int, list[tuple[int, int, int, int, int]]] = {}
        for read, request in zip(plan.reads, requests, strict=True):
            stages.setdefault(read.stage, []).append(request)
        batches = [
            image_batch(part, image).limits(self._timeout, NO_DEADLINE, self._call.retries) for part in stages.values()
        ]
        return Generation(decoder, Poll(batches, decoder.registers, self._capacity(decoder)))

    @property
    def _timeout(self) -> int:
        """An answer that is long past its row is not waited for as long as a call would: it holds up the next rows."""
        if self.period == 0 or math.isinf(self.period):
            return self._call.timeout
        return min(self._call.timeout, max(_LEAST_TIMEOUT, round(self.period * 1e9)))

    def _capacity(self, decoder: Decoder) -> int:
        row = 2 * decoder.registers + 17 * len(decoder.plan.reads) + 16
        wanted = self._buffer / (self.period or _ASSUMED_PERIOD)
        return max(FEWEST_ROWS, min(math.ceil(wanted), MOST_BYTES // row))

    @property
    def capacity(self) -> int:
        """How many rows are kept for consumers."""
        return self._capacity(self._generations[-1].decoder)

    # -------------------------------------------------------------------------------------------- generations

    @property
    def plan(self) -> ReadPlan:
        """The newest plan."""
        return self._generations[-1].decoder.plan

    @property
    def decoder(self) -> Decoder:
        return self._generations[-1].decoder

    def swap(self, plan: ReadPlan) -> None:
        """Go on with another plan from the next row on."""
        assert self.job is not None
        made = self._generation(plan)
        with self._lock:
            self._generations = (*self._kept(), made)
        self.job.swap(made.poll)
        self.job.settle()

    def _kept(self) -> tuple[Generation, ...]:
        """The generations whose rows may still be wanted: those of as many newest rows as a buffer holds."""
        assert self.job is not None
        oldest, later_begun = self.job.rows - self.capacity, False
        kept: list[Generation] = []
        for one in reversed(self._generations):
            first, end = self.job.held(one.poll)
            # One that was not begun may be yet, as long as no later one was.
            if end > oldest if first >= 0 else not later_begun:
                kept.insert(0, one)
            later_begun |= first >= 0
        return tuple(kept)

    # -------------------------------------------------------------------------------------------- rows

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return 0 if self.job is None else self.job.rows

    @property
    def over(self) -> bool:
        """Whether no more rows will come."""
        return self.removed or (self.job is not None and self.job.done)

    @property
    def oldest(self) -> int:
        """The number of the oldest row that is kept."""
        return max(0, self.rows - self.capacity)

    def take(self, first: int, most: int) -> Rows | None:
        """Rows from the running number `first` on, `most` at most, or from the oldest there is if that one is gone.

        They are of one plan, and of one time between two settings of the wall clock; None when there are none.
        """
        job = self.job
        if job is None:
            return None
        for generation in self._generations:
            oldest, end = job.held(generation.poll)
            while oldest >= 0 and first < end:
                first = max(first, oldest)
                found = self._copied(job, generation, first, min(most, end - first))
                if found is not None:
                    return found
                oldest, end = job.held(generation.poll)  # overtaken meanwhile
        return None

    def _copied(self, job: Job, generation: Generation, first: int, count: int) -> Rows | None:
        decoder, reads = generation.decoder, len(generation.decoder.plan.reads)
        due = np.empty(count, np.int64)
        sent, received = np.empty((count, reads), np.int64), np.empty((count, reads), np.int64)
        statuses = np.empty((count, reads), np.uint8)
        images = np.empty((count, decoder.registers), np.uint16)
        count = job.copy(generation.poll, first, due, sent, received, statuses, images)
        if count == 0:
            return None
        anchor, end = self._anchors.at(int(due[0]))
        if end is not None:
            count = int(np.searchsorted(due[:count], end))
        return Rows(
            decoder, due[:count], images[:count], statuses[:count], sent[:count], received[:count],
            first, anchor, self.period, self.device, self.group, self.keys,
        )  # fmt: skip

    def last(self, most: int) -> Rows | None:
        """The newest rows, or None."""
        return self.take(max(0, self.rows - most), most)

    def newest(self, most: int) -> list[Rows]:
        """The newest rows, in pieces where the plan changed or the clock was set in between."""
        end = self.rows
        at = max(0, end - most)
        found = []
        while at < end and (rows := self.take(at, end - at)) is not None:
            found.append(rows)
            at = rows.first_row + len(rows.due)
        return found
