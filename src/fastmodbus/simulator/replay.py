"""A recording played back: registers that hold what a device said, when it said it, counted from the start.

`Simulator.replay` makes players of a recording; the server asks each to `refresh` when requests arrive, under its lock.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any

import numpy as np

from ..maps import Map
from ..quality import GOOD
from ..recorder.loading import load
from ..samples import Samples
from ..samples.elements import is_whole
from ..samples.table import Instant

log = logging.getLogger("fastmodbus")

Put = Callable[[str, Any], None]


class Player:
    """One device of a recording.

    Parameters
    ----------
    groups : list of Samples
        The device's rows, group by group.
    start, stop : int
        Unix ns: what is played at 0 s, and where it ends or begins again.
    speed : float
    repeat : bool

    Attributes
    ----------
    map : Map
        The tags of all groups.
    """

    def __init__(self, groups: list[Samples], start: int, stop: int, speed: float, repeat: bool) -> None:
        self.map = _map_of(groups)
        self._groups = [(group, group["time"].view(np.int64), _changing(group, self.map)) for group in groups]
        self._shown = [-1] * len(groups)
        self._start, self._length, self._speed, self._repeat = start, max(stop - start, 1), speed, repeat

    def refresh(self, seconds: float, put: Put) -> None:
        """Put what is new at so many seconds since the start."""
        elapsed = int(seconds * self._speed * 1e9)
        now = self._start + (elapsed % self._length if self._repeat else elapsed)
        for number, (group, times, names) in enumerate(self._groups):
            row = int(np.searchsorted(times, now, side="right")) - 1
            if row >= 0 and row != self._shown[number]:
                self._shown[number] = row
                _show(group, row, names, put)


def players_of(
    path: str | PathLike[str],
    device: str | None,
    start: Instant | None,
    stop: Instant | None,
    speed: float,
    repeat: bool,
) -> list[Player]:
    """A player for each device of a recording, in the order of their names.

    Raises
    ------
    RecorderError
        There is no recording, or nothing of that device and time.
    ValueError
        A speed that is not above 0.
    """
    if not speed > 0:
        raise ValueError(f"speed is {speed}; it must be above 0, 1 for as fast as it was")
    found = load(path, start, stop, device=device)
    runs = [found] if isinstance(found, Samples) else list(found.values())
    times = np.concatenate([run["time"].view(np.int64) for run in runs])
    if not times.size:
        raise ValueError(f"{path}: there are no rows from start to stop")
    period = max((run.period for run in runs if math.isfinite(run.period)), default=0.0)
    begin, end = int(times.min()), int(times.max()) + round(period * 1e9)
    names = sorted({run.device for run in runs})
    return [Player([run for run in runs if run.device == name], begin, end, speed, repeat) for name in names]


def _show(group: Samples, row: int, names: Iterable[str], put: Put) -> None:
    """Put the good values of a row; the others stay as they were, as a device's do."""
    for name in names:
        if not (group.quality[name][row] == GOOD).all():
            continue
        values = group.raw[name] if is_whole(group.meta[name]) else group[name]
        put(name, values[row].tolist())


def _map_of(groups: list[Samples]) -> Map:
    """What of the recording can be played: a value needs its scale factor, which may have been left out."""
    tags = {name: tag for group in groups for name, tag in group.meta.items()}
    for name in [tag.name for tag in tags.values() if tag.scale_from and tag.scale_from not in tags]:
        log.warning("%s is not played back: its scale factor %s was not recorded", name, tags[name].scale_from)
        del tags[name]
    return Map(groups[0].device, tuple(tag.replace(group="", after="") for tag in tags.values()))


def _changing(group: Samples, map: Map) -> list[str]:
    """The columns of a group that are played, scale factors first: other values are put with their help."""
    return sorted((name for name in group.meta if name in map), key=lambda name: bool(map[name].scale_from))
