"""The connection of an asyncio client: how it is made, kept, lost and made again. All views of a client share a `Link`.

The session of the core has the protocol, a carrier the bytes; this module brings them together in one event loop, whose
thread alone may use it. Nothing here knows what a request means.
"""

from __future__ import annotations

import asyncio
import os
import sys
import weakref

from .. import errors, sockets
from .._core import reactor
from .._core.batch import Batch
from .._core.pump import LOST, QUIET
from .._core.verbs import Session
from ..calls import NO_DEADLINE
from ..linklog import LinkLog
from ..options import Options, nanoseconds
from ..spec import Status
from .carriers import Carrier
from .connecting import Connector, seconds_until
from .waiting import Waiting

_links: weakref.WeakSet[Link] = weakref.WeakSet()


class Link:
    """One connection to one host and port, opened when it is needed; shared by the tasks of one event loop.

    Parameters
    ----------
    host, port : str, int
    options : Options
        Complete: built-in values filled in.
    """

    def __init__(self, host: str, port: int, options: Options) -> None:
        self.host, self.port, self.options = host, port, options
        self.core = Session(**options.of_session())
        self.log = LinkLog(host, port, self.core, lambda: self._error)
        self.closed = False
        self._idle_close = nanoseconds(options.idle_close)
        self._coalesce = bool(options.coalesce)
        self._error: int | str = 0
        self._forked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._carrier: Carrier | None = None
        self._in_use = False  # since it last was idle
        self._connecting: asyncio.Task[None] | None = None
        self._waiting = Waiting()
        self._timer: asyncio.TimerHandle | None = None
        self._due = NO_DEADLINE  # when the timer rings
        self._flush: asyncio.Handle | None = None
        self._connector = Connector(host, port, options)
        _links.add(self)

    @property
    def lost(self) -> str:
        """Why there is no connection, in words."""
        return self.log.lost

    @property
    def connected(self) -> bool:
        return self._carrier is not None and not self._forked

    def connections(self) -> int:
        """How many connections were made so far."""
        return self.core.counters()["connections"]

    # -------------------------------------------------------------------------------------------- running

    async def run(self, batch: Batch) -> None:
        """Work on a batch until all of its transactions have a result; connects when that is needed.

        Raises
        ------
        ForkedClient, WrongEventLoop
        asyncio.CancelledError
            Nothing more of the batch is sent, and what is still answered is dropped.
        """
        loop = self._enter()
        core = self.core
        carrier = self._carrier
        if carrier is not None and carrier.lags and core.in_flight == 0:
            await carrier.settle()
        core.submit(batch)
        if self.closed:
            core.detach(batch, Status.CLOSED)
            return
        over = self._waiting.batches[batch] = loop.create_future()
        try:
            if self._flush is None:
                self._begin(loop)
            await over
        finally:
            if batch.attached:
                self._withdraw(batch)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send now what is alone; what is not, or may share a segment, when the tasks that are ready had their turn.

        One by one each would wake the device, and then this loop, for itself.
        """
        if self._carrier is None or not (self._coalesce or self.core.in_flight):
            self._go_on()
        else:
            self._flush = loop.call_soon(self._go_on)

    def _withdraw(self, batch: Batch) -> None:
        """Its task was cancelled."""
        self._waiting.remove(batch)
        self._in_use = bool(self._waiting.batches)
        over = batch.unfinished == 0
        self.core.detach(batch)
        assert self._loop is not None
        if over or self._loop.is_closed():
            return
        self._stop_connecting_for_nobody()
        self._go_on()  # there may be room for others now

    def _enter(self) -> asyncio.AbstractEventLoop:
        """The loop, which must be the one of all calls before."""
        if self._forked:
            raise errors.ForkedClient(
                f"{self.log.place}: this client was made before the process forked; make a new one in the child",
                host=self.host,
                port=self.port,
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise errors.WrongEventLoop(f"{self.log.place}: {error}; await this in a coroutine") from None
        if self._loop is None:
            self._connector.check(loop)
            self._loop = loop
        elif self._loop is not loop:
            other = "an event loop that is closed" if self._loop.is_closed() else "another event loop"
            raise errors.WrongEventLoop(
                f"{self.log.place}: this client was used in {other}; make one in each loop, and close it there"
            )
        return loop

    # -------------------------------------------------------------------------------------------- going on

    def _go_on(self) -> None:
        """Send what may be sent, wake those whose batch is over, connect where that is needed, mind the clock."""
        self._flush = None
        now = reactor.now()
        if self._carrier is None:
            self._unreachable([batch for batch in self._waiting.unfinished() if batch.deadline <= now], TimeoutError())
        else:
            self.core.expire(now)
            if self.core.busy and not self._idle_too_long(now):
                self._turn(self._carrier, False)
        self._settle()

    def _turn(self, carrier: Carrier, readable: bool) -> bool:
        """Send, and receive; whether anybody has to know."""
        outcome = carrier.turn(readable)
        if outcome == LOST:
            self._drop(carrier.error)
        return outcome != QUIET

    def _settle(self) -> None:
        core = self.core
        over = core.finished(self._waiting.batches)
        self._waiting.wake(over)
        if over:
            self._in_use = bool(self._waiting.batches)
        if len(over) > 1 and self._flush is None and self._carrier is not None:
            assert self._loop is not None
            self._flush = self._loop.call_soon(self._go_on)  # behind the tasks that were woken, for what they ask next
        if self._carrier is None and self._connecting is None:
            self._connect_if_needed()
        self._mind_the_clock()
        if core.has_events or self.log.traced:
            self.log.report()

    def _mind_the_clock(self) -> None:
        """Come back when something is due. A clock that rings too early is not set anew: that would cost every call."""
        now = reactor.now()
        due = self._waiting.deadline() if self._carrier is None else self.core.next_deadline(now) or NO_DEADLINE
        if due >= self._due:
            return
        assert self._loop is not None
        self._set_due(due)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._loop.time() + max(0, due - now) / 1e9, self._ring)

    def _set_due(self, due: int) -> None:
        self._due = due
        if self._carrier is not None:
            self._carrier.due = due

    def _ring(self) -> None:
        self._timer = None
        self._set_due(NO_DEADLINE)
        self._go_on()

    # -------------------------------------------------------------------------------------------- the carrier

    def _idle_too_long(self, now: int) -> bool:
        """Close a connection that was idle for longer than it may be; it is not used again."""
        core = self.core
        if self._in_use or not self._idle_close or core.in_flight or now - core.last_traffic <= self._idle_close:
            self._in_use = True
            return False
        self._drop(wanted=True)
        return True

    def readable(self) -> None:
        """The socket has something."""
        if self._carrier is not None and self._turn(self._carrier, True):
            self._settle()

    def writable(self) -> None:
        self._go_on()

    def _drop(self, error: int | str = 0, *, wanted: bool = False) -> None:
        """Close the connection and tell the session."""
        assert self._carrier is not None
        self._carrier.close()
        self._carrier = None
        self._error = error
        self.core.connection_lost(reactor.now(), wanted)
        self.log.note_loss()

    # -------------------------------------------------------------------------------------------- connecting

    async def open(self, deadline: int) -> None:
        """Connect now, so that a wrong address shows at once.

        Raises
        ------
        ConnectionFailed, ClientClosed, ForkedClient, WrongEventLoop
        """
        loop = self._enter()
        if self.closed:
            raise errors.ClientClosed(f"{self.log.place}: the client is closed", host=self.host, port=self.port)
        if self._carrier is not None:
            return
        opener = self._waiting.add_opener(loop)
        if self._connecting is None:
            self._start_connecting()
        try:
            async with asyncio.timeout(seconds_until(deadline)):
                await opener
        except OSError as error:
            if isinstance(error, errors.ModbusError):
                raise
            raise errors.ConnectionFailed(
                f"{self.log.place}: no connection: {sockets.in_words(error)}", host=self.host, port=self.port
            ) from error
        finally:
            self._waiting.remove_opener(opener)
            self._stop_connecting_for_nobody()

    def _connect_if_needed(self) -> None:
        """Begin to connect for the batches that wait; for one whose connections are lost without an answer no more."""
        if not self._waiting.batches:
            return
        given_up = self._waiting.count_losses(self.core.counters()["answers"])
        if given_up:
            self.log.note_fruitless()
            self._unreachable(given_up)
        if any(self._waiting.unfinished()):
            self._start_connecting()

    def _start_connecting(self) -> None:
        assert self._loop is not None
        self.log.watch_wire()
        self._connecting = self._loop.create_task(self._connect())

    def _stop_connecting_for_nobody(self) -> None:
        if self._connecting is not None and not self._waiting:
            self._connecting.cancel()
            self._connecting = None

    async def _connect(self) -> None:
        """Connect: once, or again and again as long as a call with a deadline waits."""
        attempt = 0
        try:
            while not await self._attempt():
                pause = sockets.backoff(attempt)
                self._give_up(reactor.now() + int(pause * 1e9))
                if not any(self._waiting.unfinished()):
                    self.log.not_connected()
                    break
                await asyncio.sleep(pause)
                attempt += 1
        except Exception as error:  # noqa: BLE001 (no task may wait for ever because of it)
            self._waiting.fail(error)
        finally:
            if self._connecting is asyncio.current_task():
                self._connecting = None
        self._go_on()

    async def _attempt(self) -> bool:
        try:
            self._carrier = await self._connector.carrier(self, self.core)
        except OSError as error:
            self.log.lost = sockets.in_words(error)
            self._waiting.not_open(error)
            return False
        self._error, self._in_use = 0, bool(self._waiting.batches)
        self._carrier.due = self._due
        self.core.connected(reactor.now())
        self._waiting.opened()
        return True

    def _give_up(self, next_attempt: int) -> None:
        """No connection: over for all that have no deadline within which to wait for the next attempt."""
        self._unreachable([b for b in self._waiting.unfinished() if not b.has_deadline or b.deadline <= next_attempt])

    def _unreachable(self, batches: list[Batch], error: OSError | None = None) -> None:
        if batches and error is not None:
            self.log.lost = sockets.in_words(error)
        for batch in batches:
            self.core.detach(batch, Status.UNREACHABLE)
        self._waiting.wake([self._waiting.batches.pop(batch) for batch in batches])

    # -------------------------------------------------------------------------------------------- the end

    async def close(self) -> None:
        """Close for good: calls in progress end with CLOSED."""
        if self.closed:
            return
        if not self._forked and self._loop is not None and not self._loop.is_closed():
            self._enter()
        self.shut()

    def shut(self) -> None:
        """The same, from wherever it is called."""
        if self.closed:
            return
        self.closed = True
        if self._forked:
            self.abandon_descriptors()
            return
        self.core.abandon(Status.CLOSED)
        alive = self._loop is not None and not self._loop.is_closed()
        if self._carrier is not None:
            self._drop(wanted=True)
        if alive:
            self._end_waiting()

    def _end_waiting(self) -> None:
        self._waiting.wake(self.core.finished(self._waiting.batches))
        closed = errors.ClientClosed(f"{self.log.place}: the client is closed", host=self.host, port=self.port)
        self._waiting.not_open(closed)
        for handle in (self._connecting, self._timer, self._flush):
            if handle is not None:
                handle.cancel()

    def abandon_descriptors(self) -> None:
        """For a forked child, whose copies they are."""
        if self._carrier is not None:
            self._carrier.abandon()
            self._carrier = None


def _after_fork_in_child() -> None:
    """As long as a child has the descriptors open the device sees no close by the parent."""
    for link in list(_links):
        link._forked = True
        link.abandon_descriptors()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
