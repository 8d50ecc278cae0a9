"""When an answer leaves, and as what: answer delays, service times and faults of all connections in one queue by time.

Used by the server's thread, under the server's lock. The only place where an answer may become something else.
"""

import heapq
import itertools
import random
from typing import NamedTuple

from fastmodbus._core.responder import Answered
from fastmodbus.simulator.connection import Connection
from fastmodbus.simulator.effect import Effect
from fastmodbus.simulator.faults import Fault
from fastmodbus.simulator.record import parse_requests


class Pace(NamedTuple):
    """How a device takes its time, in seconds: requests side by side, and one after the other."""

    answer_delay: float
    service_time: float


class Schedule:
    """Answers that are made and not yet sent."""

    def __init__(self, seed: int) -> None:
        self.faults: list[Fault] = []
        self._dice = random.Random(seed)
        self._queue: list[tuple[float, int, Connection, Effect]] = []
        self._order = itertools.count()

    @property
    def next_due(self) -> float | None:
        """When the next answer leaves, on the clock of time.monotonic()."""
        return self._queue[0][0] if self._queue else None

    def clear(self) -> None:
        """Forget what has not left."""
        self._queue.clear()

    def add(
        self,
        connection: Connection,
        answered: Answered,
        room: int,
        now: float,
        pace: Pace,
    ) -> None:
        """Queue the answers of one receive; of those beyond `room` (they say busy) nobody has to wait."""
        given = 0
        for request, answer in answered.pairs():
            if not answer:
                continue
            given += 1
            due = now
            if not 0 <= room < given:
                if pace.service_time:
                    due = connection.free_at = max(connection.free_at, now) + pace.service_time
                due += pace.answer_delay
            effect = self._effect(connection, request, answer)
            connection.waiting += 1
            self._push(due + effect.delay, connection, effect)

    def deliver(self, now: float, touched: set[Connection]) -> None:
        """Hand over whatever is due by now; `touched` collects the connections that have something to send."""
        while self._queue and self._queue[0][0] <= now:
            _, _, connection, effect = heapq.heappop(self._queue)
            if connection.closed or connection.ending:
                continue
            touched.add(connection)
            if connection.unfinished is not None and connection.unfinished is not effect:
                connection.held.append(effect)
                continue
            self._hand_over(connection, effect, now)
            while connection.held and connection.unfinished is None:
                self._hand_over(connection, connection.held.popleft(), now)

    def _push(self, due: float, connection: Connection, effect: Effect) -> None:
        heapq.heappush(self._queue, (due, next(self._order), connection, effect))

    def _effect(self, connection: Connection, request_adu: bytes, answer: bytes) -> Effect:
        if self.faults:
            request = parse_requests(connection.number, connection.receives, request_adu)[0]
            for fault in self.faults:
                effect = fault.strike(request, answer, self._dice)
                if effect is not None:
                    return effect
        return Effect((answer,))

    def _hand_over(self, connection: Connection, effect: Effect, now: float) -> None:
        """One answer, or its next piece when there is a gap between pieces."""
        if connection.ending:
            return
        for sent, piece in enumerate(effect.pieces, 1):
            connection.out += piece
            if sent == len(effect.pieces):
                break
            connection.flush()
            if effect.gap:
                connection.unfinished = effect._replace(pieces=effect.pieces[sent:])
                self._push(now + effect.gap, connection, connection.unfinished)
                return
        connection.unfinished = None
        connection.waiting -= 1
        connection.end(effect.ending)
