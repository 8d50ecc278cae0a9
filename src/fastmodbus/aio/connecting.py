"""Connecting without blocking the event loop. The asyncio link alone uses it; what is sent is not its business."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress

from .. import sockets
from ..sockets import Address


async def connected_socket(host: str, port: int, seconds: float, source: str | None) -> socket.socket:
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
            return await _connected(addresses[-left], share, source)
        except OSError:
            if left == 1:
                raise
    raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


async def _connected(address: Address, seconds: float, source: str | None) -> socket.socket:
    connection = sockets.unconnected(address, source)
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
