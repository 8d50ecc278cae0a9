"""The second part of ``fastmodbus demo``: a simulated plant is polled while one of its devices loses its connection.

Prints a summary, the rows around the loss with their reasons, and a few columns as pictures.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fastmodbus.client import Client
from fastmodbus.poller import Poller
from fastmodbus.quality import Quality
from fastmodbus.samples import Samples, concat
from fastmodbus.simulator import Simulator

from .outcome import Disagreement
from .poll import print_summary

SECONDS = 6.0
LOSS = (2.0, 4.0)  # seconds: when the connection goes, and when it may come back
SHOWN = 5  # rows on either side of it
WIDTH = 60
BLOCKS = "▁▂▃▄▅▆▇█"


class Device(NamedTuple):
    """A simulated device and how it is polled."""

    name: str
    answer_delay: float  # s
    every: float  # s
    tags: dict[str, str]


DEVICES = (
    Device("robot", 0.0005, 0.01, {"axis": "hr0:f32", "torque": "hr2:i16"}),
    Device("inverter", 0.003, 0.1, {"power": "hr0:f32", "state": "hr10"}),
    Device("meter", 0.02, 0.2, {"voltage": "ir0:f32", "energy": "ir100:u32"}),
)
LOSER = "inverter"


def demo_plant(console: Console) -> None:
    """Poll the plant, and print what came of it.

    Raises
    ------
    Disagreement
        A good value is not one that the device had, or an instant has no row.
    """
    delays = ", ".join(f"{device.name} ({device.answer_delay * 1e3:g} ms)" for device in DEVICES)
    console.print(f"\nA simulated plant, polled for {SECONDS:g} s: {delays}.", soft_wrap=True)
    console.print(f"The {LOSER} loses its connection after {LOSS[0]:g} s, for {LOSS[1] - LOSS[0]:g} s.", soft_wrap=True)
    with ExitStack() as stack:
        simulators = {device.name: stack.enter_context(_simulator(device)) for device in DEVICES}
        with Poller() as poller:
            for device in DEVICES:
                simulator = simulators[device.name]
                client = stack.enter_context(Client("127.0.0.1", simulator.port, name=device.name))
                poller.add(client, device.tags, every=device.every)
            _go_on(console, simulators[LOSER])
        stats = poller.stats
        runs = {device.name: concat(poller.chunks(device=device.name)) for device in DEVICES}
    print_summary(console, stats)
    for run in runs.values():
        _check(run)
    registers = sum(run.stats.good * 2 for run in runs.values())
    rate = f"{registers / SECONDS:,.0f} registers/s"
    console.print(f"A row for every instant, every good value as the device had it; {rate}.", soft_wrap=True)
    _print_loss(console, runs[LOSER])
    _print_pictures(console, runs)


@contextmanager
def _simulator(device: Device) -> Iterator[Simulator]:
    with Simulator(answer_delay=device.answer_delay) as simulator:
        for number, address in enumerate(device.tags.values()):
            simulator[address] = (lambda seconds: round(100 + 50 * math.sin(seconds), 1)) if not number else 7
        yield simulator


def _go_on(console: Console, loser: Simulator) -> None:
    """Let the time pass, and the connection go and come back."""
    progress = Progress(
        TextColumn("polling"), BarColumn(), TimeRemainingColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    with progress:
        task = progress.add_task("polling", total=SECONDS)
        start, lost, back = time.monotonic(), False, False
        while (passed := time.monotonic() - start) < SECONDS:
            progress.update(task, completed=passed)
            if not lost and passed > LOSS[0]:
                lost = True
                loser.close()
            if not back and passed > LOSS[1]:
                back = True
                loser.start()
            time.sleep(0.05)


def _check(run: Samples) -> None:
    if (np.diff(run["time"].view(np.int64)) != round(run.period * 1e9)).any():
        raise Disagreement(f"{run.device}: an instant has no row")
    first, second = (name for name in run if name != "time")
    values = run[first][run.ok[first]]
    if ((values < 49.9) | (values > 150.1)).any() or (run[second][run.ok[second]] != 7).any():
        raise Disagreement(f"{run.device}: a value is not what the device had")


def _print_loss(console: Console, run: Samples) -> None:
    """The rows before and after the change from good to lost, and from lost to good."""
    name = next(name for name in run if name != "time")
    bad = np.flatnonzero(run.quality[name] == int(Quality.LINK))
    if not len(bad):
        raise Disagreement("the connection was closed, and no row says so")
    console.print(f"\nThe {run.device}'s rows around it, {len(bad)} of them without a value:")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("time", name, "why not"):
        table.add_column(heading)
    edges = sorted({*range(bad[0] - SHOWN, bad[0] + SHOWN), *range(bad[-1] - SHOWN + 1, bad[-1] + SHOWN + 1)})
    before = None
    for row in (row for row in edges if 0 <= row < run.rows):
        if before is not None and row != before + 1:
            table.add_row("...")
        ok, reason = run.ok[name][row], Quality(int(run.quality[name][row])).name
        text = np.datetime_as_string(run["time"][row], unit="ms").partition("T")[2]
        table.add_row(text, f"{run[name][row]:.1f}" if ok else "", "" if ok else reason)
        before = row
    console.print(table)


def _print_pictures(console: Console, runs: dict[str, Samples]) -> None:
    columns = {f"{run.device}.{name}": (run["time"], run[name]) for run in runs.values() for name in list(run)[1:2]}
    console.print()
    for label, (_, values) in columns.items():
        console.print(f"{label:<18}{sparkline(values)}")
    if find_spec("matplotlib"):
        path = Path(tempfile.gettempdir()) / "fastmodbus-demo.png"
        _save_picture(path, columns)
        console.print(f"The same as a picture: {path}", soft_wrap=True)


def sparkline(values: NDArray[np.float64]) -> str:
    """A column as a line of text: a character for the mean of each part, a blank where nothing was read."""
    low, high = np.nanmin(values), np.nanmax(values)
    cells = []
    for part in np.array_split(values, min(WIDTH, len(values))):
        good = part[~np.isnan(part)]
        level = 0.0 if high == low else (good.mean() - low) / (high - low) if len(good) else math.nan
        cells.append(" " if math.isnan(level) else BLOCKS[min(int(level * len(BLOCKS)), len(BLOCKS) - 1)])
    return "".join(cells)


def _save_picture(path: Path, columns: dict[str, tuple[NDArray[np.datetime64], NDArray[np.float64]]]) -> None:
    import_module("matplotlib").use("Agg")
    pyplot = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(len(columns), sharex=True, figsize=(9, 6), layout="constrained")
    for axis, (label, (times, values)) in zip(axes, columns.items(), strict=True):
        axis.plot(times, values, ".-", markersize=2, linewidth=0.8)
        axis.set_title(label, loc="left", fontsize="medium")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
