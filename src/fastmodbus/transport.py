"""The connection of a blocking client: how it is made, kept, lost and made again. All views of a client share a `Link`.

The core drives the socket; this module connects, because that may block and may be interrupted. Nothing here knows what
a request means. What connecting needs is imported when it begins: Python's `socket` alone is a fifth of what a client's
import takes.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import weakref
from threading import get_ident
from typing import TYPE_CHECKING

from . import errors
from ._core import reactor
from .linklog import LinkLog
from .options import Options, nanoseconds

if TYPE_CHECKING:
    import socket

    from ._core.batch import Batch
    from .relay import Relay

_MAIN = threading.main_thread().ident
_DONE = reactor.DONE
_links: weakref.WeakSet[Link] = weakref.WeakSet()


class Link:
    """One connection to one host and port, opened when it is needed; safe to use from many threads.

    Parameters
    ----------
    host, port : str, int
    options : Options
        Complete: built-in values filled in.
    """

    def __init__(self, host: str, port: int, options: Options) -> None:
        self.host, self.port, self.options = host, port, options
        self.core = reactor.Connection(
            **options.of_session(), coalesce=bool(options.coalesce), idle_close=nanoseconds(options.idle_close)
        )
        self.log = LinkLog(host, port, self.core, self._why_lost)
        self._secure = _Secure(options, host) if options.transport == "tls" else None
        _links.add(self)

    def _why_lost(self) -> str | int:
        return (self._secure.reason if self._secure else "") or self.core.error

    @property
    def lost(self) -> str:
        """Why there is no connection, in words."""
        return self.log.lost

    # -------------------------------------------------------------------------------------------- running

    def run(self, batch: Batch) -> None:
        """Work on a batch until all of its transactions have a result; connects when that is needed.

        Raises
        ------
        ClientClosed, ForkedClient
        """
        try:
            verdict = self.core.run(batch, get_ident() == _MAIN)
            if verdict != _DONE:
                self._run_on(batch, verdict)
        except BaseException:
            self.core.detach(batch)
            raise
        if verdict != _DONE or self.log.traced:
            self.log.report()

    def _run_on(self, batch: Batch, verdict: int) -> None:
        fruitless, answers = 0, -1
        while verdict == reactor.CONNECT:
            before, answers = answers, self.core.counters()["answers"]
            fruitless = fruitless + 1 if answers == before else 0
            self._connect(batch, fruitless)
            verdict = self.core.run(batch, get_ident() == _MAIN)
        if verdict == reactor.FORKED:
            raise self._forked()

    def _forked(self) -> errors.ForkedClient:
        return errors.ForkedClient(
            f"{self.log.place}: this client was made before the process forked; make a new one in the child",
            host=self.host,
            port=self.port,
        )

    def connections(self) -> int:
        """How many connections were made so far."""
        return self.core.counters()["connections"]

    def open(self, deadline: int) -> None:
        """Connect now, so that a wrong address shows at once.

        Raises
        ------
        ConnectionFailed, ClientClosed, ForkedClient
        """
        from . import sockets

        if self.core.forked:
            raise self._forked()
        if self.core.closed:
            raise errors.ClientClosed(f"{self.log.place}: the client is closed", host=self.host, port=self.port)
        if self.core.connected:
            return
        self.log.watch_wire()
        try:
            self.core.attach(self._connected_socket(self._seconds_left(deadline)))
        except OSError as error:
            self.log.lost = sockets.in_words(error)
            raise errors.ConnectionFailed(
                f"{self.log.place}: no connection: {self.lost}", host=self.host, port=self.port
            ) from error
        self.log.report()

    @property
    def connected(self) -> bool:
        return self.core.connected

    @property
    def closed(self) -> bool:
        return self.core.closed

    def shut(self) -> None:
        """Close for good."""
        self.core.close()

    def abandon_descriptors(self) -> None:
        self.core.abandon_descriptors()
        if self._secure is not None:
            self._secure.abandon_descriptors()

    def try_to_connect(self) -> bool:
        """Connect, once, for whoever keeps the connection up while others use it; what went wrong is in `lost`."""
        from . import sockets

        self.log.watch_wire()
        try:
            self.core.attach(self._connected_socket(self.options.connect_timeout or 5.0))
        except OSError as error:
            self.log.lost = sockets.in_words(error)
            return False
        return True

    # -------------------------------------------------------------------------------------------- connecting

    def _seconds_left(self, deadline: int) -> float:
        return min(self.options.connect_timeout or 5.0, max(0.0, (deadline - reactor.now()) / 1e9))

    def _connected_socket(self, seconds: float) -> int:
        """The descriptor of a new connection: the addresses of the host in turn, each with its share of the time."""
        from . import sockets

        end = reactor.now() + int(seconds * 1e9)
        addresses = sockets.resolve(self.host, self.port, seconds)
        for left in range(len(addresses), 0, -1):
            share = max(0.001, (end - reactor.now()) / 1e9 / left)
            try:
                source, transport = self.options.source_address, self.options.transport or "tcp"
                connection = sockets.connected(addresses[-left], share, source, transport)
                return connection.detach() if self._secure is None else self._secure.descriptor_of(connection)
            except OSError:
                if left == 1:
                    raise
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))

    def _connect(self, batch: Batch, fruitless: int) -> None:
        """Make the connection a batch waits for: once, or until its deadline if it has one. This thread drives.

        `fruitless`: how many connections were lost before without a single answer.
        """
        from . import sockets

        attempt = 0
        self.log.note_loss()
        self.log.report()
        if fruitless > batch.repeats + 1:
            self.log.note_fruitless()
            self.core.give_up(batch)
            return
        self.log.watch_wire()
        while True:
            try:
                self.core.attach(self._connected_socket(self._seconds_left(batch.deadline)))
                return
            except OSError as error:
                self.log.lost = sockets.in_words(error)
                if not self._wait_to_try_again(batch, sockets.backoff(attempt)):
                    self.core.give_up(batch)
                    self.log.not_connected()
                    return
                attempt += 1

    def _wait_to_try_again(self, batch: Batch, pause: float) -> bool:
        """Only a call with a deadline waits for a device to come back; the others that wait behind it are over."""
        end = reactor.now() + int(pause * 1e9)
        if not batch.has_deadline or end >= batch.deadline:
            return False
        while not self.core.closed and (left := (end - reactor.now()) / 1e9) > 0:
            self.core.give_up(None)
            threading.Event().wait(min(left, 0.1))
        return not self.core.closed


class _Secure:
    """What makes a connection one over TLS: a relay stands between it and the reactor."""

    def __init__(self, options: Options, host: str) -> None:
        from . import tls

        self._context, self._name = tls.context_of(options), tls.name_of(options, host)
        self._coalesce = bool(options.coalesce)
        self._relay: Relay | None = None

    @property
    def reason(self) -> str:
        """Why TLS broke, in words."""
        return "" if self._relay is None else self._relay.reason

    def descriptor_of(self, connection: socket.socket) -> int:
        """Make the handshake, within the socket's timeout, and give the reactor's end of the relay."""
        from . import tls
        from .relay import Relay

        secured = tls.secured(connection, self._context, self._name)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        self._relay = Relay(secured, self._coalesce)
        return self._relay.descriptor

    def abandon_descriptors(self) -> None:
        if self._relay is not None:
            self._relay.abandon()


def _after_fork_in_child() -> None:
    """A child holds copies of the descriptors: as long as they are open the device sees no close by the parent."""
    for link in list(_links):
        link.abandon_descriptors()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
