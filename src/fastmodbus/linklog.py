"""What a connection has to say: why it was lost, for error messages, and its events and traffic, for the log.

Shared by the links of both kinds of clients. It reads the core's state and changes nothing but the log.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._core import reactor
from .explain import FAULTS, host_port
from .spec import Fault

if TYPE_CHECKING:
    from logging import Logger

    from ._core.state import SessionState

_TRACE_SIZE = 1 << 18


def log_of(name: str = "fastmodbus") -> Logger:
    """The package's logger. Imported with the first thing to say: logging takes as long as all of the package."""
    import logging

    return logging.getLogger(name)


class LinkLog:
    """The log of one connection.

    Attributes
    ----------
    lost : str
        Why there is no connection any more, or none was made, in words.
    traced : bool
        Whether the traffic is recorded for the log.

    Parameters
    ----------
    error : callable
        Says with which error of the system the last connection was lost, or why in words; 0 when the peer closed it.
    """

    def __init__(self, host: str, port: int, core: SessionState, error: Callable[[], int | str]) -> None:
        self.place = host_port(host, port)
        self.lost = ""
        self.traced = False
        self._core, self._error = core, error
        self._warned = False

    def note_loss(self) -> None:
        """Remember why the last connection was lost."""
        if self._core.fault != Fault.NONE:
            self.lost = FAULTS[self._core.fault]
        elif error := self._error():
            self.lost = error if isinstance(error, str) else os.strerror(error)
        else:
            self.lost = "closed by the device"

    def note_fruitless(self) -> None:
        """Connections are made and lost, one after the other."""
        if self._error() == errno.ECONNREFUSED:  # of UDP: nobody is there, and that is all
            return
        closed = "closes them" if self._core.fault == Fault.NONE else "they have to be closed"
        self.lost = f"the device accepts connections and {closed} without an answer ({self.lost})"

    def report(self) -> None:
        """Log what the core noticed: changes of the connection once each, oddities once, the rest at debug level."""
        events, more = self._core.drain_events()
        for _, kind, _, transaction_id, unit in events:
            self._log_event(kind, transaction_id, unit)
        if more:
            log_of().debug("%s: %d more events", self.place, more)
        if self.traced:
            self._log_wire()

    def not_connected(self) -> None:
        log_of().debug("%s: no connection: %s", self.place, self.lost)

    def _log_event(self, kind: int, transaction_id: int, unit: int) -> None:
        where, log = self.place, log_of()
        if kind == reactor.EVENTS["CONNECTED"]:
            log.info("%s: connected", where)
        elif kind == reactor.EVENTS["LOST"]:
            self.note_loss()
            log.warning("%s: connection lost: %s", where, self.lost)
        elif kind == reactor.EVENTS["UNKNOWN"]:
            say = log.debug if self._warned else log.warning
            self._warned = True
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

    def watch_wire(self) -> None:
        """Asked whenever a connection is made: asking the logger in every call would cost too much."""
        from logging import DEBUG

        wanted = log_of("fastmodbus.wire").isEnabledFor(DEBUG)
        if wanted != self.traced:
            self.traced = wanted
            self._core.start_trace(_TRACE_SIZE if wanted else 0)

    def _log_wire(self) -> None:
        wire_log = log_of("fastmodbus.wire")
        records, dropped = self._core.drain_trace()
        for time, received, data in records:
            wire_log.debug("%s %.6f %s %s", self.place, time / 1e9, "<" if received else ">", data.hex(" "))
        if dropped:
            wire_log.debug("%s: %d records did not fit into the trace", self.place, dropped)
