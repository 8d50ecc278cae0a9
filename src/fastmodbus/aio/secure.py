"""TLS in an event loop over our own socket: the handshake, and the carrier. The asyncio link alone uses it.

The socket stays ours, as without TLS: each request is a record and a `send` of its own, an idle connection is looked at
before it is used, and every loop that can watch sockets does the same. asyncio's own TLS is a transport, which could
do neither; the proactor has nothing else, and gets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from .._core.pump import LOST
from .._core.verbs import Session
from .carriers import AGAIN, GONE, Driver, InTurns, WatchedSocket, why

_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


async def shake_hands(connection: ssl.SSLSocket) -> None:
    """Make the handshake of a non-blocking socket; takes as long as the peer lets it.

    Raises
    ------
    OSError
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection.do_handshake()
            return
        except ssl.SSLWantReadError:
            await _ready(connection, loop.add_reader, loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(connection, loop.add_writer, loop.remove_writer)


async def _ready(connection: ssl.SSLSocket, add: Callable[..., None], remove: Callable[[int], object]) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    add(connection.fileno(), wake)
    try:
        await ready
    finally:
        remove(connection.fileno())


class SecureCarrier(InTurns, WatchedSocket):
    """A TLS socket that the loop watches. Its handshake is made."""

    _socket: ssl.SSLSocket

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: ssl.SSLSocket,
        driver: Driver,
        session: Session,
        size: int,
        coalesce: bool,
    ) -> None:
        InTurns.__init__(self, session, size, coalesce)
        WatchedSocket.__init__(self, loop, connection, driver)
        self._record = b""  # taken from the session; TLS has begun with it, and must be given the same again

    def turn(self, readable: bool) -> int:
        outcome = super().turn(readable)
        if outcome != LOST and self._socket.pending():
            self._loop.call_soon(self._driver.readable)  # of that the loop sees nothing
        return outcome

    def more(self, size: int) -> bool:
        return size == len(self.buffer) or self._socket.pending() > 0

    def send(self, data: bytes, ends: list[int]) -> int:
        at = 0
        try:
            self._finish_record()
            for end in [len(data)] if self._coalesce else ends:
                if self._record:
                    break
                self._record, at = data[at:end], end
                self._finish_record()
        except OSError as error:
            self.error, self.broken = why(error), True
        self._watch_writing(bool(self._record) and not self.broken)
        return at

    def _finish_record(self) -> None:
        with contextlib.suppress(*_LATER):
            while self._record:
                self._record = self._record[self._socket.send(self._record) :]

    def receive(self) -> int:
        try:
            size = self._socket.recv_into(self.buffer)
        except _LATER:
            return AGAIN
        except OSError as error:
            self.error = why(error)
            return GONE
        return size

    def acknowledge(self) -> None:
        if hasattr(socket, "TCP_QUICKACK") and not self._socket.pending():
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._socket.unwrap()
        super().close()


async def secured(connection: ssl.SSLSocket) -> ssl.SSLSocket:
    """The same socket after its handshake; closed if that fails."""
    try:
        await shake_hands(connection)
    except BaseException:
        connection.close()
        raise
    return connection
