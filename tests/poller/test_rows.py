"""What docs/polling.md says of rows, with real sockets. The exact instants are those of core/test_schedule.py."""

import logging
import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.poller import anchors
from fastmodbus.quality import Quality
from polling import check_grid, collected, rows_of, wait_for, wait_for_rows

Q = Quality
TAGS = {"a": "hr0:f32", "b": "hr100:i16", "c": "hr300"}


@pytest.fixture
def sim() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 2)) as simulator:
        simulator["hr0:f32"] = 1.5
        simulator["hr100:i16"] = -7
        simulator.holding[300] = 65000
        yield simulator


@pytest.fixture
def plc(sim: fm.Simulator) -> Iterator[fm.Client]:
    with fm.Client("127.0.0.1", sim.port, name="plc", timeout=60) as client:
        yield client


def check_good_values(run: fm.Samples) -> None:
    """Good values are right, and there is none where there is a reason."""
    for name, value in {"a": 1.5, "b": -7.0, "c": 65000.0}.items():
        assert (run[name][run.ok[name]] == value).all()
        assert np.isnan(run[name][~run.ok[name]]).all()


def test_a_steady_run(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="5ms")
        wait_for_rows(poller, "plc", 200)
        wait_for(lambda: poller.stats["plc"].good > 20)
    run = collected(poller, "plc")
    check_grid(run)
    check_good_values(run)
    assert (run.device, run.group, run.period) == ("plc", "", 0.005)
    assert run.first_row == 0
    assert sum(run.ok["a"]) > 20
    assert (run["time"].view(np.int64) % 5_000_000 == 0).all()  # aligned with the wall clock
    good = run.ok["a"]
    assert (run.sent["a"][good] >= run["time"][good]).all()
    assert (run.received["a"][good] >= run.sent["a"][good]).all()


def test_a_poll_longer_than_its_period(sim: fm.Simulator, plc: fm.Client) -> None:
    sim.answer_delay = 0.3
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="100ms")
        wait_for_rows(poller, "plc", 8)
    run = collected(poller, "plc")
    check_grid(run)
    assert not run.ok["a"].any()
    assert set(run.quality["a"].tolist()) <= {Q.TIMEOUT, Q.MISSED, Q.LINK}
    assert Q.MISSED in run.quality["c"]
    assert poller.stats["plc"].missed > 0


def test_a_dead_unit_and_one_that_lives_behind_the_same_connection(
    sim: fm.Simulator, plc: fm.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fastmodbus")
    dead = plc.at(9, name="dead", timeout=0.05)
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="20ms")
        poller.add(dead, ["hr0", "hr500"], every="20ms")
        wait_for(lambda: "dead: does not answer" in caplog.text)
        wait_for_rows(poller, "dead", 100)
        good = poller.stats["plc"].good
        wait_for(lambda: poller.stats["plc"].good > good + 20)
    run = collected(poller, "dead")
    check_grid(run)
    assert not run.ok["hr0"].any()
    assert Q.SUSPENDED in run.quality["hr0"]
    assert set(run.quality["hr500"].tolist()) <= {Q.TIMEOUT, Q.MISSED, Q.SUSPENDED, Q.LINK}
    assert caplog.text.count("dead: does not answer") == 1
    alive = collected(poller, "plc")
    check_grid(alive)
    check_good_values(alive)


def test_a_connection_that_is_lost_for_a_while(
    sim: fm.Simulator, plc: fm.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fastmodbus")
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="20ms")
        wait_for(lambda: poller.stats["plc"].good > 5)
        sim.close()
        wait_for(lambda: "no connection" in caplog.text)
        wait_for_rows(poller, "plc", 20)
        assert not poller.latest("plc").ok["a"]
        with pytest.raises(fm.ConnectionFailed):
            plc.read("hr0")
        sim.start()
        good = poller.stats["plc"].good
        wait_for(lambda: poller.stats["plc"].good > good + 10)
        assert plc.read("hr0:f32") == 1.5
    run = collected(poller, "plc")
    check_grid(run)
    check_good_values(run)
    lost = np.flatnonzero(run.quality["a"] == Q.LINK)
    assert len(lost) >= 20
    assert run.ok["a"][-1] or run.quality["a"][-1] in (Q.MISSED, Q.TIMEOUT)
    assert caplog.text.count("no connection") == 1
    assert caplog.text.count("connection lost") == 1


def test_a_device_that_is_not_there_to_begin_with(sim: fm.Simulator) -> None:
    sim.close()
    with fm.Client("127.0.0.1", sim.port, name="plc") as plc, fm.Poller() as poller:
        poller.add(plc, TAGS, every="20ms")
        wait_for_rows(poller, "plc", 5)
        assert set(poller.last(5).quality["a"].tolist()) == {Q.LINK}
        sim.start()
        wait_for(lambda: poller.stats["plc"].good > 5)


def test_a_consumer_that_stopped(plc: fm.Client) -> None:
    """It costs acquisition nothing; what it missed is counted, and shows in the numbers of the rows."""
    with fm.Poller(buffer=0.5) as poller:
        poller.add(plc, TAGS, every="5ms")
        wait_for_rows(poller, "plc", 5)
        chunks = poller.chunks(rows=4)
        first = next(chunks)
        wait_for_rows(poller, "plc", 300)
        second = next(chunks)
        assert chunks.dropped == second.first_row - first.first_row - 4 > 0
        assert poller.stats["plc"].dropped == chunks.dropped
    rest = [second, *chunks]
    check_grid(fm.concat(rest))
    assert rest[-1].row[-1] + 1 == rows_of(poller, "plc")


def test_a_consumer_that_stopped_and_wants_to_be_told(plc: fm.Client) -> None:
    with fm.Poller(buffer=0.5, on_full="raise") as poller:
        poller.add(plc, TAGS, every="5ms")
        wait_for_rows(poller, "plc", 5)
        chunks = poller.chunks(rows=4)
        first = next(chunks)
        wait_for_rows(poller, "plc", 300)
        with pytest.raises(fm.Overrun, match="rows were overwritten before they were read"):
            next(chunks)
        assert next(chunks).first_row > first.first_row + 4


def test_two_groups_due_together(sim: fm.Simulator, plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, {"a": "hr0:f32"}, every="10ms", group="fast")
        poller.add(plc, {"b": "hr100:i16", "c": "hr300"}, every="50ms", group="slow")
        wait_for_rows(poller, "plc", 200)
        wait_for(lambda: all(poller.latest("plc").ok.get(name) for name in ("a", "b")))
    fast, slow = collected(poller, "plc", "fast"), collected(poller, "plc", "slow")
    check_grid(fast)
    check_grid(slow)
    shared = np.intersect1d(fast["time"], slow["time"])
    assert len(shared) >= slow.rows - 1
    assert fast.ok["a"].any()
    assert slow.ok["b"].any()


def test_a_plan_that_changes_in_mid_run(sim: fm.Simulator, plc: fm.Client, caplog: pytest.LogCaptureFixture) -> None:
    """A register between two tags disappears: it is not bridged any more, and no row is lost over it."""
    near = {"a": "hr0:f32", "d": "hr4", "e": "hr5"}
    with fm.Poller() as poller:
        poller.add(plc, near, every="20ms")
        wait_for(lambda: poller.stats["plc"].good > 5)
        assert poller.stats["plc"].requests == 1
        sim.fail("hr2")
        wait_for(lambda: poller.stats["plc"].requests == 2)
        good = poller.stats["plc"].good
        wait_for(lambda: poller.stats["plc"].good > good + 5)
        sim.fail("hr5")
        wait_for(lambda: "e (hr5) is refused by the device and left out" in caplog.text)
        wait_for(lambda: poller.last(1).quality["e"][0] == Q.SUSPENDED)
        wait_for(lambda: bool(poller.last(1).ok["a"][0] and poller.last(1).ok["d"][0]))
    run = collected(poller, "plc")
    check_grid(run)
    assert 0x82 in run.quality["a"]
    assert (run["a"][run.ok["a"]] == 1.5).all()
    assert caplog.text.count("is refused by the device") == 1


def test_a_device_that_refuses_everything_teaches_nothing(sim: fm.Simulator, plc: fm.Client) -> None:
    sim.fail("hr0-65535")
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="10ms")
        wait_for_rows(poller, "plc", 50)
        wait_for(lambda: poller.last(1).quality["a"][0] == 0x82)
        assert poller.stats["plc"].requests <= 3


def test_a_device_that_refused_everything_is_polled_in_few_requests_when_it_has_started(
    sim: fm.Simulator, plc: fm.Client
) -> None:
    tags = [f"hr{number}" for number in range(0, 90, 3)]
    sim.fail("hr0-65535")
    with fm.Poller() as poller:
        poller.add(plc, tags, every="20ms", device="plc")
        wait_for(lambda: poller.stats["plc"].requests == 30, "each tag to be asked for alone")
        wait_for_rows(poller, "plc", 10)
        sim.unit(1).heal()
        wait_for(lambda: poller.stats["plc"].requests == 1, "the plan to be whole again")
        wait_for(lambda: bool(poller.last(1, device="plc").ok["hr87"][0]), "an answer")
    assert [str(read) for read in plc.read_plan(tags).reads] == ["1/hr0-87"]


def test_a_wall_clock_that_is_set(
    plc: fm.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, step = anchors.measure, 3600 * 10**9
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="10ms")
        wait_for_rows(poller, "plc", 20)
        monkeypatch.setattr(anchors, "measure", lambda: real() + step)
        wait_for(lambda: "the wall clock was set by +3600" in caplog.text)
        wait_for_rows(poller, "plc", 20)
    chunks = list(poller.chunks(every="30s"))
    assert len(chunks) == 2
    for chunk in chunks:
        check_grid(chunk)
    before, after = chunks
    assert after.first_row == before.first_row + before.rows
    jump = int((after["time"][0] - before["time"][-1]).astype(np.int64)) - 10_000_000
    assert jump / 1e9 == pytest.approx(step / 1e9, abs=0.05)
    assert after.t[0] - before.t[-1] == pytest.approx(0.01)


def test_a_write_in_a_busy_cycle(sim: fm.Simulator, plc: fm.Client) -> None:
    """Forty reads a poll, back to back: a write goes next, and no row suffers."""
    sim.answer_delay = 0.002
    tags = {f"t{n}": f"hr{20 * n + 1000}" for n in range(40)}
    with fm.Poller() as poller:
        poller.add(plc, tags, every=0)
        wait_for_rows(poller, "plc", 2)
        for value in range(20):
            plc.write("hr300", value)
        assert sim.holding[300] == 19
        assert plc.read_holding_registers(300)[0] == 19
        wait_for_rows(poller, "plc", 2)
        assert 0 < poller.stats["plc"].write_wait < 60
    run = collected(poller, "plc")
    assert all(run.ok[name].all() for name in run if name != "time")


def test_rows_back_to_back(plc: fm.Client) -> None:
    run = plc.poll(TAGS, every=0, count=500)
    assert isinstance(run, fm.Samples)
    assert (run.rows, run.period) == (500, 0)
    assert (np.diff(run["time"].view(np.int64)) > 0).all()
    check_good_values(run)
    assert run.ok["a"].all()


def test_a_group_that_is_read_once(sim: fm.Simulator, plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="once")
        [chunk] = poller.chunks()
        assert (chunk.rows, chunk.period) == (1, math.inf)
        assert chunk["a"][0] == 1.5


@pytest.mark.parametrize("delay", [0, 0.01])
def test_a_connection_that_is_replaced_for_every_row(sim: fm.Simulator, delay: float) -> None:
    """It is idle between two rows, not between connecting and its first request; calls use it as rows do."""
    with (
        fm.Client("127.0.0.1", sim.port, name="plc", timeout=60, idle_close="1us", connect_delay=delay) as plc,
        fm.Poller() as poller,
    ):
        poller.add(plc, {"a": "hr0"}, every=0.2)
        wait_for(lambda: poller.stats["plc"].good >= 3)
        for i in range(3):
            plc.write_register(5, i)
            assert plc.read_holding_registers(5).tolist() == [i]
        assert plc.stats.connections > 3
        assert plc.stats.exceptions == plc.stats.protocol_errors == 0


def test_calls_from_many_threads_beside_a_poll(sim: fm.Simulator, plc: fm.Client) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(50):
                plc.write_register(1000 + number, n)
                assert plc.read_holding_registers(1000 + number)[0] == n
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    with fm.Poller() as poller:
        poller.add(plc, TAGS, every="5ms")
        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    run = collected(poller, "plc")
    check_grid(run)
    check_good_values(run)
