"""``fm.load``: a recording as Samples, also while it is being recorded."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..samples import Samples, concat
from ..samples.arrow import TIME, from_table
from ..samples.fitting import fitted
from ..samples.table import Instant, instant
from .folder import Folder, recorder_error
from .journal import read_journal
from .rotation import journal_identity

if TYPE_CHECKING:
    import pyarrow

Key = tuple[str, str]


def load(
    path: str | PathLike[str],
    start: Instant | None = None,
    stop: Instant | None = None,
    *,
    device: str | None = None,
    group: str | None = None,
) -> Samples | dict[Key, Samples]:
    """Read a recording, or a Parquet file that `Samples.to_parquet` wrote.

    Parameters
    ----------
    path : str or path
        The folder of a recording, which may be going on: every row is there once. Or a Parquet file.
    start, stop : str, datetime or numpy.datetime64, optional
        Rows from ``start`` on and before ``stop``: ISO text or a datetime, UTC where it names no zone.
    device, group : str, optional
        Only of this device, this group.

    Returns
    -------
    Samples, or dict of (device, group) to Samples
        Samples where one device and group is left, without rows if it has none of that time. Tags that were added or
        left out during a recording are SUSPENDED where they were not recorded.

    Raises
    ------
    RecorderError
        There is nothing to read, or it is no recording.
    """
    since = None if start is None else instant("start", start)
    before = None if stop is None else instant("stop", stop)
    place = Path(path)
    try:
        tables = _file(place) if place.is_file() else _tables(Folder(place), since, before, device, group)
        parts: dict[Key, list[Samples]] = {}
        for table in tables:
            one = from_table(_between(table, since, before))
            if device in (None, one.device) and group in (None, one.group):
                parts.setdefault((one.device, one.group), []).append(one)
        found = {key: _joined(ones) for key, ones in sorted(parts.items())}
    except (OSError, ValueError) as error:
        raise recorder_error(f"{path}: {error}", error if isinstance(error, OSError) else None) from error
    if not parts:
        raise recorder_error(f"{path}: no recording{_of(device, group)} is there")
    return next(iter(found.values())) if len(found) == 1 else found


def _of(device: str | None, group: str | None) -> str:
    named = [f"{what} {name!r}" for what, name in (("device", device), ("group", group)) if name is not None]
    return f" of {' and '.join(named)}" if named else ""


def _tables(
    folder: Folder, since: np.datetime64 | None, before: np.datetime64 | None, device: str | None, group: str | None
) -> Iterator[pyarrow.Table]:
    """Everything that may have rows of that time, the other files without rows.

    The journals are read first: one that becomes a Parquet file meanwhile is found as either, or as both, and then the
    Parquet file counts.
    """
    from pyarrow import parquet

    journals = dict(_journals(folder))
    for path in folder.parquets(device, group):
        day = np.datetime64(path.parent.name.partition("=")[2])
        within = (since is None or day >= since.astype("M8[D]")) and (before is None or day <= before.astype("M8[D]"))
        table = parquet.ParquetFile(path).read() if within else parquet.read_schema(path).empty_table()
        journals.pop(journal_identity(table.schema), None)
        yield table
    yield from journals.values()


def _journals(folder: Folder) -> Iterator[tuple[str, pyarrow.Table]]:
    for path in folder.journals():
        reader = read_journal(path)
        if reader is not None:
            yield journal_identity(reader.schema), reader.read_all()


def _file(path: Path) -> Iterator[pyarrow.Table]:
    from pyarrow import parquet

    yield parquet.ParquetFile(path).read()


def _between(table: pyarrow.Table, since: np.datetime64 | None, before: np.datetime64 | None) -> pyarrow.Table:
    time = table.column(TIME).cast("int64").to_numpy().view("M8[ns]")
    within = np.ones(len(time), bool)
    if since is not None:
        within &= time >= since
    if before is not None:
        within &= time < before
    return table if within.all() else table.filter(within)


def _joined(parts: list[Samples]) -> Samples:
    """The rows of one device and group in the order of time, though tags or the period may have changed."""
    with_rows = sorted((part for part in parts if part.rows), key=lambda part: part["time"][0])
    return concat(fitted(with_rows or parts[-1:]))
