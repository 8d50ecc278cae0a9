"""A client as the command line wants it: made from a URL and options, which are the user's to say right."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from fastmodbus import options
from fastmodbus.client import Client, connect

from .outcome import reading_the_command

if TYPE_CHECKING:
    from fastmodbus.maps import Map

    from .line import InFlight, Line

_log = logging.getLogger("fastmodbus")


def check(url: str, line: Line, in_flight: InFlight | None) -> None:
    """Find fault with a URL or an option before anything is sent.

    Raises
    ------
    UsageError
    """
    with reading_the_command():
        options.parse_url(url)
        options.parse({**line.options(), "in_flight": in_flight})


def open_device(url: str, line: Line, in_flight: InFlight | None = None, map: Map | None = None) -> Client:
    """Connect.

    Raises
    ------
    UsageError
        The URL or an option is wrong.
    ConnectionFailed
    """
    check(url, line, in_flight)
    set_up_log(line.trace)
    return connect(url, map=map, **line.options(), in_flight=in_flight)


def set_up_log(trace: bool) -> None:
    """What goes wrong is told by the one line at the end; the library's log would tell it twice."""
    if _log.handlers:
        return
    if not trace:
        _log.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG)
