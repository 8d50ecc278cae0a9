"""What carries the bytes between a session and the network in an event loop. The asyncio link alone uses it.

On most loops that is our own socket, which the loop watches. A loop that cannot watch sockets (Windows' proactor) gets
a protocol. A carrier sends what it is given, each request apart from the others unless they may be coalesced, and knows
nothing of what the bytes mean.
"""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Protocol

from .._core.pump import Pump
from .._core.verbs import Session
from ..sockets import in_words

#: Results of `receive` beside a number of bytes.
GONE, AGAIN = 0, -1


def why(error: OSError) -> int | str:
    """The system's number of an error; what TLS says, in words."""
    return in_words(error) if type(error).__module__ == "ssl" else error.errno or 0


class Driver(Protocol):
    """Who is told what the network does."""

    def readable(self) -> None: ...
    def writable(self) -> None: ...
    def received(self, size: int) -> None: ...
    def gone(self) -> None: ...


class Carrier(Protocol):
    """One connection whose bytes the link passes on.

    Attributes
    ----------
    buffer : memoryview
        Where received bytes are.
    error : int or str
        The system's number for what broke it, or words; 0 when the peer closed it.
    broken : bool
        Sending failed: it has to be closed.
    """

    buffer: memoryview
    error: int | str
    broken: bool

    def send(self, data: bytes, ends: list[int]) -> int:
        """Send requests that end at `ends` as far as that is possible now; returns how many bytes left."""

    def receive(self) -> int:
        """Put what is there into the buffer; how much, or GONE, or AGAIN when there is nothing."""

    def acknowledge(self) -> None:
        """Tell the peer at once what has arrived."""

    async def settle(self) -> None:
        """Let what the network did be noticed."""

    def close(self) -> None:
        """Close it; nothing is told to the driver any more."""

    def abandon(self) -> None:
        """Close the descriptor and do nothing else: for a forked child, whose copy it is."""


class WatchedSocket:
    """A non-blocking socket that the loop watches.

    Raises
    ------
    NotImplementedError
        The loop cannot watch sockets.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, driver: Driver) -> None:
        loop.add_reader(connection.fileno(), driver.readable)
        self._loop, self._socket, self._driver = loop, connection, driver
        self.error: int | str = 0
        self.broken = False
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
        """Nothing to do: the socket is looked at before it is used."""

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

    def turn(self, readable: bool) -> bool:
        """Send what can be now, and receive where something has come; False when it has to be closed."""
        alive = self._pump.turn(readable)
        self.error = self._pump.error
        self._watch_writing(alive and self._pump.blocked)
        return alive


class ProtocolCarrier(asyncio.BufferedProtocol):
    """A transport of the loop. What it is given to send has left, as far as anybody can know."""

    _TURNS = 8  # of the loop until what is in the socket has come through all layers

    def __init__(self, driver: Driver, size: int, coalesce: bool) -> None:
        self._driver, self._coalesce = driver, coalesce
        self.buffer = memoryview(bytearray(size))
        self.error: int | str = 0
        self.broken = False
        self._paused = self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # with high=0 that of TLS never resumes

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closed:
            self._driver.received(nbytes)

    def eof_received(self) -> None:
        self._lost(0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(why(exc) if isinstance(exc, OSError) else 0)

    def _lost(self, error: int | str) -> None:
        if not self._closed:
            self.error, self.broken = error, True
            self._driver.gone()

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
        return AGAIN

    def acknowledge(self) -> None:
        """Not through a transport."""

    async def settle(self) -> None:
        descriptor = self._transport.get_extra_info("socket")
        for _ in range(self._TURNS):
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
