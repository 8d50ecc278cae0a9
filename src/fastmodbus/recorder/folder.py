"""A recording's folder: what is called how, what survives a power loss, and that one recorder at a time writes to it.

    _lock, _recorder.log                                     one recorder's
    _journal/NAME.arrows, NAME.sums                          rows as they come; see `journal`
    device=D/group=G/day=2026-11-21/NAME.parquet             what was rotated

Everything that is no Parquet file begins with an underscore: readers of partitioned folders leave it out. Names are
quoted as in URLs, which these readers undo.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import numpy as np

from ..errors import RecorderError

LOCK, LOG, JOURNAL = "_lock", "_recorder.log", "_journal"
ROWS, SUMS, PARQUET = ".arrows", ".sums", ".parquet"
UNNAMED = "default"  # a group without a name
PARTITIONS = ("device", "group", "day")  # columns, to readers, which no column of a file may hide
WRITING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Folder:
    """The places in a recording's folder.

    Parameters
    ----------
    path : str or path
        Need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.journal = self.path / JOURNAL
        self.log = self.path / LOG

    def make(self) -> Self:
        """Make the folder.

        Raises
        ------
        RecorderError
            It cannot be made, or is something else.
        """
        try:
            self.journal.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise recorder_error(f"{self.path} cannot be a recording's folder: {error}", error) from error
        return self

    def journals(self) -> list[Path]:
        """The journals there are, the oldest first."""
        return sorted(self.journal.glob(f"*{ROWS}"), key=lambda path: path.name.rpartition("@")[2])

    def journal_name(self, device: str, group: str, first: np.datetime64, number: int) -> Path:
        """Where the rows of a device and group from an instant on go; ``number`` tells rivals apart."""
        name = f"{_quoted(device)}.{_quoted(group)}@{_stamp(first)}{f'-{number}' if number else ''}"
        return self.journal / f"{name}{ROWS}"

    def parquet_name(self, journal: Path, device: str, group: str, first: np.datetime64) -> Path:
        """Where a journal's rows go when it is rotated."""
        partition = self.path / f"device={_quoted(device)}" / f"group={_quoted(group)}" / f"day={day_of(first)}"
        return partition / f"{journal.stem.rpartition('@')[2]}{PARQUET}"

    def parquets(self, device: str | None = None, group: str | None = None) -> list[Path]:
        """The Parquet files of a device and a group, or of all, in the order of their names."""
        parts = [
            f"device={'*' if device is None else _quoted(device)}",
            f"group={'*' if group is None else _quoted(group)}",
        ]
        found = self.path.glob("/".join([*parts, "day=*", f"*{PARQUET}"]))
        return sorted(found, key=lambda path: (path.parent.parent, path.name))


def column_names(tags: Collection[str]) -> dict[str, str]:
    """The names in files of those tags whose own would hide a partition; SQL does not tell capitals from small ones."""
    taken = {name.lower() for name in (*tags, *PARTITIONS)}
    found: dict[str, str] = {}
    for tag in tags:
        name = tag
        while tag.lower() in PARTITIONS and name.lower() in taken:
            name += "_"
        if name != tag:
            taken.add(name.lower())
            found[tag] = name
    return found


def _quoted(name: str) -> str:
    return quote(name, safe=" ").replace(".", "%2E") or UNNAMED


def _stamp(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "ns")).replace("-", "").replace(":", "") + "Z"


def day_of(time: np.datetime64) -> str:
    """The day of an instant, UTC: 2026-11-21."""
    return str(np.datetime_as_string(time, "D"))


def recorder_error(message: str, cause: OSError | None = None) -> RecorderError:
    """A RecorderError with the number of what caused it."""
    error = RecorderError(message)
    error.errno = None if cause is None else cause.errno
    return error


# ------------------------------------------------------------------------------------------------ what survives


def sync_file(descriptor: int) -> None:
    """Let what was written to a file survive a power loss."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync leaves it in the drive's own memory there
    else:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Let the names in a folder survive a power loss."""
    if sys.platform == "win32":
        return  # it has no such call; names are journalled there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make a folder and those above it, so that they survive a power loss."""
    if path.is_dir():
        return
    make_folders(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def write_all(descriptor: int, data: Any) -> None:
    """Write everything, or raise the OSError that stopped it."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


# ------------------------------------------------------------------------------------------------ one at a time


@contextlib.contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Keep other recorders away. The system gives the lock back when the process ends, however it does.

    Raises
    ------
    RecorderError
        Another recorder is at work there; the message says which.
    """
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open(folder.path / LOCK, "a+", encoding="utf-8"))
        except OSError as error:
            raise recorder_error(f"{folder.path}: {error}", error) from error
        if not _lock(file):
            raise recorder_error(f"{folder.path} is being recorded to already{_who(file)}; end that, or choose another")
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        file.flush()
        yield


def _lock(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 30)  # beyond the text, which others may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _who(file: IO[str]) -> str:
    file.seek(0)
    try:
        found = json.loads(file.read())
        return f", by process {found['process']} since {found['since']}"
    except (ValueError, KeyError):
        return ""
