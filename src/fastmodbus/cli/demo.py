"""``fastmodbus demo``: the same reads with many requests in flight and one at a time, every value checked.

The device is one simulated here, whose contents are known, or the user's own, which is only read and has to agree with
itself. Without a device of the user's a simulated plant is polled after that: see `plant`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fastmodbus.address import AREAS
from fastmodbus.client import Client
from fastmodbus.errors import DeviceError
from fastmodbus.simulator import Simulator
from fastmodbus.statistics import Statistics

from . import discover, pattern, terminal
from .device import check, open_device, set_up_log
from .outcome import Disagreement
from .plant import demo_plant
from .ranges import Range, parse_range
from .read import read_table

if TYPE_CHECKING:
    from .line import Line

ANSWER_DELAY = 0.005
SAMPLE_SECONDS = 3.0  # for reading a user's device one request at a time
WHOLE = [parse_range(f"{area}0-65535") for area in AREAS]

Values = dict[Range, NDArray[Any]]


class Run(NamedTuple):
    """Reads over one connection, and how they went."""

    in_flight: int
    values: Values
    seconds: float
    register_seconds: float
    statistics: Statistics
    unread: int

    @property
    def bits(self) -> int:
        return sum(wanted.count for wanted in self.values if wanted.bits)

    @property
    def registers(self) -> int:
        return sum(wanted.count for wanted in self.values if not wanted.bits)


def demo(url: str | None, texts: Sequence[str], line: Line, in_flight: int) -> None:
    """Run it and print what came of it.

    Raises
    ------
    Disagreement
        A value is not what it must be.
    """
    ranges = [parse_range(text) for text in texts]
    check(url or "sim:", line, in_flight)
    set_up_log(line.trace)
    console = terminal.console()
    if url is None:
        _demo_simulated(console, in_flight)
        demo_plant(console)
    else:
        _demo_device(console, url, ranges, line, in_flight)


def measure(client: Client, in_flight: int, ranges: Sequence[Range], seconds: float | None = None) -> Run:
    """Read ranges until the time is up; what the device refuses is counted and left out."""
    values: Values = {}
    start, unread, register_seconds = time.perf_counter(), 0, 0.0
    for wanted in ranges:
        begun = time.perf_counter()
        if seconds is not None and begun - start > seconds:
            break
        try:
            values[wanted] = read_table(client, wanted)
        except DeviceError as error:
            unread += wanted.count
            if not error.ok.any():
                continue
        register_seconds += 0.0 if wanted.bits else time.perf_counter() - begun
    return Run(in_flight, values, time.perf_counter() - start, register_seconds, client.stats, unread)


# -------------------------------------------------------------------------------------------------- simulated


def _demo_simulated(console: Console, in_flight: int) -> None:
    with Simulator(answer_delay=ANSWER_DELAY) as simulator:
        pattern.fill(simulator.unit(1), 1)
        console.print(f"A simulated device that takes {ANSWER_DELAY * 1e3:g} ms for an answer: four tables of 65,536.")
        runs = []
        for window in (in_flight, 1):
            with (
                console.status(f"reading, {window} in flight"),
                Client("127.0.0.1", simulator.port, in_flight=window) as client,
            ):
                runs.append(measure(client, window, WHOLE))
        wrong = sum(_wrong(run.values, simulator) for run in runs)
    _print_runs(console, runs)
    if wrong:
        raise Disagreement(f"{wrong} values are not those of the simulated device")
    console.print(f"All {_count(runs[0]):,} values are right, both times. {_compared(runs)}", soft_wrap=True)


def _wrong(values: Values, simulator: Simulator) -> int:
    unit = simulator.unit(1)
    return sum(int((found != unit.table(wanted.area)).sum()) for wanted, found in values.items())


# -------------------------------------------------------------------------------------------------- a user's device


def _demo_device(console: Console, url: str, ranges: list[Range], line: Line, in_flight: int) -> None:
    def opened(window: int) -> Client:
        return open_device(url, line, window)

    with console.status("asking how many requests it takes at a time"):
        window = discover.window(opened, in_flight)
    if window < in_flight:
        console.print(f"With {in_flight} requests in flight it did not answer all: {window} from here on.")
    if not ranges:
        ranges = _found(console, opened, window)
    with console.status(f"reading, {window} in flight"), opened(window) as client:
        runs = [measure(client, window, ranges)]
    if window > 1:
        with console.status("reading a sample, one at a time"), opened(1) as client:
            runs.append(measure(client, 1, list(_pieces(ranges)), SAMPLE_SECONDS))
    _print_runs(console, runs)
    _say_what_is_missing(console, runs[0])
    if window > 1:
        _compare(console, runs)


def _found(console: Console, opened: discover.Open, window: int) -> list[Range]:
    ranges: list[Range] = []
    with opened(window) as client:
        for area, name in AREAS.items():
            with console.status(f"looking for {name}"):
                found = discover.find(client, area)
            console.print(found.text)
            ranges += found.ranges
    if not ranges:
        raise Disagreement("nothing was found that can be read; name what there is, such as hr100-119")
    return ranges


def _pieces(ranges: Sequence[Range]) -> Iterator[Range]:
    """One request each, of the tables in turn, so that a sample has something of all."""
    queues = [list(_cut(wanted)) for wanted in ranges]
    for turn in range(max(map(len, queues), default=0)):
        for queue in queues:
            if turn < len(queue):
                yield queue[turn]


def _cut(wanted: Range) -> Iterator[Range]:
    step = 2000 if wanted.bits else 125
    for offset in range(0, wanted.count, step):
        yield replace(wanted, address=wanted.address + offset, count=min(step, wanted.count - offset))


def _compare(console: Console, runs: Sequence[Run]) -> None:
    """Hold the sample against the first read."""
    differing, compared = 0, 0
    for piece, sample in runs[1].values.items():
        for wanted, found in runs[0].values.items():
            offset = piece.address - wanted.address
            if wanted.area == piece.area and offset >= 0 and offset + piece.count <= wanted.count:
                differing += int((found[offset : offset + piece.count] != sample).sum())
                compared += piece.count
                break
    agreement = f"{compared:,} values were read both ways and agree."
    if differing:
        agreement = f"{differing:,} of {compared:,} values read both ways differ: a running device changes them."
    console.print(f"{agreement} {_compared(runs)}", soft_wrap=True)


def _say_what_is_missing(console: Console, run: Run) -> None:
    if not run.values:
        raise Disagreement("the device refused every range; read them one by one to see why: fastmodbus read")
    if run.unread:
        console.print(f"{run.unread:,} values belong to ranges that the device refused, at least in part.")


# -------------------------------------------------------------------------------------------------- printing


def _count(run: Run) -> int:
    return run.registers + run.bits


def _compared(runs: Sequence[Run]) -> str:
    if runs[0].statistics.requests < 2 * runs[0].in_flight:
        return "For a comparison of speeds these are too few."
    many, one = (_count(run) / run.seconds for run in runs)
    return f"{runs[0].in_flight} in flight read {many / one:.1f} times as fast as one at a time."


def _print_runs(console: Console, runs: Sequence[Run]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for run in runs:
        heading = f"{run.in_flight} in flight" if run.in_flight > 1 else "one at a time"
        if _count(run) < _count(runs[0]):
            heading += " (sample)"
        table.add_column(heading, justify="right")
    for name, cell in _ROWS.items():
        cells = [cell(run) for run in runs]
        if any(cells):
            table.add_row(name, *cells)
    console.print(table)


def _rate(amount: int, seconds: float) -> str:
    return f"{amount / seconds:,.0f}" if amount else ""


def _round_trip(run: Run, percentile: float) -> str:
    return f"{run.statistics.round_trip(percentile) * 1e3:.2f} ms"


_ROWS: dict[str, Callable[[Run], str]] = {
    "transactions": lambda run: f"{run.statistics.requests:,}",
    "of these repeated": lambda run: f"{run.statistics.retries:,}" if run.statistics.retries else "",
    "registers": lambda run: f"{run.registers:,}" if run.registers else "",
    "coils and discrete inputs": lambda run: f"{run.bits:,}" if run.bits else "",
    "time": lambda run: f"{run.seconds:.2f} s" if run.seconds >= 0.1 else f"{run.seconds * 1e3:.1f} ms",
    "transactions/s": lambda run: _rate(run.statistics.requests, run.seconds),
    "registers/s": lambda run: _rate(run.registers, run.register_seconds),
    "round trip, median": lambda run: _round_trip(run, 50),
    "round trip, 99 %": lambda run: _round_trip(run, 99),
}
