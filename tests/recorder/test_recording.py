"""``fm.record`` and `Recording`: from real polls and from made-up chunks to a folder; how it pauses and ends."""

import errno
import os
import signal
import threading
import time
import urllib.request

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.quality import Quality
from fastmodbus.recorder import Recorder, load
from made_rows import made

pytest.importorskip("pyarrow")

PATIENCE = 30.0


def until(condition):
    """Wait for something that comes true in the end."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_whole(run):
    """Every row of the grid is there, once."""
    return (np.diff(run.row) == 1).all()


@pytest.fixture
def plc():
    """A client of a simulator with some values."""
    with fm.Simulator() as device, fm.connect(device.url, name="plc") as client:
        device["hr0:f32"] = 230.5
        device["hr2:i16"] = lambda seconds: int(seconds * 100) % 1000
        yield client


TAGS = {"voltage": "hr0:f32", "count": "hr2:i16"}


# ------------------------------------------------------------------------------------------------ sources


def test_a_client_is_recorded_for_some_time(plc, tmp_path):
    stats = fm.record(plc, tmp_path, tags=TAGS, every=0.02, flush=0.1, duration=1.0)
    run = load(tmp_path)
    assert isinstance(run, fm.Samples)
    assert run.device == "plc"
    assert run.rows == stats.rows > 0
    assert is_whole(run)
    assert set(run["voltage"][run.ok["voltage"]].tolist()) == {230.5}
    assert stats.files >= 1
    assert list((tmp_path / "_journal").iterdir()) == []
    assert plc.read("hr0:f32") == 230.5, "the client is its caller's again"


def test_a_poller_is_recorded_and_started_if_need_be(plc, tmp_path):
    poller = fm.Poller()
    poller.add(plc, TAGS, every=0.02)
    stats = fm.record(poller, tmp_path, flush=0.1, duration=0.5)
    assert stats.rows == load(tmp_path).rows > 0
    assert not poller.running
    poller.close()


def test_a_running_poller_goes_on(plc, tmp_path):
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every=0.02)
        fm.record(poller, tmp_path, flush=0.1, duration=0.5)
        assert poller.running
        seen = poller.stats["plc"].polls
        until(lambda: poller.stats["plc"].polls > seen)
    assert is_whole(load(tmp_path))


def test_recording_of_a_poller_that_goes_on_ends_when_it_is_told(plc, tmp_path):
    """Not with a next chunk, which may be an hour away; and with everything that was polled until then."""
    with fm.Poller(buffer="2h") as poller:
        poller.add(plc, TAGS, every=0.02)
        poller.add(plc, TAGS, every=3600, group="slow")
        with fm.Recording(poller, tmp_path, flush="1h") as recording:
            until(lambda: poller.stats["plc"].polls > 20)
            recording.stop()
            recording.stop()
            assert recording.wait(60)
        assert poller.running
    run = load(tmp_path, group="")
    assert run.rows == recording.stats.rows > 20
    assert is_whole(run)


def test_a_plant_is_recorded(tmp_path):
    (tmp_path / "meter.toml").write_text(
        """format = "fastmodbus-map/1"
        [groups]
        fast = "20ms"
        slow = "100ms"
        [[tag]]
        name = "voltage"
        address = "hr0:f32"
        group = "fast"
        [[tag]]
        name = "energy"
        address = "hr2:u32"
        group = "slow"
        """
    )
    with fm.Simulator(units=(1, 2)) as device:
        (tmp_path / "plant.toml").write_text(
            f"""format = "fastmodbus-plant/1"
            [[device]]
            name = "inv01"
            url = "{device.url}"
            map = "meter.toml"
            [[device]]
            name = "inv02"
            url = "{device.url}"
            unit = 2
            map = "meter.toml"
            groups = {{fast = "50ms"}}
            """
        )
        with fm.open_plant(tmp_path / "plant.toml") as plant:
            fm.record(plant, tmp_path / "data", flush=0.1, duration=1.0)
    found = load(tmp_path / "data")
    assert set(found) == {(name, group) for name in ("inv01", "inv02") for group in ("fast", "slow")}
    assert all(is_whole(run) for run in found.values())
    assert (found["inv01", "fast"].period, found["inv02", "fast"].period) == (0.02, 0.05)
    assert list(found["inv02", "slow"]) == ["time", "energy"]


def test_a_client_for_asyncio_is_recorded(tmp_path):
    with fm.Simulator() as device:
        client = fm.AsyncClient("127.0.0.1", device.port, name="plc")
        fm.record(client, tmp_path, tags=TAGS, every=0.02, flush=0.1, duration=0.5)
    assert is_whole(load(tmp_path))
    assert load(tmp_path).qualities[Quality.GOOD] > 0


def test_chunks_from_anywhere_are_recorded(tmp_path):
    seen = []
    stats = fm.record([made(3), made(4, first=3)], tmp_path, on_chunk=seen.append)
    assert stats.rows == 7
    assert [one.rows for one in seen] == [3, 4]
    assert load(tmp_path).row.tolist() == list(range(7))


def test_other_sources_are_refused(tmp_path):
    with pytest.raises(TypeError, match="a client, a poller, a plant, or Samples"):
        fm.record(7, tmp_path)
    with pytest.raises(ValueError, match="flush is 'soon'"):
        fm.record([], tmp_path, flush="soon")
    assert not (tmp_path / "_lock").exists()


def test_what_a_callback_raises_ends_it(tmp_path):
    def fail(_chunk):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fm.record([made(3), made(3, first=3)], tmp_path, on_chunk=fail)
    assert load(tmp_path).rows == 3
    Recorder(tmp_path).close()


# ------------------------------------------------------------------------------------------------ while it goes on


def test_it_can_be_read_meanwhile(plc, tmp_path):
    with fm.Recording(plc, tmp_path, tags=TAGS, every=0.01, flush=0.05, rotate=0.3) as recording:
        until(lambda: recording.stats.files >= 2)
        last = 0
        for _ in range(20):
            run = load(tmp_path)
            assert is_whole(run)
            assert run.rows >= last
            last = run.rows
    run = load(tmp_path)
    assert is_whole(run)
    assert run.rows == recording.stats.rows


def test_others_read_the_folder_meanwhile(plc, tmp_path):
    duckdb, pl = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    pd, dataset = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.dataset")
    with fm.Recording(plc, tmp_path, tags=TAGS, every=0.01, flush=0.05, rotate=0.2) as recording:
        until(lambda: recording.stats.files >= 3)
        for _ in range(3):
            least = recording.stats.files
            told = duckdb.sql(
                f"select count(*), count(distinct _row), min(device), min(filename) from "
                f"read_parquet('{tmp_path}/device=*/**/*.parquet', hive_partitioning=true, filename=true)"
            ).fetchall()[0]
            assert told[0] == told[1] >= least
            assert told[2] == "plc"
            frame = pl.scan_parquet(f"{tmp_path}/device=*/**/*.parquet", hive_partitioning=True).collect()
            assert frame["device"].unique().to_list() == ["plc"]
            assert frame["_row"].n_unique() == len(frame)
            table = dataset.dataset(tmp_path, format="parquet", partitioning="hive").to_table()
            assert len(set(table["_row"].to_pylist())) == table.num_rows >= least
            assert pd.read_parquet(tmp_path)["_row"].is_unique
    table = dataset.dataset(tmp_path, format="parquet", partitioning="hive").to_table()
    assert table.num_rows == recording.stats.rows


def test_a_device_that_goes_and_comes_is_recorded_with_reasons(tmp_path):
    device = fm.Simulator().start()
    with (
        fm.Client("127.0.0.1", device.port, name="plc", timeout=0.2, retries=0) as client,
        fm.Recording(client, tmp_path, tags=["hr0"], every=0.02, flush=0.1) as recording,
    ):
        until(lambda: recording.stats.qualities.get(("plc", Quality.GOOD), 0) > 5)
        device.close()
        until(lambda: recording.stats.qualities.get(("plc", Quality.LINK), 0) > 5)
        good = recording.stats.qualities["plc", Quality.GOOD]
        device.start()
        until(lambda: recording.stats.qualities["plc", Quality.GOOD] > good + 5)
    device.close()
    run = load(tmp_path)
    assert is_whole(run)
    assert np.isnan(run["hr0"][run.quality["hr0"] == Quality.LINK]).all()


def test_a_disk_that_refuses_pauses_it(tmp_path, monkeypatch):
    refusing, write = threading.Event(), Recorder._append

    def append(self, samples):
        if refusing.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, samples)

    def source():
        yield made(5)
        refusing.set()
        yield made(5, first=5)
        yield made(5, first=10)

    monkeypatch.setattr("fastmodbus.recorder.recording.PATIENCE", 0.01)
    monkeypatch.setattr(Recorder, "_append", append)
    with fm.Recording(source(), tmp_path) as recording:
        until(lambda: recording.stats.paused)
        assert "No space" in recording.stats.error
        assert load(tmp_path).rows == 5
        refusing.clear()
        assert recording.wait(PATIENCE)
        assert not recording.stats.paused
    assert load(tmp_path).row.tolist() == list(range(15))
    assert recording.stats.dropped == 0


def test_a_disk_that_stalls_costs_no_row(plc, tmp_path, monkeypatch):
    stalled, over, write = threading.Event(), threading.Event(), Recorder._append

    def append(self, samples):
        if samples.first_row > 20:
            stalled.set()
            assert over.wait(PATIENCE)
        write(self, samples)

    monkeypatch.setattr(Recorder, "_append", append)
    with fm.Recording(plc, tmp_path, tags=TAGS, every=0.01, flush=0.05) as recording:
        assert stalled.wait(PATIENCE)
        seen = recording.poller.stats["plc"].polls
        until(lambda: recording.poller.stats["plc"].polls > seen + 100)
        over.set()
        until(lambda: recording.stats.rows > seen + 100)
    assert is_whole(load(tmp_path))
    assert recording.stats.dropped == 0


def test_a_buffer_that_is_too_short_for_the_pause_is_marked(plc, tmp_path, monkeypatch):
    refusing, write = threading.Event(), Recorder._append

    def append(self, samples):
        if refusing.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, samples)

    monkeypatch.setattr("fastmodbus.recorder.recording.PATIENCE", 0.01)
    monkeypatch.setattr(Recorder, "_append", append)
    poller = fm.Poller(buffer=0.5)
    poller.add(plc, TAGS, every=0.01)
    with fm.Recording(poller, tmp_path, flush=0.1) as recording:
        until(lambda: recording.stats.rows > 10)
        refusing.set()
        until(lambda: recording.stats.paused)
        seen = poller.stats["plc"].polls
        until(lambda: poller.stats["plc"].polls > seen + 200)
        refusing.clear()
        until(lambda: recording.stats.dropped > 0)
    poller.close()
    run = load(tmp_path)
    assert run.stats.dropped == recording.stats.dropped > 0
    assert run.rows == recording.stats.rows
    assert (np.diff(run.row) >= 1).all()


# ------------------------------------------------------------------------------------------------ its end


@pytest.mark.skipif(os.name == "nt", reason="platform: Windows has no such signal to send")
def test_ctrl_c_ends_it_after_everything_was_written(plc, tmp_path):
    chunks = []

    def interrupt(chunk):
        chunks.append(chunk)
        if len(chunks) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fm.record(plc, tmp_path, tags=TAGS, every=0.02, flush=0.1, on_chunk=interrupt)
    run = load(tmp_path)
    assert is_whole(run)
    assert run.rows == sum(chunk.rows for chunk in chunks)
    Recorder(tmp_path).close()


def test_stop_may_be_called_from_a_callback(plc, tmp_path):
    recording = fm.Recording(plc, tmp_path, tags=TAGS, every=0.02, flush=0.05, on_chunk=lambda _: recording.stop())
    with recording:
        assert recording.wait(PATIENCE)
    assert load(tmp_path).rows >= 1


# ------------------------------------------------------------------------------------------------ Prometheus


def test_prometheus_is_told(plc, tmp_path):
    pytest.importorskip("prometheus_client")
    from fastmodbus.recorder.metrics import serve

    with fm.Recording(plc, tmp_path, tags=TAGS, every=0.02, flush=0.1) as recording:
        until(lambda: recording.stats.rows > 5)
        with serve(0, recording.stats, recording.poller) as port:
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).read().decode()
    found = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert float(found["fastmodbus_recorded_rows_total"]) > 5
    assert float(found['fastmodbus_polls_total{device="plc"}']) > 5
    assert float(found['fastmodbus_values_total{device="plc",quality="GOOD"}']) > 5
    assert float(found['fastmodbus_round_trip_seconds{device="plc",quantile="0.5"}']) > 0
    assert found["fastmodbus_recording_paused"] == "0.0"
