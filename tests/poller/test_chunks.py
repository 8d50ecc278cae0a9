"""Consumers of rows: chunks, cursors, the newest rows and values. Slow and late consumers are in test_rows.py."""

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from polling import check_grid, collected, rows_of, wait_for, wait_for_rows


@pytest.fixture
def sim() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 2)) as simulator:
        simulator.holding[:10] = range(100, 110)
        yield simulator


@pytest.fixture
def plc(sim: fm.Simulator) -> Iterator[fm.Client]:
    with fm.Client("127.0.0.1", sim.port, name="plc", timeout=60) as client:
        yield client


def test_chunks_of_so_many_rows(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, {"x": "hr3"}, every="2ms")
        chunks = poller.chunks(rows=25)
        found = [next(chunks) for _ in range(8)]
    assert [chunk.rows for chunk in found] == [25] * 8
    assert [chunk.first_row for chunk in found] == list(range(0, 200, 25))
    check_grid(fm.concat(found))
    assert (found[-1]["x"][found[-1].ok["x"]] == 103).all()


def test_the_last_short_chunk_is_delivered(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="2ms")
        chunks = poller.chunks(rows=1000)
        wait_for_rows(poller, "plc", 40)
    rest = list(chunks)
    assert len(rest) == 1
    assert rest[0].rows == rows_of(poller, "plc") >= 40
    assert list(chunks) == []


def test_chunks_that_overlap(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="2ms")
        chunks = poller.chunks(rows=30, step=10)
        found = [next(chunks) for _ in range(6)]
        wait_for_rows(poller, "plc", 50)
    assert [(chunk.first_row, chunk.rows) for chunk in found] == [(n, 30) for n in range(0, 60, 10)]
    rest = list(chunks)
    assert rest[-1].row[-1] + 1 == rows_of(poller, "plc")
    ends = [chunk.row[-1] for chunk in [*found, *rest]]
    assert ends == sorted(set(ends))


def test_chunks_of_a_time_follow_each_groups_period(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="5ms", group="fast")
        poller.add(plc, "hr4", every="20ms", group="slow")
        poller.add(plc, "hr5", every="1s", group="rare")
        chunks = poller.chunks(every="100ms")
        sizes: dict[str, set[int]] = {"fast": set(), "slow": set(), "rare": set()}
        while not all(sizes.values()):
            chunk = next(chunks)
            sizes[chunk.group].add(chunk.rows)
    assert sizes == {"fast": {20}, "slow": {5}, "rare": {1}}


def test_each_consumer_has_its_own_cursor(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, {"x": "hr3"}, every="2ms")
        wait_for_rows(poller, "plc", 1)
        found: list[list[fm.Samples]] = [[], [], []]

        def consume(number: int) -> None:
            found[number].extend(poller.chunks(rows=10 + number))

        threads = [threading.Thread(target=consume, args=[number]) for number in range(3)]
        for thread in threads:
            thread.start()
        wait_for_rows(poller, "plc", 300)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    total = rows_of(poller, "plc")
    for chunks in found:
        joined = fm.concat(chunks)
        assert (joined.first_row, joined.rows) == (0, total)
        check_grid(joined)


def test_one_device_one_group(plc: fm.Client) -> None:
    two = plc.at(2, name="two")
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="5ms")
        poller.add(two, "hr3", every="5ms", group="a")
        poller.add(two, "hr4", every="5ms", group="b")
        wait_for_rows(poller, "two", 20)
        wait_for_rows(poller, "plc", 1)
    assert {(c.device, c.group) for c in poller.chunks()} == {("plc", ""), ("two", "a"), ("two", "b")}
    assert {(c.device, c.group) for c in poller.chunks(device="two")} == {("two", "a"), ("two", "b")}
    assert {(c.device, c.group) for c in poller.chunks(device="two", group="b")} == {("two", "b")}
    with pytest.raises(ValueError, match="'three', group None is not polled; polled are 'plc'/''"):
        poller.chunks(device="three")


def test_chunks_are_owned_by_whoever_has_them(plc: fm.Client) -> None:
    with fm.Poller(buffer=0.2) as poller:
        poller.add(plc, {"x": "hr3"}, every="2ms")
        chunk = next(poller.chunks(rows=10))
        before = chunk["x"].copy(), chunk["time"].copy()
        wait_for_rows(poller, "plc", 300)
        assert np.array_equal(chunk["x"], before[0], equal_nan=True)
        assert np.array_equal(chunk["time"], before[1])


def test_a_device_that_is_added_and_one_that_is_removed_while_it_runs(plc: fm.Client) -> None:
    two = plc.at(2, name="two")
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="5ms")
        chunks = poller.chunks(rows=10)
        assert next(chunks).device == "plc"
        assert poller.add(two, "hr4", every="5ms") == [("two", "")]
        while next(chunks).device != "two":
            pass
        poller.remove("two")
        with pytest.raises(ValueError, match="is not polled"):
            poller.latest("two")
        wait_for_rows(poller, "plc", 50)
        left = [next(chunks) for _ in range(10)]
        assert left[-1].device == "plc"
        assert two.read("hr4") == 0
        poller.add(two, "hr5", every="5ms")
        while "hr5" not in next(chunks):
            pass
        poller.remove(plc)
        with pytest.raises(ValueError, match="is not polled"):
            poller.remove(plc)


def test_there_is_no_newest_row_before_the_first(plc: fm.Client) -> None:
    poller = fm.Poller()
    poller.add(plc, "hr3", every="2ms")
    with pytest.raises(ValueError, match="there is no row yet"):
        poller.last(5)
    assert dict(poller.latest("plc")) == {}


def test_the_newest_rows(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, {"x": "hr3"}, every="2ms")
        wait_for_rows(poller, "plc", 50)
        newest = poller.last(20, device="plc")
        assert newest.rows == 20
        check_grid(newest)
        assert poller.last(10**6).first_row == 0


def test_the_newest_values(sim: fm.Simulator, plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, {"x": "hr3", "text": "hr20:str4", "array": "hr0[3]", "bit": "co0"}, every="5ms")
        poller.add(plc, {"y": "hr4"}, every="5ms", group="more")
        wait_for(lambda: all(poller.latest("plc").ok.get(name) for name in ("x", "array", "y")))
        latest = poller.latest("plc")
        assert (latest["x"], latest["y"], latest["bit"]) == (103.0, 104.0, False)
        assert latest["array"].tolist() == [100, 101, 102]
        assert set(latest) == {"x", "text", "array", "bit", "y"}
        assert 0 <= latest.age["x"] < 60
        assert latest.time["x"].dtype == "M8[ns]"
        sim.fail("hr3")
        wait_for(lambda: not poller.latest("plc", "").ok["x"])
        assert np.isnan(poller.latest("plc")["x"])


def test_several_groups_need_naming(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="5ms", group="a")
        poller.add(plc, "hr4", every="5ms", group="b")
        wait_for_rows(poller, "plc", 20)
        with pytest.raises(ValueError, match="meant are: plc a, plc b"):
            poller.last(5)
        assert poller.last(2, group="b").group == "b"


def test_async_for(plc: fm.Client) -> None:
    async def consume(poller: fm.Poller) -> list[fm.Samples]:
        found = []
        async for chunk in poller.chunks(rows=10):
            found.append(chunk)
            if len(found) == 5:
                poller.stop()
        return found

    with fm.Poller() as poller:
        poller.add(plc, "hr3", every="2ms")
        found = asyncio.run(consume(poller))
    check_grid(fm.concat(found))
    assert [chunk.rows for chunk in found[:5]] == [10] * 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 0}, "rows is 0"),
        ({"rows": 10, "every": "1s"}, "give rows or every, not both"),
        ({"step": 3}, "give rows with it"),
        ({"rows": 10, "step": 11}, "step is 11"),
        ({"rows": 10**6}, "the buffer keeps 200 rows of plc"),
        ({"every": "1h"}, "the buffer keeps 1 s"),
    ],
)
def test_chunks_that_cannot_be(plc: fm.Client, given: dict, message: str) -> None:
    with fm.Poller(buffer="1s") as poller:
        poller.add(plc, "hr3", every="5ms")
        with pytest.raises(ValueError, match=message):
            poller.chunks(**given)


def test_statistics_and_checks(sim: fm.Simulator, plc: fm.Client) -> None:
    sim.service_time = 0.02
    many = {f"t{n}": f"hr{50 * n}" for n in range(20)}
    poller = fm.Poller()
    poller.add(plc, many, every="50ms")
    assert "how long they take is not known" in poller.check()
    with poller:
        wait_for(lambda: poller.stats["plc"].round_trip(50) > 0.01)
        wait_for_rows(poller, "plc", 5)
        stats = poller.stats["plc"]
        assert "every=0.05 s cannot hold" in poller.check()
    assert (stats.requests, stats.retries) == (20, 0)
    assert stats.polls >= 5
    assert stats.missed > 0
    assert stats.lateness(99) >= stats.lateness(50) > 0
    assert stats.bytes_received > 0
    assert stats.bytes_sent > 0
    assert collected(poller, "plc").rows == rows_of(poller, "plc")


def test_chunks_that_are_closed_end_with_the_rows_that_are_there(plc: fm.Client) -> None:
    """Polling goes on, and so do others."""
    with fm.Poller() as poller:
        poller.add(plc, "hr0", every="5ms")
        poller.add(plc, "hr0", every="1h", group="slow")
        chunks, others = poller.chunks(every="30s", group=""), poller.chunks(rows=5, group="")
        wait_for_rows(poller, "plc", 20)
        chunks.close()
        there = rows_of(poller, "plc")
        wait_for_rows(poller, "plc", 20)
        found = list(chunks)
        assert 20 <= sum(chunk.rows for chunk in found) <= there
        check_grid(fm.concat(found))
        chunks.close()
        assert next(chunks, None) is None
        assert next(others).rows == 5


def test_closing_ends_the_waiting_of_another_thread(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr0", every="1h")
        chunks, found = poller.chunks(), []
        thread = threading.Thread(target=lambda: found.extend(chunks))
        thread.start()
        chunks.close()
        thread.join(60)
        assert not thread.is_alive()
        assert found == []


def test_chunks_closed_while_the_buffer_ran_over(plc: fm.Client) -> None:
    with fm.Poller(buffer=0.3) as poller:
        poller.add(plc, "hr0", every="5ms")
        wait_for_rows(poller, "plc", 5)
        chunks = poller.chunks(rows=4)
        next(chunks)
        chunks.close()
        wait_for_rows(poller, "plc", 300)
        assert sum(chunk.rows for chunk in chunks) <= 4
