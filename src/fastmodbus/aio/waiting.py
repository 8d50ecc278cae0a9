"""Who waits for a link: tasks for their batches, and tasks for the connection. The asyncio link alone uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from .._core.batch import Batch
from ..calls import NO_DEADLINE


class _Waiter:
    """A task that waits for a batch, and how many connections were lost before without a single answer."""

    __slots__ = ("answers", "fruitless", "future")

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.future = future
        self.answers, self.fruitless = -1, 0


class Waiting:
    """The tasks that wait.

    Attributes
    ----------
    batches : mapping
        Those that are waited for, in the order in which they came.
    """

    def __init__(self) -> None:
        self.batches: dict[Batch, _Waiter] = {}
        self._openers: list[asyncio.Future[None]] = []

    def __bool__(self) -> bool:
        return bool(self.batches or self._openers)

    def add(self, batch: Batch, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        waiter = self.batches[batch] = _Waiter(loop.create_future())
        return waiter.future

    def remove(self, batch: Batch) -> None:
        del self.batches[batch]

    def unfinished(self) -> Iterator[Batch]:
        return (batch for batch in self.batches if batch.unfinished)

    def deadline(self) -> int:
        """The first of the batches' deadlines."""
        return min((batch.deadline for batch in self.unfinished()), default=NO_DEADLINE)

    def wake(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            future = self.batches[batch].future
            if not future.done():
                future.set_result(None)

    def count_losses(self, answers: int) -> list[Batch]:
        """The connection is gone, after so many answers in all: the batches for which it is not worth another one."""
        given_up = []
        for batch in self.unfinished():
            waiter = self.batches[batch]
            waiter.fruitless = waiter.fruitless + 1 if answers == waiter.answers else 0
            waiter.answers = answers
            if waiter.fruitless > batch.repeats + 1:
                given_up.append(batch)
        return given_up

    # -------------------------------------------------------------------------------------------- the connection

    def add_opener(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        opener: asyncio.Future[None] = loop.create_future()
        self._openers.append(opener)
        return opener

    def remove_opener(self, opener: asyncio.Future[None]) -> None:
        self._openers.remove(opener)

    def opened(self) -> None:
        for opener in self._openers:
            if not opener.done():
                opener.set_result(None)

    def not_open(self, error: Exception) -> None:
        for opener in self._openers:
            if not opener.done():
                opener.set_exception(error)

    def fail(self, error: Exception) -> None:
        """For an error that nobody has foreseen: no task may wait for ever because of it."""
        self.not_open(error)
        for waiter in self.batches.values():
            if not waiter.future.done():
                waiter.future.set_exception(error)
