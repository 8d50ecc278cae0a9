"""What carries the bytes between a session and the network in an event loop. The asyncio link alone uses it.

On most loops that is our own socket, which the loop watches. A loop that cannot watch sockets (Windows' proactor) gets
a protocol. A carrier takes requests from the session and sends them, each apart from the others unless they may be
coalesced, gives it what arrives, and knows nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Protocol

from .._core import reactor
from .._core.pump import LOST, NEWS, QUIET, Pump
from .._core.verbs import Session
from ..calls import NO_DEADLINE
from ..sockets import in_words

#: Results of `receive` beside a number of bytes.
GONE, AGAIN = 0, -1
#: How often the socket is looked at before other tasks have their turn.
_TURNS = 8


def why(error: OSError) -> int | str:
    """The system's number of an error; what TLS says, in words."""
    return in_words(error) if type(error).__module__ == "ssl" else error.errno or 0


class Driver(Protocol):
    """Who is told what the network does."""

    def readable(self) -> None: ...
    def writable(self) -> None: ...


class Carrier(Protocol):
    """One connection whose bytes are passed on between the session and the network.

    Attributes
    ----------
    error : int or str
        The system's number for what broke it, or words; 0 when the peer closed it.
    due : int
        When the driver comes back by itself, monotonic ns: what matters before is news.
    lags : bool
        What the network did may still have to be noticed: `settle` waits for that.
    """

    error: int | str
    due: int
    lags: bool

    def turn(self, readable: bool) -> int:
        """Send what can be now, and receive where something has come: LOST, QUIET or NEWS."""

    async def settle(self) -> None:
        """Let what the network did be noticed."""

    def close(self) -> None:
        """Close it; nothing is told to the driver any more."""

    def abandon(self) -> None:
        """Close the descriptor and do nothing else: for a forked child, whose copy it is."""


class InTurns:
    """What the core's pump does, for a carrier whose bytes pass through Python.

    It has a buffer for what is received; `broken`: sending failed.
    """

    buffer: memoryview

    def __init__(self, session: Session, size: int, coalesce: bool) -> None:
        self._session, self._coalesce = session, coalesce
        self.buffer = memoryview(bytearray(size))
        self.error: int | str = 0
        self.due = NO_DEADLINE
        self.broken = False
        self._unacknowledged = False

    def send(self, data: bytes, ends: list[int]) -> int:
        """Send requests that end at `ends` as far as that is possible now; returns how many bytes left."""
        raise NotImplementedError

    def receive(self) -> int:
        """Put what is there into the buffer; how much, or GONE, or AGAIN when there is nothing."""
        raise NotImplementedError

    def acknowledge(self) -> None:
        """Tell the peer at once what has arrived."""

    def more(self, size: int) -> bool:
        """Whether more may be there after so many bytes were received."""
        return True

    def turn(self, readable: bool) -> int:
        """Send, or where the socket is readable receive and send, again as long as something comes, for a while."""
        if not (self._receive() if readable else self._dispatch()):
            return LOST
        session = self._session
        if readable and self._unacknowledged and session.in_flight:
            self._unacknowledged = False
            self.acknowledge()
        return NEWS if session.has_news(self.due, reactor.now()) else QUIET

    def _receive(self) -> bool:
        """False when the connection is gone."""
        for _ in range(_TURNS):
            size = self._take()
            if size == GONE or not self._dispatch():
                return False
            if size == AGAIN or not self.more(size):
                break
        return True

    def _dispatch(self) -> bool:
        """Send what may be sent, an idle connection looked at before. False when it is gone."""
        session = self._session
        if session.in_flight == 0 and session.busy and self._take() == GONE:
            return False
        while not self.broken:
            now = reactor.now()
            data, ends = session.data_to_send(now)
            if session.wants_close:
                return False
            if not data:
                return True
            size = self.send(data, ends)
            session.sent(size, now)
            self._unacknowledged = False
            if size < len(data) and not self.broken:
                return True
        self._save()
        return False

    def _save(self) -> None:
        """Sending failed: take the answers that came before the peer closed."""
        error = self.error
        while not self._session.wants_close and self._take() > 0:
            pass
        self.error = error

    def _take(self) -> int:
        """Give the session what has arrived, a buffer full at most; what `receive` says."""
        size = self.receive()
        if size > 0:
            self._unacknowledged = True
            self._session.receive(self.buffer[:size], reactor.now())
        return size


class WatchedSocket:
    """A non-blocking socket that the loop watches.

    It is looked at before it is used, so that nothing of it can be noticed late.

    Raises
    ------
    NotImplementedError
        The loop cannot watch sockets.
    """

    lags = False

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, driver: Driver) -> None:
        loop.add_reader(connection.fileno(), driver.readable)
        self._loop, self._socket, self._driver = loop, connection, driver
        self._blocked = False

    def _watch_writing(self, wanted: bool) -> None:
        if wanted == self._blocked:
            return
        self._blocked = wanted
        if wanted:
            self._loop.add_writer(self._socket.fileno(), self._driver.writable)
        else:
            self._loop.remove_writer(self._socket.fileno())

    async def settle(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()

    def abandon(self) -> None:
        self._socket.close()


class PumpedCarrier(WatchedSocket):
    """A TCP or UDP socket: the core sends and receives, as for the blocking client."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: socket.socket,
        driver: Driver,
        session: Session,
        coalesce: bool,
    ) -> None:
        super().__init__(loop, connection, driver)
        self._pump = Pump(session, connection.fileno(), coalesce)
        self.error: int | str = 0

    @property
    def due(self) -> int:
        return self._pump.due

    @due.setter
    def due(self, when: int) -> None:
        self._pump.due = when

    def turn(self, readable: bool) -> int:
        outcome = self._pump.turn(readable)
        if outcome != QUIET:
            self.error = self._pump.error
            self._watch_writing(outcome != LOST and self._pump.blocked)
        return outcome


class ProtocolCarrier(InTurns, asyncio.BufferedProtocol):
    """A transport of the loop. What it is given to send has left, as far as anybody can know."""

    lags = True
    _LAG = 8  # turns of the loop until what is in the socket has come through all layers

    def __init__(self, driver: Driver, session: Session, size: int, coalesce: bool) -> None:
        super().__init__(session, size, coalesce)
        self._driver = driver
        self._paused = self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # with high=0 that of TLS never resumes

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closed:
            self._session.receive(self.buffer[:nbytes], reactor.now())
            self._driver.readable()

    def eof_received(self) -> None:
        self._lost(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(why(exc) if isinstance(exc, OSError) else 0)

    def _lost(self, error: int | str) -> None:
        if not self._closed:
            self.error, self.broken = error, True
            self._driver.readable()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if not self._closed:
            self._driver.writable()

    def send(self, data: bytes, ends: list[int]) -> int:
        at = 0
        for end in [len(data)] if self._coalesce else ends:
            if self._paused:
                break
            self._transport.write(data[at:end])
            at = end
        return at

    def receive(self) -> int:
        return GONE if self.broken else AGAIN

    async def settle(self) -> None:
        descriptor = self._transport.get_extra_info("socket")
        for _ in range(self._LAG):
            if self._closed or descriptor.fileno() < 0 or not select.select([descriptor], [], [], 0)[0]:
                return
            await asyncio.sleep(0)

    def close(self) -> None:
        self._closed = True
        if self._paused:
            self._transport.abort()
        else:
            self._transport.close()

    def abandon(self) -> None:
        self._transport.get_extra_info("socket")._sock.close()
