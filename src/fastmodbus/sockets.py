"""Sockets for the links of both kinds of clients: names, options, what a failure is in words, when to try again.

It opens nothing by itself and waits only to resolve a name. What a connection carries is not its business.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

Address = tuple[socket.AddressFamily, tuple[object, ...]]
#: Reconnections within one call: the first at once, then doubled from here to there, between half and all of it.
_BACKOFF, _LONGEST_BACKOFF = 0.1, 30.0


def numeric_addresses(host: str, port: int) -> list[Address]:
    """The addresses of a host that is given as one; none where it is a name.

    Raises
    ------
    socket.gaierror
        What is given can be neither.
    """
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except OSError:
        return []
    except ValueError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"this is no host name: {error}") from error


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def start_resolving(host: str, port: int, done: Callable[[list[Address] | OSError], None]) -> None:
    """Look a name up in a thread of its own, because a name server may take its time, and call `done` from there."""

    def look_up() -> None:
        try:
            done(_look_up(host, port))
        except OSError as error:
            done(error)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()


def not_resolved(host: str, seconds: float) -> TimeoutError:
    return TimeoutError(f"the name {host} was not resolved within {seconds:g} s")


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host, waited for up to the limit.

    Raises
    ------
    OSError
    """
    numeric = numeric_addresses(host, port)
    if numeric:
        return numeric
    found: list[list[Address] | OSError] = []
    resolved = threading.Event()

    def done(result: list[Address] | OSError) -> None:
        found.append(result)
        resolved.set()

    start_resolving(host, port, done)
    if not resolved.wait(seconds):
        raise not_resolved(host, seconds)
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def tune(connection: socket.socket) -> None:
    """No delayed small segments (mg 4.3.2), and half-open connections found within a minute instead of hours."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 40_000)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bind(connection: socket.socket, source: str) -> None:
    try:
        connection.bind((source, 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(errno.EADDRNOTAVAIL, f"source_address {source!r} cannot be used: {reason}") from error


def unconnected(address: Address, source: str | None, transport: str = "tcp") -> socket.socket:
    """A socket that is ready to be connected to this address."""
    connection = socket.socket(address[0], socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    try:
        if transport != "udp":
            tune(connection)
        if source is not None:
            _bind(connection, source)
    except BaseException:
        connection.close()
        raise
    return connection


def connected(address: Address, seconds: float, source: str | None, transport: str = "tcp") -> socket.socket:
    """A socket that is connected to this address; waits up to the limit.

    Of UDP that is one that gets datagrams from there alone.
    """
    connection = unconnected(address, source, transport)
    try:
        connection.settimeout(seconds)
        connection.connect(address[1])
    except BaseException:
        connection.close()
        raise
    return connection


def backoff(attempt: int) -> float:
    """Seconds until a connection is tried again that was tried so many times before.

    Between half and all of it, so that the clients of one device do not come back together.
    """
    from random import uniform

    return min(_BACKOFF * 2.0 ** min(attempt, 20), _LONGEST_BACKOFF) * uniform(0.5, 1.0)


def in_words(error: OSError) -> str:
    if type(error).__module__ == "ssl":
        from . import tls

        return tls.in_words(error)
    if isinstance(error, TimeoutError):
        return "nobody answered in time (is the address right, and the network up?)"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is the Modbus server running, and the port right?)"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    return error.strerror or str(error)
