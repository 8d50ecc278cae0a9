"""Rows for consumers, as they come: each `Chunks` is an iterator with a cursor of its own in every feed.

Acquisition never waits for a consumer: one that is too slow loses the oldest rows, which shows in `first_row` and is
counted. Rows are decoded in the consumer's thread.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn, Self

from .._core.loop import Loop
from .._core.reactor import now
from ..errors import Overrun
from ..samples import Samples
from .feed import Feed

if TYPE_CHECKING:
    from ..samples import Rows

_NEVER = 2**63 - 1


class _Cursor:
    """Where one consumer is in one feed, and how much it takes at a time."""

    def __init__(self, feed: Feed, rows: int | None, every: float, step: int | None) -> None:
        self.feed = feed
        self.at = self.covered = feed.oldest
        self.end = _NEVER
        self.lost = 0
        self.size = self._size(rows, every)
        self.step = min(step or self.size, self.size)
        self._every = round(every * 1e9) if rows is None and feed.period == 0 else 0
        self._next = 0

    def _size(self, rows: int | None, every: float) -> int:
        if rows is None:
            if self.feed.period == 0:
                return self.feed.capacity
            rows = 1 if math.isinf(self.feed.period) else max(1, round(every / self.feed.period))
        return min(rows, self.feed.capacity)

    def wake_at(self) -> int:
        """When a chunk of rows back to back is complete, whatever is there: their number is not known before."""
        return self._next if self._every else _NEVER

    def ready(self) -> bool:
        """Whether a whole chunk is there; if not, the feed's job rings when it is."""
        if self.feed.job is None or self.at + self.size > self.end:
            return False
        if self._every and now() >= self._next:
            began, self._next = self._next, now() + self._every
            return began > 0 and self.feed.rows > self.at
        return not self.feed.job.notify_at(self.at + self.size)

    def take(self) -> Rows | None:
        """The next chunk, shorter where rows were lost, the plan changed, or the wall clock was set."""
        rows = self.feed.take(self.at, min(self.size, self.end - self.at))
        if rows is None or rows.first_row >= self.end:
            self.covered = max(self.covered, self.end if rows is not None else 0)
            return None
        self.lost = rows.first_row - self.at
        self.feed.dropped += self.lost
        count = len(rows.due)
        self.covered = rows.first_row + count
        self.at = rows.first_row + (self.step if count == self.size else count)
        return rows

    @property
    def left(self) -> bool:
        """Whether there are rows that were in no chunk yet."""
        return min(self.feed.rows, self.end) > self.covered


class Chunks:
    """An iterator over `Samples`, one chunk of one device's group after the other; made by `Poller.chunks`.

    It waits for rows, and ends when polling has; what is left then comes as a last, shorter chunk. One thread at a time
    may use it. ``async for`` works too.

    Attributes
    ----------
    dropped : int
        Rows that were overwritten before this iterator came to them.
    """

    def __init__(
        self,
        loop: Loop,
        feeds: Callable[[], Iterable[Feed]],
        running: Callable[[], bool],
        *,
        rows: int | None,
        every: float,
        step: int | None,
        strict: bool,
    ) -> None:
        self.dropped = 0
        self._loop, self._feeds, self._running = loop, feeds, running
        self._rows, self._every, self._step, self._strict = rows, every, step, strict
        self._cursors: dict[Feed, _Cursor] = {}
        self._heard = 0
        self._ends: dict[Feed, int] | None = None
        self._pending: Samples | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Samples:
        pending, self._pending = self._pending, None
        if pending is not None:
            return pending
        while True:
            over = not self._running() or self._ends is not None or self._all_over()
            found = self._next_ready(over)
            if found is not None:
                return found
            if over:
                raise StopIteration
            wait = min([cursor.wake_at() for cursor in self._cursors.values()], default=_NEVER) - now()
            self._heard = self._loop.wait_rows(self._heard, max(0, wait))

    def close(self) -> None:
        """End with the rows that are there now, while polling goes on: what was in no chunk yet comes last.

        Any thread may call it.
        """
        if self._ends is None:
            self._ends = {feed: feed.rows for feed in self._feeds()}
        self._loop.ring()

    def _all_over(self) -> bool:
        feeds = list(self._feeds())
        return bool(feeds) and all(feed.over for feed in feeds)

    def _next_ready(self, over: bool) -> Samples | None:
        """The chunk of the first feed that has one; that feed is asked last the next time."""
        self._find_feeds()
        for feed, cursor in list(self._cursors.items()):
            last = over or feed.over
            if not (cursor.ready() or (last and cursor.left)):
                if last and feed.removed:
                    del self._cursors[feed]
                continue
            rows = cursor.take()
            if rows is not None:
                self._cursors[feed] = self._cursors.pop(feed)
                self.dropped += cursor.lost
                found = Samples.of(rows)
                if cursor.lost and self._strict:
                    self._pending = found
                    self._raise_overrun(cursor)
                return found
        return None

    def _find_feeds(self) -> None:
        """Begin with those that were added since the last look; after `close`, set their ends."""
        ends = self._ends
        for feed in self._feeds() if ends is None else ends:
            if feed not in self._cursors:
                self._cursors[feed] = _Cursor(feed, self._rows, self._every, self._step)
        if ends is not None:
            for feed, cursor in self._cursors.items():
                cursor.end = min(cursor.end, ends.get(feed, feed.rows))

    def _raise_overrun(self, cursor: _Cursor) -> NoReturn:
        raise Overrun(
            f"{cursor.feed.label}: {cursor.lost} rows were overwritten before they were read; read faster, or give the "
            f"poller a longer buffer"
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Samples:
        found = await asyncio.to_thread(next, self, None)
        if found is None:
            raise StopAsyncIteration
        return found
