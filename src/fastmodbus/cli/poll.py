"""``fastmodbus poll``: devices at steady rates, for so long or until Ctrl-C; a live line and a summary, or the rows.

How polling goes is the poller's business; here is what is meant, and how it is printed.
"""

from __future__ import annotations

import csv
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fastmodbus import options
from fastmodbus.maps import load_map
from fastmodbus.plant import open_plant
from fastmodbus.poller import Poller, PollStatistics
from fastmodbus.samples import Samples

from . import terminal
from .device import open_device, set_up_log
from .outcome import UsageError, reading_the_command

if TYPE_CHECKING:
    from .line import Line

_WHOLE = 2.0**53  # floats below it are exact as integers


def poll(
    where: str, what: Sequence[str], line: Line, every: str | None, duration: str | None, map: str | None, format: str
) -> None:
    """Poll until it is enough. Ctrl-C is raised when all is printed."""
    with reading_the_command():
        seconds = math.inf if duration is None else options.seconds("duration", duration)
    with ExitStack() as stack:
        poller = _poller(stack, where, what, line, every, map)
        if format == "csv" and poller.groups > 1:
            raise UsageError("rows of several devices or groups do not fit into one table: poll one of them")
        with poller, _ending(poller, seconds):
            try:
                if format == "csv":
                    print_rows(poller)
                else:
                    _watch(poller)
            finally:
                poller.stop()
                if format == "summary":
                    _print_end(terminal.console(), poller)


def _poller(
    stack: ExitStack, where: str, what: Sequence[str], line: Line, every: str | None, map: str | None
) -> Poller:
    """What is to be polled, not yet started."""
    if where.endswith(".toml"):
        if what or every or map:
            raise UsageError("a plant says itself what is polled, how often and by which maps")
        set_up_log(line.trace)
        return stack.enter_context(open_plant(where)).poller()
    with reading_the_command():
        device = None if map is None else load_map(map)
    client = stack.enter_context(open_device(where, line, None, device))
    poller = Poller()
    with reading_the_command():
        poller.add(client, list(what) or None, every=every)
    return poller


@contextmanager
def _ending(poller: Poller, seconds: float) -> Iterator[None]:
    """Stop the poller when the time is up, or on SIGTERM."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), poller.stop)
    timer.daemon = True
    timer.start()
    signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=poller.stop).start())
    try:
        yield
    finally:
        timer.cancel()


def _watch(poller: Poller) -> None:
    """Until the poller is stopped; on a terminal, show how it goes meanwhile."""

    def over(seconds: float) -> bool:
        threading.Event().wait(seconds)
        return not poller.running

    terminal.wait(over, lambda: live_line(poller))


def live_line(poller: Poller) -> str:
    """How it goes, in one line."""
    stats = poller.stats
    polls, missed = sum(one.polls for one in stats.values()), sum(one.missed for one in stats.values())
    late = max((one.lateness(99) for one in stats.values()), default=math.nan)
    values = [f"{name} {_short(value)}" for name, value in poller.latest().items()][:4]
    return f"{polls:,} polls, {missed:,} missed, 99 % late by {_milliseconds(late)} at most; {', '.join(values)}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _milliseconds(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1e3:.2f} ms"


def _print_end(console: Console, poller: Poller) -> None:
    print_summary(console, poller.stats)
    told = poller.check()
    if told:
        console.print(told, soft_wrap=True)


def print_summary(console: Console, stats: Mapping[str, PollStatistics]) -> None:
    """A line for each device, of which 80 columns have room for all but a long name."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", overflow="fold", min_width=8)
    for heading in ("polls", "good", "missed", "requests", "late ms 50/99%", "trip ms 50/99%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for device, one in stats.items():
        counts = (f"{count:,}" for count in (one.polls, one.good, one.missed, one.requests))
        table.add_row(device, *counts, *(_half_and_nearly_all(of) for of in (one.lateness, one.round_trip)))
    console.print(table)


def _half_and_nearly_all(percentile: Callable[[float], float]) -> str:
    times = [percentile(share) * 1e3 for share in (50, 99)]
    return "-" if math.isnan(times[0]) else "/".join(f"{one:.2f}" if one < 10 else f"{one:,.0f}" for one in times)


def print_rows(poller: Poller) -> None:
    """Rows as CSV as they come; what is missing is empty."""
    writer = csv.writer(sys.stdout)
    headed = False
    for chunk in poller.chunks():
        names = [name for name in chunk if name != "time"]
        if not headed:
            writer.writerow(["time", *(label for name in names for label in _labels(chunk, name))])
            headed = True
        times = np.datetime_as_string(chunk["time"], unit="us", timezone="UTC")[:, None]
        writer.writerows(np.concatenate([times, *(_cells(chunk, name) for name in names)], axis=1).tolist())
        sys.stdout.flush()


def _labels(chunk: Samples, name: str) -> list[str]:
    return [name] if chunk[name].ndim == 1 else [f"{name}[{n}]" for n in range(chunk[name].shape[1])]


def _cells(chunk: Samples, name: str) -> NDArray[np.str_]:
    """A column, or several of an array, as text."""
    values, ok = chunk[name], chunk.ok[name]
    if values.dtype.kind == "f" and (np.where(ok, values, 0) % 1 == 0).all() and (np.abs(values[ok]) < _WHOLE).all():
        values = np.where(ok, values, 0).astype(np.int64)
    found: NDArray[np.str_] = np.where(ok, values.astype(str), "").reshape(chunk.rows, -1)
    return found
