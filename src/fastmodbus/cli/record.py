"""``fastmodbus record``: a device or a plant to disk until SIGTERM or Ctrl-C, with a line that says how it goes."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastmodbus import options
from fastmodbus.client import Client, connect
from fastmodbus.errors import RecorderError
from fastmodbus.plant import open_plant
from fastmodbus.quality import Quality
from fastmodbus.recorder import Recording, RecordStats
from fastmodbus.recorder.folder import LOG

from . import terminal
from .device import set_up_log
from .named import load, wanted_tags
from .outcome import reading_the_command

if TYPE_CHECKING:
    from .line import Line

_LOG_SIZE, _LOGS = 1 << 20, 4


def record(
    where: str, texts: Sequence[str], line: Line, map: str | None, every: str | None, out: str, settings: dict[str, Any]
) -> None:
    """Record until it is over, SIGTERM, or Ctrl-C, which is raised."""
    set_up_log(line.trace)
    with ExitStack() as held:
        with reading_the_command():
            source, tags = _source(where, texts, line, map, held)
            recording = Recording(source, out, tags=tags, every=every, **settings)
        held.enter_context(recording)
        _log_to(Path(out) / LOG, held)
        signal.signal(signal.SIGTERM, lambda number, frame: recording.stop())
        print(f"recording to {out}", flush=True)
        _watch(recording)
    print(_summary(recording.stats))
    if recording.stats.dropped:
        raise RecorderError(f"{recording.stats.dropped} rows were lost; the last error was: {recording.stats.error}")


def _source(where: str, texts: Sequence[str], line: Line, map: str | None, held: ExitStack) -> tuple[Any, Any]:
    """What is recorded, and which of its tags; None for what its map says."""
    if Path(where).suffix == ".toml":
        return held.enter_context(open_plant(where)), None
    device, target = load(map), options.parse_url(where)
    given = target.options.given() | {name: value for name, value in line.options().items() if value is not None}
    client = (
        connect(where, map=device) if target.scheme == "sim" else Client(target.host, target.port, map=device, **given)
    )
    return held.enter_context(client), wanted_tags(texts, device) if texts else None


def _log_to(path: Path, held: ExitStack) -> None:
    """Keep what is logged, in files that do not grow for ever; a full disk is not worth a word here."""
    handler = RotatingFileHandler(path, maxBytes=_LOG_SIZE, backupCount=_LOGS, encoding="utf-8", delay=True)
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("fastmodbus")
    log.addHandler(handler)
    log.setLevel(min(log.level or logging.INFO, logging.INFO))
    held.callback(handler.close)
    held.callback(log.removeHandler, handler)


def _watch(recording: Recording) -> None:
    """Wait for the end; on a terminal, show how it goes."""
    rate = terminal.Rate(0)
    terminal.wait(recording.wait, lambda: f"{rate.of(recording.stats.rows):,.0f} rows/s; {_summary(recording.stats)}")


def _summary(stats: RecordStats) -> str:
    good = sum(count for (_, quality), count in stats.qualities.items() if quality == Quality.GOOD)
    share = f"{100 * good / stats.values:.2f} % of {stats.values:,} values good" if stats.values else "no values"
    parts = [f"{stats.rows:,} rows, {share}", f"{stats.bytes / 1e6:,.1f} MB, {stats.files} files"]
    parts += [f"{stats.dropped} rows dropped"] if stats.dropped else []
    parts += [f"paused: {stats.error}"] if stats.paused else []
    return "; ".join(parts)
