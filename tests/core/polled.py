"""A line with one job on it, and its rows as they are kept: for the tests of schedules. Time is virtual."""

from typing import Any

import numpy as np

from core.line import MS, SECOND, Line
from fastmodbus._core.batch import image_batch
from fastmodbus._core.jobs import Job, Poll
from fastmodbus.quality import Quality
from reference import Frame

EACH = 2  # registers a read
Q = Quality
EXCEPTION_2 = 0x82


def poll_of(*stages: list[int], unit: int = 1, timeout: int = SECOND, repeats: int = 0, capacity: int = 1000) -> Poll:
    """Reads of two registers at these addresses, stage by stage."""
    count = sum(map(len, stages))
    image = np.zeros(max(1, EACH * count), np.uint16)
    batches, offset = [], 0
    for stage in stages:
        reads = []
        for address in stage:
            reads.append((3, unit, address, EACH, 2 * offset))
            offset += EACH
        batches.append(image_batch(reads, image).limits(timeout, 2**63 - 1, repeats))
    return Poll(batches, len(image), capacity)


class Rows:
    """All rows of one poll, as they are kept."""

    def __init__(self, job: Job, poll: Poll) -> None:
        first, end = job.held(poll)
        count = max(0, end - first)
        self.first = first
        self.due = np.zeros(count, np.int64)
        self.sent, self.received = np.zeros((count, poll.reads), np.int64), np.zeros((count, poll.reads), np.int64)
        self.statuses = np.zeros((count, poll.reads), np.uint8)
        self.images = np.zeros((count, max(1, EACH * poll.reads)), np.uint16)
        assert job.copy(poll, first, self.due, self.sent, self.received, self.statuses, self.images) == count


class Polled:
    """A line with one job on it, whose grid begins a period from now."""

    def __init__(
        self, poll: Poll, *, every: int = 100 * MS, window: int = 1, line: Line | None = None, **options: Any
    ) -> None:
        self.line = line or Line(window)
        self.poll = poll
        self.start = self.line.now + (every or MS)
        self.job = Job(self.line.session, poll, self.start, every, **options)
        self.frames: list[Frame] = []

    def step(self, to: int) -> None:
        """Let time pass until an instant of the grid's beginning, in small steps, answering nothing."""
        while self.line.now < self.start + to:
            self.line.now = min(self.line.now + 5 * MS, self.start + to)
            self.look()

    def look(self) -> None:
        self.job.advance(self.line.now)
        self.line.session.expire(self.line.now)
        self.frames += self.line.send()

    def answer(self) -> list[Frame]:
        """Answer all that is there, and all that is sent then; the requests."""
        answered = []
        self.look()
        while self.frames:
            frames, self.frames = self.frames, []
            answered += frames
            self.line.answer(*frames)
            self.look()
        return answered

    def rows(self, poll: Poll | None = None) -> Rows:
        return Rows(self.job, poll or self.poll)

    def statuses(self) -> list[list[int]]:
        return self.rows().statuses.tolist()
