"""The recorder: takes Samples of any devices and groups and has each in a journal before it returns."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from os import PathLike
from typing import Self

import numpy as np

from ..samples import Samples
from .folder import Folder, locked, recorder_error
from .journal import Journal
from .rotation import Rotator
from .stats import RecordStats

LARGEST = 128 << 20  # bytes of a journal
DAY = 86_400 * 10**9  # ns


class Recorder:
    """Writes Samples to a folder, which it has for itself.

    Parameters
    ----------
    path : str or path
        The folder. What an earlier recorder left unfinished is finished first, in the background.
    sync : float
        Seconds between two syncs: what a power loss can cost.
    rotate : float
        Seconds after which a journal becomes a Parquet file. It also does at 128 MB, at midnight UTC, and where the
        columns or the wall clock change.
    compression : str
        Of the Parquet files.

    Raises
    ------
    RecorderError
        The folder cannot be made, or another recorder is at work there.
    ModuleNotFoundError
        There is no pyarrow; ``pip install "fastmodbus[parquet]"`` brings it.
    """

    def __init__(
        self, path: str | PathLike[str], *, sync: float = 10.0, rotate: float = 3600.0, compression: str = "zstd"
    ) -> None:
        import pyarrow.parquet  # noqa: F401  # if it is not there, this is the time to say so

        self.stats = RecordStats()
        self._folder = Folder(path).make()
        self._sync, self._rotate = sync, rotate
        self._journals: dict[tuple[str, str], Journal] = {}
        self._next: dict[tuple[str, str], int] = {}
        self._pending: deque[Samples] = deque()
        self._synced = time.monotonic()
        self._held = ExitStack()
        self._held.enter_context(locked(self._folder))
        self._rotator = Rotator(self._folder, compression, self.stats)
        try:
            self._rotator.start()
        except BaseException:
            self._held.close()
            raise

    def write(self, samples: Samples) -> None:
        """Write rows to their journal.

        Raises
        ------
        RecorderError
            The disk refuses. The rows are kept; `retry` tries again.
        """
        self._pending.extend(_parts(samples))
        self.retry()

    def retry(self) -> None:
        """Write what the disk refused before."""
        try:
            while self._pending:
                self._append(self._pending[0])
                self._pending.popleft()
            self._keep_up()
        except OSError as error:
            self.stats.refused("journal", error)
            raise recorder_error(f"{self._folder.path}: {error}", error) from error

    def _append(self, samples: Samples) -> None:
        key = samples.device, samples.group
        journal = self._journals.get(key)
        gap = samples.first_row - self._next.get(key, samples.first_row)
        if journal is not None and (gap or not journal.takes(samples) or self._is_full(journal)):
            self._finish(key)
            journal = None
        if journal is None:
            journal = self._journals[key] = Journal(self._folder, samples, max(gap, 0))
        before = journal.size
        try:
            journal.append(samples)
        except OSError:
            if not journal.usable:
                self._finish(key)
            raise
        if gap > 0:
            self.stats.lost(gap, *key)
        self._next[key] = samples.first_row + samples.rows
        self.stats.wrote(samples, journal.size - before)

    def _is_full(self, journal: Journal) -> bool:
        return journal.size >= LARGEST or time.monotonic() - journal.opened >= self._rotate

    def _finish(self, key: tuple[str, str]) -> None:
        """Close a journal and hand it to the rotation."""
        journal = self._journals.pop(key)
        journal.close()
        self._rotator.put(journal.path)

    def _keep_up(self) -> None:
        """Finish journals that have been open long enough, and sync the others when it is time."""
        for key in [key for key, journal in self._journals.items() if self._is_full(journal)]:
            self._finish(key)
        if time.monotonic() - self._synced >= self._sync:
            self._synced = time.monotonic()
            for journal in self._journals.values():
                journal.sync()

    def close(self) -> None:
        """Finish all journals, and wait until they are rotated. What the disk refuses is there for the next recorder.

        Rows that could not be written until now are lost, and counted.
        """
        for samples in self._pending:
            self.stats.lost(samples.rows, samples.device, samples.group)
        self._pending.clear()
        for key in list(self._journals):
            self._finish(key)
        self._rotator.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _parts(samples: Samples) -> Iterator[Samples]:
    """Rows that go into one journal: of one day and one anchor, without a gap."""
    if not samples.rows:
        return
    day, anchor, row = samples["time"].view(np.int64) // DAY, samples.anchor, samples.row
    breaks = (day[1:] != day[:-1]) | (anchor[1:] != anchor[:-1]) | (row[1:] != row[:-1] + 1)
    cuts = [0, *(np.flatnonzero(breaks) + 1).tolist(), samples.rows]
    if len(cuts) == 2:
        yield samples
        return
    for start, stop in pairwise(cuts):
        yield samples.isel(slice(start, stop))
