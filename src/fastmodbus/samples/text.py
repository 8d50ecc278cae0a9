"""Samples as text: on the screen, in a notebook, as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..quality import Quality
from .elements import Element, elements_of

if TYPE_CHECKING:
    from .table import Samples

ENDS = 4  # rows shown of the beginning and of the end
COLUMNS = 8
GAP = "..."

Grid = list[list[str]]


def as_text(samples: Samples) -> str:
    """A few lines for the screen."""
    grid = _grid(samples)
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in grid]
    return "\n".join([f"<Samples: {_headline(samples)}>", *lines])


def as_html(samples: Samples) -> str:
    """A table for notebooks."""
    head, *rows = _grid(samples)
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    caption = f"<caption>{escape(_headline(samples))}</caption>"
    return f"<table>{caption}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def write_csv(samples: Samples, path: str | PathLike[str]) -> None:
    """Write a CSV file; see `Samples.to_csv`."""
    elements = list(elements_of(samples))
    times = np.datetime_as_string(samples["time"], timezone="UTC").tolist()
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", *(one.name for one in elements)])
        out.writerows(zip(times, *map(_fields, elements), strict=True))


def _fields(one: Element) -> list[Any]:
    values = (one.values if one.whole is None else one.whole).tolist()
    return [value if good else None for value, good in zip(values, one.good.tolist(), strict=True)]


def _headline(samples: Samples) -> str:
    stats = samples.stats
    parts = [f"{_counted(stats.rows, 'row')} of {_counted(len(samples) - 1, 'tag')}"]
    parts += [f"device {samples.device!r}"] if samples.device else []
    parts += [f"group {samples.group!r}"] if samples.group else []
    parts += [f"every {samples.period:g} s"] if 0 < samples.period < math.inf else []
    parts += [f"{quality.name} {count}" for quality, count in stats.qualities.items() if quality != Quality.GOOD]
    return ", ".join(parts)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _grid(samples: Samples) -> Grid:
    """The cells of the beginning and the end."""
    cut = samples.rows > 2 * ENDS + 1
    shown = samples.isel(np.r_[:ENDS, samples.rows - ENDS : samples.rows]) if cut else samples
    elements = list(_some(shown))
    grid = [["time", *(f"{one.name} [{one.tag.units}]" if one.tag.units else one.name for one in elements)]]
    columns = [np.datetime_as_string(shown["time"], "ms").tolist(), *map(_cells, elements)]
    grid += map(list, zip(*columns, strict=True))
    if cut:
        grid.insert(ENDS + 1, [GAP] * len(columns))
    if len(samples) - 1 > COLUMNS:
        grid = [[*row, GAP] for row in grid]
    return grid


def _some(samples: Samples) -> Iterator[Element]:
    """The first columns; of an array its first element."""
    seen: set[str] = set()
    for one in elements_of(samples):
        if len(seen) == COLUMNS and one.tag.name not in seen:
            return
        if one.tag.name not in seen:
            seen.add(one.tag.name)
            yield one


def _cells(one: Element) -> Sequence[str]:
    values = (one.values if one.whole is None else one.whole).tolist()
    labels = one.tag.labels
    return [
        (labels.get(int(value), str(value)) if labels else _number(value)) if quality == Quality.GOOD else reason
        for value, quality, reason in zip(values, one.quality.tolist(), map(_reason, one.quality.tolist()), strict=True)
    ]


def _reason(quality: int) -> str:
    return Quality(quality).name


def _number(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)
