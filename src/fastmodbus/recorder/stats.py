"""What a recording is doing, in numbers. Any thread may read them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..quality import Quality
from ..samples import Samples

log = logging.getLogger("fastmodbus")


class RecordStats:
    """Counts of a recording.

    Attributes
    ----------
    rows, values : int
        Written, values as elements of all columns.
    bytes : int
        Written to journals.
    files : int
        Parquet files made.
    dropped : int
        Rows that were lost before they could be written: the disk refused for longer than the buffer holds.
    error : str
        What it said last; empty if it never refused.
    started : float
        Unix time.
    """

    def __init__(self) -> None:
        self.rows = self.values = self.bytes = self.files = self.dropped = 0
        self.error = ""
        self.started = time.time()
        self._lock = threading.Lock()
        self._qualities: Counter[tuple[str, int]] = Counter()
        self._refusing: set[str] = set()

    @property
    def paused(self) -> bool:
        """Whether the disk refuses rows now."""
        return "journal" in self._refusing

    @property
    def qualities(self) -> Mapping[tuple[str, Quality], int]:
        """How many values of each device have each quality."""
        with self._lock:
            return {(device, Quality(code)): count for (device, code), count in self._qualities.items()}

    def wrote(self, samples: Samples, size: int) -> None:
        """Count rows that are in a journal."""
        qualities = samples.qualities
        with self._lock:
            self.rows += samples.rows
            self.values += sum(qualities.values())
            self.bytes += size
            for quality, count in qualities.items():
                self._qualities[samples.device, int(quality)] += count
        self._allowed("journal")

    def lost(self, rows: int, device: str, group: str) -> None:
        """Count rows that were dropped."""
        with self._lock:
            self.dropped += rows
        log.error("%s %s: %d rows were dropped, which is more than the buffer holds", device, group, rows)

    def rotated(self, path: Path | None) -> None:
        """Count a Parquet file."""
        if path is not None:
            with self._lock:
                self.files += 1
        self._allowed("rotation")

    def refused(self, what: str, error: OSError) -> None:
        """Note that the disk refuses; logged once."""
        with self._lock:
            self.error = str(error)
            new = what not in self._refusing
            self._refusing.add(what)
        if new:
            log.error("the %s is paused: %s", what, error)

    def _allowed(self, what: str) -> None:
        with self._lock:
            new = what in self._refusing
            self._refusing.discard(what)
        if new:
            log.warning("the %s goes on", what)

    def __repr__(self) -> str:
        state = f", paused: {self.error}" if self.paused else ""
        return (
            f"<RecordStats: {self.rows} rows, {self.values} values, {self.bytes} bytes, {self.files} files, "
            f"{self.dropped} rows dropped{state}>"
        )
