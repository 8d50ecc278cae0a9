"""Who waits for a link: tasks for their batches, and tasks for the connection. The asyncio link alone uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from .._core.batch import Batch
from ..calls import NO_DEADLINE


class Waiting:
    """The tasks that wait.

    Attributes
    ----------
    batches : dict of Batch to Future
        What each task waits for, in the order in which they came. Nothing is in it for longer than its batch is worked
        on.
    """

    def __init__(self) -> None:
        self.batches: dict[Batch, asyncio.Future[None]] = {}
        self._losses: dict[Batch, tuple[int, int]] = {}  # answers at the last loss; how many brought none before it
        self._openers: list[asyncio.Future[None]] = []

    def __bool__(self) -> bool:
        return bool(self.batches or self._openers)

    def remove(self, batch: Batch) -> None:
        self.batches.pop(batch, None)
        self._losses.pop(batch, None)

    def unfinished(self) -> Iterator[Batch]:
        return (batch for batch in self.batches if batch.unfinished)

    def deadline(self) -> int:
        """The first of the batches' deadlines."""
        return min((batch.deadline for batch in self.unfinished()), default=NO_DEADLINE)

    @staticmethod
    def wake(tasks: Iterable[asyncio.Future[None]]) -> None:
        for over in tasks:
            if not over.done():
                over.set_result(None)

    def count_losses(self, answers: int) -> list[Batch]:
        """The connection is gone, after so many answers in all: the batches for which it is not worth another one."""
        given_up = []
        self._losses = {batch: losses for batch, losses in self._losses.items() if batch in self.batches}
        for batch in self.unfinished():
            before, fruitless = self._losses.get(batch, (-1, 0))
            fruitless = fruitless + 1 if answers == before else 0
            self._losses[batch] = answers, fruitless
            if fruitless > batch.repeats + 1:
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
        for over in self.batches.values():
            if not over.done():
                over.set_exception(error)
