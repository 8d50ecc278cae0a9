"""What is there after the process was killed, a write was torn, the power went, the disk was full."""

import contextlib
import errno
import os
import random
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.recorder import Recorder, load
from fastmodbus.recorder.folder import Folder
from fastmodbus.recorder.journal import read_journal
from fastmodbus.recorder.rotation import rotate
from made_rows import made
from recording_child import ROWS, killed_after, poll, record

pytest.importorskip("pyarrow")


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: processes cannot be forked here")


def check(run, rows):
    """The rows are these, and hold what was written."""
    assert run.row.tolist() == list(rows)
    expected = made(len(rows), first=rows[0]) if len(rows) else made(0)
    for name in expected:
        np.testing.assert_array_equal(run[name], expected[name])


# ------------------------------------------------------------------------------------------------ killed


def killed_again_and_again(folder, times, seed):
    """After each kill, `load` finds all that was confirmed, once; at the end all of it is in Parquet files."""
    chance = random.Random(seed)
    confirmed = 0
    for _ in range(times):
        rotate_after = chance.choice([0.01, 0.1, 3600])
        confirmed = killed_after(chance.randint(1, 15), record, str(folder), confirmed, rotate_after)[-1]
        run = load(folder)
        assert confirmed <= run.rows <= confirmed + ROWS, "what was confirmed is there, and at most the chunk after it"
        check(run, range(run.rows))
        confirmed = run.rows
    Recorder(folder).close()
    assert Folder(folder).journals() == []
    assert [path.name for path in Folder(folder).journal.iterdir()] == []
    check(load(folder), range(confirmed))


@needs_fork
def test_rows_survive_being_killed(tmp_path):
    killed_again_and_again(tmp_path, 25, seed=7)


@needs_fork
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_rows_survive_being_killed_hundreds_of_times(tmp_path, seed):
    killed_again_and_again(tmp_path, 40, seed)


def polled_and_killed(folder, times, seed):
    """What a device sent is what is there: it counts, so each value says when it was sent, and none may come twice."""
    chance, rows, newest = random.Random(seed), 0, 0
    with fm.Simulator() as device:
        counter = iter(range(1, 2**32))
        device["hr0:u32"] = lambda _: next(counter)
        for _ in range(times):
            chunks = chance.randint(1, 8)
            sent = killed_after(chunks, poll, str(folder), device.port, chance.choice([0.05, 3600]))
            rows, newest = rows + sum(count for count, _ in sent), max(newest, *(largest for _, largest in sent))
            run = load(folder)
            assert run.rows >= rows, "what was confirmed is there"
            rows = run.rows
            counts = run.raw["count"][run.ok["count"]]
            assert (np.diff(counts.astype(np.int64)) > 0).all(), "each value once, in the order in which they were sent"
            assert newest in counts or newest == 0, "0: no chunk had a good value yet"
            assert (np.diff(run["time"]) > np.timedelta64(0, "ns")).all()
            starts = np.flatnonzero(run.row == 0)
            assert (np.delete(np.diff(run.row), starts[1:] - 1) == 1).all(), "no gap but between two recordings"
    Recorder(folder).close()
    assert load(folder).rows == rows
    assert list(Folder(folder).journal.iterdir()) == []


@needs_fork
def test_what_a_device_sent_survives_being_killed(tmp_path):
    polled_and_killed(tmp_path, 8, seed=3)


@needs_fork
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_what_a_device_sent_survives_being_killed_hundreds_of_times(tmp_path, seed):
    polled_and_killed(tmp_path, 30, seed)


# ------------------------------------------------------------------------------------------------ torn


def journal_of(folder, chunks=4):
    """A journal that nobody closed, as a killed recorder leaves it: written, then put back."""
    recorder = Recorder(folder)
    for number in range(chunks):
        recorder.write(made(5, first=5 * number))
    (path,) = Folder(folder).journals()
    kept = {file: file.read_bytes() for file in (path, path.with_suffix(".sums"))}
    recorder.close()
    shutil.rmtree(Folder(folder).path / "device=meter")
    for file, content in kept.items():
        file.write_bytes(content)
    return path


def rows_of(path):
    reader = read_journal(path)
    return 0 if reader is None else reader.read_all().num_rows


def test_a_journal_cut_anywhere_has_the_rows_before_the_cut(tmp_path):
    path = journal_of(tmp_path)
    content, sums = path.read_bytes(), path.with_suffix(".sums").read_bytes()
    ends = [end for end, _ in struct.iter_unpack("<QI", sums)]
    assert ends[-1] == len(content)
    for cut in [0, 1, *(end + step for end in ends for step in (-1, 0, 1)), len(content) // 2]:
        path.write_bytes(content[:cut])
        whole = sum(end <= cut for end in ends)
        assert rows_of(path) == 5 * max(whole - 1, 0)
    path.write_bytes(content)
    for cut in range(len(sums) + 1):
        path.with_suffix(".sums").write_bytes(sums[:cut])
        assert rows_of(path) == 5 * max(cut // 12 - 1, 0)


def test_bytes_that_never_reached_the_disk_are_no_rows(tmp_path):
    path = journal_of(tmp_path)
    content, sums = path.read_bytes(), path.with_suffix(".sums").read_bytes()
    ends = [end for end, _ in struct.iter_unpack("<QI", sums)]
    path.write_bytes(content[: ends[2]] + bytes(len(content) - ends[2]))  # a page of zeros, as after a power loss
    assert rows_of(path) == 10
    for place in random.Random(3).sample(range(ends[1], len(content)), 50):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        assert rows_of(path) == 5 * (sum(end <= place for end in ends) - 1)


def test_what_is_vouched_for_is_recovered(tmp_path):
    path = journal_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    check(load(tmp_path), range(15))
    with Recorder(tmp_path) as recorder:
        recorder.write(made(5, first=15))
    check(load(tmp_path), range(20))
    assert recorder.stats.files == 2


def test_a_journal_without_rows_goes(tmp_path):
    path = journal_of(tmp_path)
    path.with_suffix(".sums").unlink()
    Recorder(tmp_path).close()
    assert list(Folder(tmp_path).journal.iterdir()) == []


@pytest.mark.parametrize("step", ["before the name", "before the journal goes", "before the sums go"])
def test_rotation_may_end_anywhere(tmp_path, step):
    path = journal_of(tmp_path)
    kept = {file: file.read_bytes() for file in (path, path.with_suffix(".sums"))}
    if step == "before the name":
        path.with_suffix(".partial").write_bytes(b"half of a file")
    else:
        rotate(Folder(tmp_path), path, "zstd")
        for file, content in kept.items():
            if step == "before the journal goes" or file.suffix == ".sums":
                file.write_bytes(content)
    check(load(tmp_path), range(20))
    Recorder(tmp_path).close()
    assert list(Folder(tmp_path).journal.iterdir()) == []
    check(load(tmp_path), range(20))
    assert len(Folder(tmp_path).parquets()) == 1


def test_another_file_of_that_name_stays(tmp_path):
    """Two journals that begin at the same instant, because the wall clock was set back."""
    for first in (0, 5):
        with Recorder(tmp_path) as recorder:
            recorder.write(made(5, first=first, start=-first * 100_000_000))
    assert [path.stem[-2:] for path in Folder(tmp_path).parquets()] == ["-1", "0Z"]
    assert sorted(load(tmp_path).row.tolist()) == list(range(10))


# ------------------------------------------------------------------------------------------------ no room


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("platform: only root can mount a file system")
    made_it = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made_it.returncode:
        pytest.skip(f"platform: no file system can be mounted here: {made_it.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk):
    """Leave no room."""
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def write_until_refused(recorder, first):
    """Write rows until the disk refuses; the first row of those that it refused, and the error."""
    for row in range(first, 100_000, 5):
        try:
            recorder.write(made(5, first=row))
        except fm.RecorderError as error:
            return row, error
    raise AssertionError("there was room for everything")


def test_a_full_disk_pauses_and_goes_on(small_disk, caplog):
    folder = small_disk / "data"
    with Recorder(folder) as recorder:
        recorder.write(made(5))
        fill(small_disk)
        first, error = write_until_refused(recorder, 5)
        assert error.errno == errno.ENOSPC
        assert "No space left" in str(error)
        assert recorder.stats.paused
        for _ in range(3):
            with pytest.raises(fm.RecorderError):
                recorder.retry()
        check(load(folder), range(first))
        (small_disk / "filler").unlink()
        recorder.retry()
        assert not recorder.stats.paused
        recorder.write(made(5, first=first + 5))
        check(load(folder), range(first + 10))
    check(load(folder), range(first + 10))
    assert recorder.stats.dropped == 0
    assert caplog.text.count("the journal is paused") == 1
    assert caplog.text.count("the journal goes on") == 1


def test_what_cannot_be_rotated_stays_a_journal(small_disk, caplog):
    folder = small_disk / "data"
    recorder = Recorder(folder)
    recorder.write(made(5))
    fill(small_disk)
    recorder.close()
    assert "the rotation is paused" in caplog.text
    check(load(folder), range(5))
    (small_disk / "filler").unlink()
    Recorder(folder).close()
    assert Folder(folder).journals() == []
    check(load(folder), range(5))


def test_a_disk_that_turns_read_only_pauses_and_goes_on(small_disk):
    folder = small_disk / "data"
    recorder = Recorder(folder)
    recorder.write(made(5))
    recorder._journals["meter", "fast"].close()  # nobody can remount a file system that has files open for writing
    recorder._held.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for _ in range(2):
        with pytest.raises(fm.RecorderError):
            recorder.write(made(5, first=5))
        recorder._pending.pop()
    with pytest.raises(fm.RecorderError, match="Read-only"):
        recorder.write(made(5, first=5))
    with pytest.raises(fm.RecorderError, match="Read-only"):
        Recorder(folder)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    recorder.retry()
    recorder.close()
    assert Folder(folder).journals() == []
    check(load(folder), range(10))


def test_rows_that_found_no_room_until_the_end_are_counted(small_disk):
    recorder = Recorder(small_disk / "data")
    recorder.write(made(5))
    fill(small_disk)
    with pytest.raises(fm.RecorderError):
        recorder.write(made(2000, first=5))
    recorder.close()
    assert recorder.stats.dropped == 2000
    check(load(small_disk / "data"), range(5))
