"""Connecting without blocking the event loop: names, sockets, TLS, and the carrier that the loop can do with.

The asyncio link alone uses it; what is sent is not its business.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress

from .. import errors, sockets, tls
from .._core import reactor
from .._core.verbs import Session
from ..calls import NO_DEADLINE
from ..options import Options
from ..sockets import Address
from ..spec import MAX_ADU
from .carriers import Carrier, Driver, ProtocolCarrier, PumpedCarrier


def seconds_until(deadline: int) -> float | None:
    return None if deadline == NO_DEADLINE else max(0.0, (deadline - reactor.now()) / 1e9)


class Connector:
    """Makes the connections of one link.

    Raises
    ------
    ValueError
        The files for TLS cannot be used.
    """

    def __init__(self, host: str, port: int, options: Options) -> None:
        self._host, self._port, self._options = host, port, options
        self._context = tls.context_of(options) if options.transport == "tls" else None

    def check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Datagrams are sent and received on a socket that the loop watches, or not at all.

        Raises
        ------
        WrongEventLoop
        """
        if self._options.transport != "udp":
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
            if not _can_watch(loop, trial):
                raise errors.WrongEventLoop(
                    f"{self._host}:{self._port}: UDP needs an event loop that can watch sockets, and "
                    f"{type(loop).__name__} cannot; asyncio.SelectorEventLoop can"
                )

    async def carrier(self, driver: Driver, session: Session) -> Carrier:
        """A new connection for a session, made within the option `connect_timeout`.

        Raises
        ------
        OSError
        """
        seconds = self._options.connect_timeout or 5.0
        end = reactor.now() + int(seconds * 1e9)
        source, transport = self._options.source_address, self._options.transport or "tcp"
        connection = await _connected_socket(self._host, self._port, seconds, source, transport)
        async with asyncio.timeout(seconds_until(end)):
            return await self._carried(connection, driver, session)

    async def _carried(self, connection: socket.socket, driver: Driver, session: Session) -> Carrier:
        loop, coalesce = asyncio.get_running_loop(), bool(self._options.coalesce)
        size = max(4096, MAX_ADU * session.window)
        name = tls.name_of(self._options, self._host)
        if not _can_watch(loop, connection):
            protocol = ProtocolCarrier(driver, session, size, coalesce)
            wanted = name if self._context else None
            await loop.create_connection(lambda: protocol, sock=connection, ssl=self._context, server_hostname=wanted)
            return protocol
        if self._context is None:
            return PumpedCarrier(loop, connection, driver, session, coalesce)
        from .secure import SecureCarrier, secured

        over = await secured(tls.secured(connection, self._context, name))
        return SecureCarrier(loop, over, driver, session, size, coalesce)


def _can_watch(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bool:
    try:
        loop.add_reader(connection.fileno(), int)
    except NotImplementedError:
        return False
    loop.remove_reader(connection.fileno())
    return True


async def _connected_socket(host: str, port: int, seconds: float, source: str | None, transport: str) -> socket.socket:
    """A connected, non-blocking socket: the addresses of the host in turn, each with its share of the time.

    Raises
    ------
    OSError
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    addresses = await _resolve(host, port, seconds)
    for left in range(len(addresses), 0, -1):
        share = max(0.001, (end - loop.time()) / left)
        try:
            return await _connected(addresses[-left], share, source, transport)
        except OSError:
            if left == 1:
                raise
    raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


async def _connected(address: Address, seconds: float, source: str | None, transport: str) -> socket.socket:
    connection = sockets.unconnected(address, source, transport)
    try:
        connection.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection, address[1])
    except BaseException as failure:
        connection.close()
        if isinstance(failure, OSError) and failure.errno:
            raise OSError(failure.errno, os.strerror(failure.errno)) from None  # asyncio says it in its own words
        raise
    return connection


async def _resolve(host: str, port: int, seconds: float) -> list[Address]:
    numeric = sockets.numeric_addresses(host, port)
    if numeric:
        return numeric
    loop = asyncio.get_running_loop()
    resolved: asyncio.Future[list[Address] | OSError] = loop.create_future()

    def settle(result: list[Address] | OSError) -> None:
        if not resolved.done():
            resolved.set_result(result)

    def done(result: list[Address] | OSError) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    sockets.start_resolving(host, port, done)
    try:
        async with asyncio.timeout(seconds):
            found = await resolved
    except TimeoutError:
        raise sockets.not_resolved(host, seconds) from None
    if isinstance(found, OSError):
        raise found
    return found
