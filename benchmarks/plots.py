"""The plots of docs/benchmarks.md: PNG, readable in print and without colour (markers and hatches differ too)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from .contestants import CEILING, CONTESTANTS, PIPELINING_PEERS
from .figures import Results, busy_milliseconds, key, rate

COLOURS = {"fastmodbus": "#0b6e4f", CEILING: "#444444", "tmodbus": "#c8553d", "bacsys_pymod": "#7d6b9e"}
LINE = ",\n"
MARKERS = {"fastmodbus": "o", CEILING: "s", "tmodbus": "^", "bacsys_pymod": "v"}
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 200}


def write(results: Results, folder: Path) -> None:
    """All plots, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, draw in (("in-flight", _in_flight), ("single", _single), ("busy", _busy)):
            figure, axes = plt.subplots(figsize=(6.3, 4.0), layout="constrained")
            draw(results, axes)
            # No date, no version of the tool: the same results make the same file.
            figure.savefig(folder / f"{name}.png", metadata={"Software": None})
            plt.close(figure)


def _in_flight(results: Results, axes: Axes) -> None:
    windows = (4, 16, 64, 256)
    for name in (CEILING, "fastmodbus", *PIPELINING_PEERS):
        for coalesce in (True, False):
            found = [(1, rate(results, key("single", 125), name))]
            found += [(n, rate(results, key("bulk", 125, n, coalesce), name)) for n in windows]
            points = [(n, value) for n, value in found if value]
            if len(points) < 2:
                continue
            axes.plot(
                *zip(*points, strict=True),
                color=COLOURS[name],
                marker=MARKERS[name],
                linestyle="-" if coalesce else "--",
                label=CONTESTANTS[name].title + (", coalesced" if coalesce else ""),
            )
    axes.set(xscale="log", yscale="log", xlabel="requests in flight", ylabel="requests of 125 registers per second")
    axes.set_xticks((1, *windows), labels=[str(n) for n in (1, *windows)])
    axes.minorticks_off()
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def _single(results: Results, axes: Axes) -> None:
    row = key("single", 10)
    found = sorted((value, name) for name in CONTESTANTS if (value := rate(results, row, name)))
    bars = axes.barh(
        [CONTESTANTS[name].title for _, name in found],
        [value for value, _ in found],
        color=[_bar_colour(name) for _, name in found],
    )
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value, _ in found], padding=3, fontsize=8)
    axes.set(xlabel="requests of 10 registers per second, one at a time")
    axes.margins(x=0.15)


def _bar_colour(name: str) -> str:
    """Ours, those in C, those in Python."""
    if name == "fastmodbus":
        return COLOURS[name]
    return "#bbbbbb" if CONTESTANTS[name].module else COLOURS[CEILING]


def _busy(results: Results, axes: Axes) -> None:
    cases = [
        (f"{CONTESTANTS[name].title.replace(', ', LINE)}\n{requests} reads", times)
        for name, in_flight, requests in (
            (CEILING, 16, 500),
            ("fastmodbus", 16, 500),
            ("tmodbus", 16, 500),
            ("pymodbus", 1, 50),
        )
        if (times := busy_milliseconds(results, name, in_flight, requests))
    ]
    for offset, index, label, colour, hatch in (
        (-0.2, 0, "idle", "#bbbbbb", ""),
        (0.2, 1, "beside a busy Python thread", COLOURS["fastmodbus"], "//"),
    ):
        places = [place + offset for place in range(len(cases))]
        bars = axes.bar(
            places,
            [times[index] for _, times in cases],
            0.38,
            label=label,
            color=colour,
            hatch=hatch,
            edgecolor="white",
        )
        axes.bar_label(bars, fmt="{:.1f}", fontsize=8)
    axes.set_xticks(range(len(cases)), labels=[label for label, _ in cases])
    axes.set(yscale="log", ylabel="milliseconds", ylim=(1, None))
    axes.legend(frameon=False)
