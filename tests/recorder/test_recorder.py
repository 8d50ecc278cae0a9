"""The recorder: what it was given is in the folder once, whatever happens in between."""

import logging

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.plan import ReadPlan
from fastmodbus.quality import Quality
from fastmodbus.recorder import Recorder, load
from fastmodbus.recorder.folder import Folder
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder
from made_rows import ANCHOR, TAGS, made

pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyarrow.parquet")

DAY = 86_400_000_000_000


def chunks(count, rows=10, **how):
    """So many chunks that follow each other."""
    return [made(rows, first=number * rows, failed={number * rows: Quality.TIMEOUT}, **how) for number in range(count)]


def same(one, other):
    assert one.row.tolist() == other.row.tolist()
    for name in other:
        np.testing.assert_array_equal(one[name], other[name])
    for name in other.quality:
        np.testing.assert_array_equal(one.quality[name], other.quality[name])


def journals(path):
    return Folder(path).journals()


def test_what_was_written_is_loaded(tmp_path):
    written = chunks(5)
    with Recorder(tmp_path) as recorder:
        for chunk in written:
            recorder.write(chunk)
            same(load(tmp_path).isel(slice(-10, None)), chunk)
        assert len(journals(tmp_path)) == 1
    assert journals(tmp_path) == []
    assert [path.relative_to(tmp_path).as_posix() for path in Folder(tmp_path).parquets()] == [
        "device=meter/group=fast/day=2026-09-21/20260921T141320.000000000Z.parquet"
    ]
    same(load(tmp_path), fm.concat(written))
    assert (recorder.stats.rows, recorder.stats.files, recorder.stats.dropped) == (50, 1, 0)
    assert recorder.stats.qualities["meter", Quality.TIMEOUT] == 5 * 15
    assert recorder.stats.values == 50 * 15


def test_devices_and_groups_are_kept_apart(tmp_path):
    names = [("a", "fast"), ("a", ""), ("b.c/d", "fast"), ("10.0.0.5:502", "ü =%")]
    with Recorder(tmp_path) as recorder:
        for device, group in names:
            recorder.write(made(3, device=device, group=group))
    found = load(tmp_path)
    assert sorted(found) == sorted(names)
    assert {(one.device, one.group) for one in found.values()} == set(names)
    assert load(tmp_path, device="a", group="").rows == 3
    assert set(load(tmp_path, device="a")) == {("a", "fast"), ("a", "")}
    with pytest.raises(fm.RecorderError, match="device 'x'"):
        load(tmp_path, device="x")


@pytest.mark.parametrize("more", [(), ("day_", "DAY__")])
def test_tags_called_like_a_partition_are_renamed_in_files(tmp_path, more):
    """Readers take the names of the folders for columns; one of the file must not hide them, or be hidden."""
    names = ["day", "Device", "group", *more]
    tags = [Tag(name, f"hr{2 * number}") for number, name in enumerate(names)]
    written = made(4, tags=tags, failed={2: Quality.TIMEOUT})
    with Recorder(tmp_path) as recorder:
        recorder.write(written)
        same(load(tmp_path), written)
    same(load(tmp_path), written)
    (file,) = Folder(tmp_path).parquets()
    renamed = ["day___" if more else "day_", "Device_", "group_", *more]
    assert pyarrow.parquet.read_schema(file).names == ["time", *renamed, "_row", "_quality"]
    table = pyarrow.parquet.read_table(tmp_path, partitioning="hive")
    assert table.column("device").to_pylist() == ["meter"] * 4
    assert table.column(renamed[0]).to_pylist() == [*written.raw["day"][:2].tolist(), None, written.raw["day"][3]]


def test_load_takes_a_time(tmp_path):
    with Recorder(tmp_path) as recorder:
        for chunk in chunks(3):
            recorder.write(chunk)
        open_ended = load(tmp_path, "2026-09-21T14:13:21", "2026-09-21T14:13:22")
        assert open_ended.row.tolist() == list(range(10, 20))
    assert load(tmp_path, "2026-09-21T14:13:21", "2026-09-21T14:13:22").row.tolist() == list(range(10, 20))
    assert load(tmp_path, "2026-09-21T14:13:22.5").row.tolist() == list(range(25, 30))
    assert load(tmp_path, stop="2026-09-21T14:13:20.1").row.tolist() == [0]


def test_nothing_to_load_is_said(tmp_path):
    with pytest.raises(fm.RecorderError, match="no recording is there"):
        load(tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"something else")
    with pytest.raises(fm.RecorderError, match=r"x\.parquet"):
        load(tmp_path / "x.parquet")


def test_one_parquet_file_is_loaded(tmp_path):
    made(4).to_parquet(tmp_path / "run.parquet")
    same(load(tmp_path / "run.parquet"), made(4))


def test_a_journal_ends_where_the_day_the_clock_or_the_plan_changes(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.write(made(10, start=DAY - ANCHOR % DAY - 450_000_000))
        recorder.write(made(5, first=10, anchor=ANCHOR + DAY + 7))
        recorder.write(made(5, first=15, anchor=ANCHOR + DAY + 7, tags=TAGS[:3]))
    files = Folder(tmp_path).parquets()
    assert [path.parent.name for path in files] == [
        "day=2026-09-21",
        "day=2026-09-22",
        "day=2026-09-22",
        "day=2026-09-22",
    ]
    assert load(tmp_path).row.tolist() == list(range(20))


def test_a_plan_that_was_refined_begins_a_file(tmp_path):
    plan = ReadPlan(TAGS)
    with Recorder(tmp_path) as recorder:
        recorder.write(made(2, decoder=Decoder(plan)))
        recorder.write(made(2, first=2, decoder=Decoder(plan)))
        recorder.write(made(2, first=4, decoder=Decoder(plan.split(plan.reads[-1]))))
    assert len(Folder(tmp_path).parquets()) == 2
    same(load(tmp_path), made(6))


def test_tags_that_come_and_go_are_suspended_meanwhile(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.write(made(2, tags=TAGS[:3]))
        recorder.write(made(2, first=2, tags=TAGS[1:], period=0.2))
    run = load(tmp_path)
    assert run.period == 0.2
    assert run.quality["voltage"].tolist() == [0, 0, Quality.SUSPENDED, Quality.SUSPENDED]
    assert run.quality["state"].tolist() == [Quality.SUSPENDED, Quality.SUSPENDED, 0, 0]
    assert np.isnan(run["voltage"]).tolist() == [False, False, True, True]
    assert run["serial"].tolist() == ["", "", "No02", "No03"]
    assert run.quality["power"].tolist() == [0] * 4


def test_a_tag_that_became_something_else_is_refused(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.write(made(2, tags=[fm.Tag("x", "hr0")]))
        recorder.write(made(2, first=2, tags=[fm.Tag("x", "hr0:str4")]))
    with pytest.raises(fm.RecorderError, match="'x' became something else"):
        load(tmp_path)
    assert load(tmp_path, stop="2026-09-21T14:13:20.2").rows == 2


def test_rotation_by_time_and_by_size(tmp_path, monkeypatch):
    with Recorder(tmp_path, rotate=1e-9) as recorder:
        for chunk in chunks(3):
            recorder.write(chunk)
    assert len(Folder(tmp_path).parquets()) == 3
    same(load(tmp_path), fm.concat(chunks(3)))
    monkeypatch.setattr("fastmodbus.recorder.recorder.LARGEST", 30_000)
    with Recorder(tmp_path / "sizes") as recorder:
        for chunk in chunks(20):
            recorder.write(chunk)
    assert 2 <= len(Folder(tmp_path / "sizes").parquets()) <= 10
    same(load(tmp_path / "sizes"), fm.concat(chunks(20)))


def test_rows_that_were_dropped_are_counted_and_marked(tmp_path, caplog):
    with Recorder(tmp_path) as recorder:
        recorder.write(made(5))
        with caplog.at_level(logging.ERROR, "fastmodbus"):
            recorder.write(made(5, first=12))
    assert recorder.stats.dropped == 7
    assert "meter fast: 7 rows were dropped" in caplog.text
    run = load(tmp_path)
    assert run.row.tolist() == [*range(5), *range(12, 17)]
    assert run.stats.dropped == 7
    assert len(Folder(tmp_path).parquets()) == 2


def test_rows_without_any_are_nothing(tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.write(made(0))
        assert journals(tmp_path) == []


def test_a_second_recorder_is_refused(tmp_path):
    with Recorder(tmp_path), pytest.raises(fm.RecorderError, match=r"recorded to already, by process \d+ since 2"):
        Recorder(tmp_path)
    Recorder(tmp_path).close()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(fm.RecorderError, match="cannot be a recording's folder"):
        Recorder(tmp_path / "file")


@pytest.mark.parametrize("tags", [TAGS, tuple(tag for tag in TAGS if tag.name != "serial")], ids=len)
def test_chunks_of_any_length_good_and_bad_are_rotated_in_order(tmp_path, tags):
    """Alike messages are read many at a time; what comes out is what went in."""
    dice, written, first = np.random.default_rng(3), [], 0
    with Recorder(tmp_path) as recorder:
        for number in range(120):
            rows = int(dice.choice([1, 4, 4, 4, 10]))
            failed = {first: Quality.LINK} if number % 10 == 3 else {}
            written.append(made(rows, first=first, tags=tags, failed=failed))
            recorder.write(written[-1])
            first += rows
        meanwhile = load(tmp_path)
    same(meanwhile, fm.concat(written))
    same(load(tmp_path), fm.concat(written))
    assert recorder.stats.qualities == {("meter", quality): count for quality, count in meanwhile.qualities.items()}
