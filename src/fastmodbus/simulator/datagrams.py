"""Modbus over UDP: what makes each peer that sends datagrams look like a connection. The server's thread uses it.

One socket has all of them. A datagram is one whole ADU, or it is ignored; an answer is a datagram, cut where its header
says that it ends. What the kernel does not take is lost, as datagrams may be.
"""

import contextlib
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fastmodbus.simulator.connection import Connection
from fastmodbus.spec import MAX_ADU

_HEADER = 6  # bytes before those that the length field counts
_PEERS = 256  # of which the newest are remembered
_DATAGRAMS = 64  # taken in one go


class DatagramWire:
    """The socket of a connection, for one peer."""

    def __init__(self, shared: socket.socket, peer: Any) -> None:
        self._shared, self._peer = shared, peer
        self.arrived: deque[bytes] = deque()

    def recv(self, size: int, /) -> bytes:
        if not self.arrived:
            raise BlockingIOError
        return self.arrived.popleft()

    def send(self, data: bytearray, /) -> int:
        size = min(len(data), _size_of(data))
        with contextlib.suppress(OSError):
            self._shared.sendto(data[:size], self._peer)
        return size

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """Nothing that ends a connection of TCP means anything here."""

    def fileno(self) -> int:
        """None of its own: the shared one is watched."""
        return -1

    def close(self) -> None:
        """The shared socket stays."""


def _size_of(adu: bytes | bytearray) -> int:
    return _HEADER + int.from_bytes(adu[4:6], "big")


class Peers:
    """Whose datagrams come over a socket.

    Parameters
    ----------
    connected : callable
        Makes the connection of a peer that was not heard of before, or whose last one was ended.
    """

    def __init__(self, shared: socket.socket, connected: Callable[[DatagramWire], Connection]) -> None:
        self._shared, self._connected = shared, connected
        self._known: dict[Any, tuple[DatagramWire, Connection]] = {}

    def receive(self) -> Iterator[Connection]:
        """For each whole request that is there the connection that has it now; and those that are forgotten."""
        for _ in range(_DATAGRAMS):
            try:
                data, peer = self._shared.recvfrom(MAX_ADU + 1)
            except OSError:
                return
            if len(data) >= _HEADER and data[2:4] == b"\0\0" and _size_of(data) == len(data) <= MAX_ADU:
                wire, connection = self._of(peer)
                wire.arrived.append(data)
                yield connection
                if len(self._known) > _PEERS:
                    yield self._forgotten()

    def _forgotten(self) -> Connection:
        _, connection = self._known.pop(next(iter(self._known)))
        connection.end("close")
        return connection

    def _of(self, peer: Any) -> tuple[DatagramWire, Connection]:
        found = self._known.get(peer)
        if found is None or found[1].ending in ("close", "reset"):
            wire = DatagramWire(self._shared, peer)
            found = self._known[peer] = wire, self._connected(wire)
        return found
