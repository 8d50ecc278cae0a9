"""From finished journals to Parquet files, so that at every moment each row is in one of them, and counts once.

A Parquet file is written under another name, synced, and renamed; only then does its journal go. A journal found beside
the Parquet file that came of it is a leftover of that last step: both carry the same identity in their metadata.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..samples.arrow import TIME, about_of, parquet_options
from .folder import PARQUET, SUMS, Folder, make_folders, sync_file, sync_folder
from .journal import read_at_once, remove
from .stats import RecordStats

if TYPE_CHECKING:
    import pyarrow

log = logging.getLogger("fastmodbus")

PARTIAL = ".partial"
GROUP_VALUES = 8_000_000  # of a row group: what is in memory while a file is written, and what a reader fetches at once
PATIENCE = 5.0  # seconds until what the disk refused is tried again


def journal_identity(schema: pyarrow.Schema) -> str:
    """Which journal rows were first written to."""
    return str(about_of(schema)["journal"])


def rotate(folder: Folder, journal: Path, compression: str) -> Path | None:
    """Turn a journal into a Parquet file; None if it had no rows. Where the disk refuses, OSError, and all stays."""
    rows = read_at_once(journal, _enough)
    first = next(rows, None)
    if first is None:
        remove(journal)
        return None
    partial = journal.with_suffix(PARTIAL)
    try:
        target, there = _target(folder, journal, first)
        if not there:
            _write(partial, rows, first, compression)
            make_folders(target.parent)
            partial.replace(target)
        sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    del rows, first  # they map the journal
    remove(journal)
    return target


def _target(folder: Folder, journal: Path, first: pyarrow.RecordBatch) -> tuple[Path, bool]:
    """Where the rows go, and whether they are there already."""
    from pyarrow import parquet

    about = about_of(first.schema)
    time = np.datetime64(first.column(TIME)[0].value, "ns")
    start = folder.parquet_name(journal, about["device"], about["group"], time)
    number, target = 0, start
    while target.exists():
        if journal_identity(parquet.read_schema(target)) == about["journal"]:
            return target, True
        number += 1
        target = start.with_name(f"{start.stem}-{number}{PARQUET}")
    return target, False


def _enough(schema: pyarrow.Schema) -> int:
    """Rows of a row group."""
    return max(1000, GROUP_VALUES // len(schema))


def _write(path: Path, more: Iterator[pyarrow.RecordBatch], first: pyarrow.RecordBatch, compression: str) -> None:
    from pyarrow import parquet

    enough = _enough(first.schema)
    with open(path, "wb") as file:
        with parquet.ParquetWriter(file, first.schema, **parquet_options(first.schema, compression)) as writer:
            group, rows = [first], first.num_rows
            for batch in more:
                if rows + batch.num_rows > enough:
                    _put(writer, group)
                    group, rows = [], 0
                group.append(batch)
                rows += batch.num_rows
            _put(writer, group)
        file.flush()
        sync_file(file.fileno())


def _put(writer: Any, group: list[pyarrow.RecordBatch]) -> None:
    """Write a row group."""
    import pyarrow as pa

    writer.write_table(pa.Table.from_batches(group).combine_chunks())


class Rotator:
    """A thread that rotates journals in the background, and again where the disk refuses."""

    def __init__(self, folder: Folder, compression: str, stats: RecordStats) -> None:
        self._folder, self._compression, self._stats = folder, compression, stats
        self._waiting: deque[Path] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="fastmodbus-rotation", daemon=True)

    def start(self) -> None:
        """Clear up after a recorder that did not end as it should, and begin."""
        for leftover in (*self._folder.journal.glob(f"*{PARTIAL}"), *self._folder.journal.glob(f"*{SUMS}")):
            if leftover.suffix == PARTIAL or not leftover.with_suffix(".arrows").exists():
                leftover.unlink(missing_ok=True)
        found = self._folder.journals()
        if found:
            log.warning("%s: %d unfinished journals of an earlier recording are kept", self._folder.path, len(found))
        self._waiting.extend(found)
        self._thread.start()

    def put(self, journal: Path) -> None:
        """Take a journal that is finished."""
        with self._changed:
            self._waiting.append(journal)
            self._changed.notify()

    def close(self) -> None:
        """Rotate what is left; what the disk refuses stays a journal, for the next recorder."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                if not self._waiting:
                    return
                journal = self._waiting.popleft()
            if self._rotated(journal):
                continue
            with self._changed:
                self._waiting.appendleft(journal)
                if self._ending:
                    return
                self._changed.wait_for(lambda: self._ending, PATIENCE)

    def _rotated(self, journal: Path) -> bool:
        try:
            target = rotate(self._folder, journal, self._compression)
        except OSError as error:
            self._stats.refused("rotation", error)
            return False
        except ValueError as error:  # of a later version, say
            log.error("%s cannot be rotated and stays: %s", journal, error)
            return True
        self._stats.rotated(target)
        return True
