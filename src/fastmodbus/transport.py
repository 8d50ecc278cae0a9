"""The connection of a client: how it is made, kept, lost and made again. One `Link` is shared by all views of a client.

The core drives the socket; this module resolves names and connects, because that may block and may be interrupted, and
turns the core's events into log lines. Nothing here knows what a request means.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any

from . import errors
from ._core import reactor
from .explain import FAULTS, host_port
from .options import Options
from .spec import AUTOMATIC_MOST, QUIRKS, Fault

if TYPE_CHECKING:
    from logging import Logger

    from ._core.batch import Batch

_MAIN = threading.main_thread().ident
_DONE = reactor.DONE
#: Reconnections within one call: the first at once, then doubled from here to there, between half and all of it.
_BACKOFF, _LONGEST_BACKOFF = 0.1, 30.0
_TRACE_SIZE = 1 << 18
_links: weakref.WeakSet[Link] = weakref.WeakSet()

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def _log(name: str = "fastmodbus") -> Logger:
    """The package's logger. Imported with the first thing to say: logging takes as long as all of the package."""
    import logging

    return logging.getLogger(name)


def _resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host. A name server may take its time: a thread of its own waits for it, up to the limit."""
    found: list[Address] = []
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((family, address))
        except OSError as error:
            failure.append(error)

    try:
        numeric = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(family, address) for family, _, _, _, address in numeric]
    except OSError:
        pass
    except ValueError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"this is no host name: {error}") from error
    thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not found:
        raise TimeoutError(f"the name {host} was not resolved within {seconds:g} s")
    return found


def _tune(connection: socket.socket) -> None:
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


def _open(address: Address, seconds: float, source: str | None) -> socket.socket:
    connection = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        _tune(connection)
        if source is not None:
            _bind(connection, source)
        connection.settimeout(seconds)
        connection.connect(address[1])
    except BaseException:
        connection.close()
        raise
    return connection


def backoff(attempt: int) -> float:
    """Seconds until a connection is tried again that was tried so many times before.

    Between half and all, so that the clients of one device do not come back together.
    """
    from random import uniform

    return min(_BACKOFF * 2.0 ** min(attempt, 20), _LONGEST_BACKOFF) * uniform(0.5, 1.0)


def _in_words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "nobody answered in time (is the address right, and the network up?)"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is the Modbus server running, and the port right?)"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    return error.strerror or str(error)


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
        self.place = host_port(host, port)
        self.lost = ""
        self._wire = False
        automatic = options.in_flight is None or isinstance(options.in_flight, str)
        self.core = reactor.Connection(
            AUTOMATIC_MOST if automatic else int(options.in_flight or 1),
            automatic=automatic,
            quirks=sum(QUIRKS[name] for name in set(options.quirks or ())),
            coalesce=bool(options.coalesce),
            pipeline_writes=bool(options.pipeline_writes),
            request_gap=_ns(options.request_gap),
            connect_delay=_ns(options.connect_delay),
            idle_close=_ns(options.idle_close),
        )
        self.logged_unknown = False
        _links.add(self)

    # -------------------------------------------------------------------------------------------- running

    def run(self, batch: Batch) -> None:
        """Work on a batch until all of its transactions have a result; connects when that is needed.

        Raises
        ------
        ClientClosed, ForkedClient
        """
        core = self.core
        try:
            verdict = core.run(batch, get_ident() == _MAIN)
            if verdict != _DONE:
                self._run_on(batch, verdict)
        finally:
            if batch.attached:
                core.detach(batch)
        if core.has_events or self._wire:
            self.report()

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
            f"{self.place}: this client was made before the process forked; make a new one in the child",
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
        if self.core.forked:
            raise self._forked()
        if self.core.closed:
            raise errors.ClientClosed(f"{self.place}: the client is closed", host=self.host, port=self.port)
        if self.core.connected:
            return
        self._watch_wire()
        try:
            self.core.attach(self._connected_socket(self._seconds_left(deadline)))
        except OSError as error:
            self.lost = _in_words(error)
            raise errors.ConnectionFailed(
                f"{self.place}: no connection: {self.lost}", host=self.host, port=self.port
            ) from error
        self.report()

    def close(self) -> None:
        self.core.close()

    def try_to_connect(self) -> bool:
        """Connect, once, for whoever keeps the connection up while others use it; what went wrong is in `lost`."""
        self._watch_wire()
        try:
            self.core.attach(self._connected_socket(self.options.connect_timeout or 5.0))
        except OSError as error:
            self.lost = _in_words(error)
            return False
        return True

    # -------------------------------------------------------------------------------------------- connecting

    def _seconds_left(self, deadline: int) -> float:
        return min(self.options.connect_timeout or 5.0, max(0.0, (deadline - reactor.now()) / 1e9))

    def _connected_socket(self, seconds: float) -> int:
        """The descriptor of a new connection: the addresses of the host in turn, each with its share of the time."""
        end = reactor.now() + int(seconds * 1e9)
        addresses = _resolve(self.host, self.port, seconds)
        for left in range(len(addresses), 0, -1):
            share = max(0.001, (end - reactor.now()) / 1e9 / left)
            try:
                return _open(addresses[-left], share, self.options.source_address).detach()
            except OSError:
                if left == 1:
                    raise
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))

    def _connect(self, batch: Batch, fruitless: int) -> None:
        """Make the connection a batch waits for: once, or until its deadline if it has one. This thread drives.

        `fruitless`: how many connections were lost before without a single answer.
        """
        attempt = 0
        self._note_loss()
        self.report()
        if fruitless > batch.repeats + 1:
            closed = "closes them" if self.core.fault == Fault.NONE else "they have to be closed"
            self.lost = f"the device accepts connections and {closed} without an answer ({self.lost})"
            self.core.give_up(batch)
            return
        self._watch_wire()
        while True:
            try:
                self.core.attach(self._connected_socket(self._seconds_left(batch.deadline)))
                return
            except OSError as error:
                self.lost = _in_words(error)
                pause = backoff(attempt)
                if not self._wait_to_try_again(batch, pause):
                    self.core.give_up(batch)
                    _log().debug("%s: no connection: %s", self.place, self.lost)
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

    def _note_loss(self) -> None:
        core = self.core
        if core.fault != Fault.NONE:
            self.lost = FAULTS[core.fault]
        elif core.error:
            self.lost = os.strerror(core.error)
        else:
            self.lost = "closed by the device"

    # -------------------------------------------------------------------------------------------- logging

    def report(self) -> None:
        """Log what the core noticed: changes of the connection once each, oddities once, the rest at debug level."""
        events, more = self.core.drain_events()
        for _, kind, fault, transaction_id, unit in events:
            self._log_event(kind, fault, transaction_id, unit)
        if more:
            _log().debug("%s: %d more events", self.place, more)
        if self._wire:
            self._log_wire()

    def _log_event(self, kind: int, fault: int, transaction_id: int, unit: int) -> None:
        where, log = self.place, _log()
        if kind == reactor.EVENTS["CONNECTED"]:
            log.info("%s: connected", where)
        elif kind == reactor.EVENTS["LOST"]:
            self._note_loss()
            log.warning("%s: connection lost: %s", where, self.lost)
        elif kind == reactor.EVENTS["UNKNOWN"]:
            say = log.debug if self.logged_unknown else log.warning
            self.logged_unknown = True
            say("%s: dropped an answer with transaction id %d, which nobody waits for", where, transaction_id)
        elif kind == reactor.EVENTS["STALE"]:
            log.debug("%s: dropped the late answer of unit %d to transaction %d", where, unit, transaction_id)
        elif kind == reactor.EVENTS["TIMEOUT"]:
            log.debug("%s: no answer of unit %d to transaction %d in time", where, unit, transaction_id)
        elif kind == reactor.EVENTS["BUSY"]:
            log.debug("%s: unit %d is busy, asking again later", where, unit)
        elif kind == reactor.EVENTS["OVERTAKEN"]:
            log.debug("%s: unit %d left transaction %d unanswered, asking again alone", where, unit, transaction_id)
        elif kind == reactor.EVENTS["ONE_AT_A_TIME"]:
            log.warning("%s: the device answers only one of several requests; from now on one at a time", where)

    def _watch_wire(self) -> None:
        """Asked whenever a connection is made: asking the logger in every call would cost too much."""
        from logging import DEBUG

        wanted = _log("fastmodbus.wire").isEnabledFor(DEBUG)
        if wanted != self._wire:
            self._wire = wanted
            self.core.start_trace(_TRACE_SIZE if wanted else 0)

    def _log_wire(self) -> None:
        wire_log = _log("fastmodbus.wire")
        records, dropped = self.core.drain_trace()
        for time, received, data in records:
            wire_log.debug("%s %.6f %s %s", self.place, time / 1e9, "<" if received else ">", data.hex(" "))
        if dropped:
            wire_log.debug("%s: %d records did not fit into the trace", self.place, dropped)


def _ns(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1e9)


def _after_fork_in_child() -> None:
    """A child holds copies of the descriptors: as long as they are open the device sees no close by the parent."""
    for link in list(_links):
        link.core.abandon_descriptors()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
