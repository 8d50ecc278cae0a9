"""A journal: rows of one device and group as they come, an Arrow IPC stream that only grows.

Beside it is a file of sums: after each message of the stream, its end and the CRC-32 of everything up to there. What no
sum vouches for was being written when the process or the power went, and does not count. So every row that is read back
is one that was written in full, and whoever reads while it is being written sees whole messages.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import numpy as np

from ..samples import Samples
from ..samples.arrow import schema_of
from ..samples.messages import merged, message_of
from .folder import SUMS, WRITING, Folder, column_names, sync_file, sync_folder, write_all

if TYPE_CHECKING:
    import pyarrow

FORMAT = "fastmodbus-journal/1"
_SUM = struct.Struct("<QI")  # where a message ends, CRC-32 up to there


class Journal:
    """A journal that is being written.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    rows : int
    opened : float
        On the monotonic clock.
    """

    def __init__(self, folder: Folder, first: Samples, dropped: int) -> None:
        """Begin with the layout and anchor of some rows, which are not written yet; OSError if that cannot be."""
        self._folder, self._kind = folder, kind_of(first)
        names = column_names([tag.name for tag in first.layout.tags])
        self.schema = schema_of(first, names, journal=str(uuid4()), journal_format=FORMAT, dropped=dropped)
        self.rows = self.size = self._crc = self._sums_size = 0
        self.opened = time.monotonic()
        self._unsynced, self._named = False, False
        self.path, self._rows, self._sums = _create(folder, first)
        try:
            self._put(self.schema.serialize())
        except OSError:
            self.close()
            remove(self.path)
            raise

    def takes(self, samples: Samples) -> bool:
        """Whether these rows go on where this journal is."""
        return kind_of(samples) == self._kind

    def append(self, samples: Samples) -> None:
        """Write rows. After an OSError the journal is as it was before, or `usable` is false."""
        self._put(message_of(samples, self.schema))
        self.rows += samples.rows

    @property
    def usable(self) -> bool:
        """Whether more can be appended."""
        return self._rows >= 0

    def _put(self, message: Any) -> None:
        crc, size = zlib.crc32(message, self._crc), self.size + message.size
        try:
            write_all(self._rows, message)
            write_all(self._sums, _SUM.pack(size, crc))
        except OSError:
            self._take_back()
            raise
        self._crc, self.size, self._unsynced = crc, size, True
        self._sums_size += _SUM.size

    def _take_back(self) -> None:
        """Cut off what was written in part; where even that fails, nothing more can be appended."""
        try:
            os.ftruncate(self._sums, self._sums_size)
            os.ftruncate(self._rows, self.size)
        except OSError:
            self.close()

    def sync(self) -> None:
        """Let what was written survive a power loss."""
        if not self._unsynced or not self.usable:
            return
        sync_file(self._rows)
        sync_file(self._sums)
        if not self._named:
            sync_folder(self._folder.journal)
            self._named = True
        self._unsynced = False

    def close(self) -> None:
        """End it. What was written stays."""
        for descriptor in (self._rows, self._sums):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._rows = self._sums = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kind_of(samples: Samples) -> tuple[object, ...]:
    """What all rows of a journal have in common: whose they are, columns, plan, anchor and day."""
    day, layout = samples["time"][0].astype("M8[D]"), samples.layout
    return samples.device, samples.group, samples.period, layout.tags, layout.requests, int(samples.anchor[0]), day


def _create(folder: Folder, first: Samples) -> tuple[Path, int, int]:
    """A new pair of files, and their descriptors."""
    number = 0
    while True:
        path = folder.journal_name(first.device, first.group, first["time"][0], number)
        try:
            rows = os.open(path, WRITING, 0o666)
            break
        except FileExistsError:
            number += 1
    try:
        return path, rows, os.open(path.with_suffix(SUMS), WRITING, 0o666)
    except OSError:
        os.close(rows)
        path.unlink()
        raise


def remove(path: Path) -> None:
    """Remove a journal and its sums."""
    path.unlink(missing_ok=True)
    path.with_suffix(SUMS).unlink(missing_ok=True)


def read_journal(path: Path) -> pyarrow.RecordBatchReader | None:
    """The rows of a journal that its sums vouch for; None where there are none, or it is gone."""
    import pyarrow as pa

    data, ends = _kept(path)
    return pa.ipc.open_stream(data.slice(0, ends[-1])) if len(ends) > 1 else None


def read_at_once(path: Path, most: Callable[[pyarrow.Schema], int]) -> Iterator[pyarrow.RecordBatch]:
    """The same rows, but in few batches, of ``most`` rows at most if they were not written so."""
    import pyarrow as pa

    data, ends = _kept(path)
    if len(ends) < 2:
        return
    schema, content = pa.ipc.read_schema(data.slice(0, ends[0])), np.frombuffer(data, np.uint8)
    sizes = np.diff(ends)
    changes = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    for first, end in pairwise(changes):
        messages = content[ends[first] : ends[end]].reshape(end - first, sizes[first])
        yield from merged(messages, schema, most(schema))


def _kept(path: Path) -> tuple[pyarrow.Buffer, list[int]]:
    """A journal's bytes, and the ends of the messages that its sums vouch for: the schema, then rows."""
    import pyarrow as pa

    try:
        sums = path.with_suffix(SUMS).read_bytes()
        with open(path, "rb") as file:
            data = pa.py_buffer(_mapped(file.fileno()))
    except (FileNotFoundError, ValueError):
        return None, []
    return data, list(_vouched(sums, data))


def _mapped(descriptor: int) -> memoryview:
    """A file's contents without reading them; ValueError if it is empty."""
    import mmap

    return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))


def _vouched(sums: bytes, data: pyarrow.Buffer) -> Iterator[int]:
    """Where messages end, as far as the sums are right."""
    crc = good = 0
    view = memoryview(data)
    for end, expected in _SUM.iter_unpack(sums[: len(sums) // _SUM.size * _SUM.size]):
        if not good < end <= data.size:
            return
        crc = zlib.crc32(view[good:end], crc)
        if crc != expected:
            return
        yield end
        good = end
