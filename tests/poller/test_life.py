"""The life of a poller: starting, stopping, closing, ends of programs, forks, and what it refuses."""

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from children import interruptible, run_python, start_python
from polling import check_grid, collected, rows_of, wait_for, wait_for_rows

MAP = """
format = "fastmodbus-map/1"
[device]
name = "meter"
[groups]
fast = "10ms"
slow = "50ms"
[[tag]]
name = "voltage"
address = "hr0:f32"
units = "V"
group = "fast"
[[tag]]
name = "energy"
address = "hr10:u32"
scale_from = "factor"
group = "slow"
[[tag]]
name = "factor"
address = "hr12:i16"
[[tag]]
name = "serial"
address = "hr20:u32"
"""


@pytest.fixture
def sim() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 2)) as simulator:
        yield simulator


@pytest.fixture
def plc(sim: fm.Simulator) -> Iterator[fm.Client]:
    with fm.Client("127.0.0.1", sim.port, name="plc", timeout=60) as client:
        yield client


@pytest.fixture
def meter(sim: fm.Simulator, tmp_path: Path) -> Iterator[fm.Client]:
    path = tmp_path / "meter.toml"
    path.write_text(MAP)
    with fm.Client("127.0.0.1", sim.port, name="meter", timeout=60, map=path) as client:
        yield client


def test_stop_and_start_go_on_with_the_grid(plc: fm.Client) -> None:
    poller = fm.Poller()
    poller.add(plc, "hr0", every="5ms")
    with pytest.raises(ValueError, match="polling has not begun"):
        next(poller.chunks())
    for _ in range(3):
        poller.start()
        poller.start()
        assert poller.running
        wait_for_rows(poller, "plc", 20)
        poller.stop()
        poller.stop()
        rows = rows_of(poller, "plc")
        assert plc.read_holding_registers(0, 1)[0] == 0
        assert rows_of(poller, "plc") == rows
    check_grid(collected(poller, "plc"))
    poller.close()
    poller.close()
    with pytest.raises(fm.ClientClosed):
        poller.start()
    with pytest.raises(fm.ClientClosed):
        poller.add(plc, "hr1", every=1)


def test_no_thread_is_left(plc: fm.Client) -> None:
    before = set(threading.enumerate())
    with fm.Poller() as poller:
        poller.add(plc, "hr0", every="5ms")
        wait_for_rows(poller, "plc", 5)
        assert {thread.name for thread in threading.enumerate()} >= {"fastmodbus poller", "fastmodbus supervisor"}
    wait_for(lambda: set(threading.enumerate()) <= before)


def test_closing_a_client_that_is_polled(plc: fm.Client) -> None:
    with fm.Poller() as poller:
        poller.add(plc, "hr0", every="5ms")
        wait_for_rows(poller, "plc", 5)
        plc.close()
        wait_for_rows(poller, "plc", 5)
        assert not poller.latest("plc").ok["hr0"]
        with pytest.raises(fm.ClientClosed):
            poller.add(plc, "hr1", every=1, group="more")


def test_a_client_that_nobody_else_holds_stays_open(sim: fm.Simulator) -> None:
    made = [fm.Client("127.0.0.1", sim.port, name="plc", timeout=60)]
    held = weakref.ref(made[0])
    with fm.Poller() as poller:
        poller.add(made.pop(), "hr0", every="5ms")
        gc.collect()
        wait_for(lambda: bool(poller.latest("plc")) and bool(poller.latest("plc").ok["hr0"]), "a value")
        client = held()
        assert client is not None
    client.close()


def test_a_device_added_while_the_supervisor_looks_is_connected(
    sim: fm.Simulator, plc: fm.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the loop reports of it is told once, and must not be taken for that of a device which is gone."""
    with fm.Poller() as poller, fm.Client("127.0.0.1", sim.port, name="late") as late:
        poller.add(plc, "hr0", every="5ms")
        wait_for(lambda: poller.stats["plc"].good > 0)
        assert poller._supervisor is not None
        looked, added, feeds = threading.Event(), threading.Event(), poller._supervisor._feeds

        def held_up() -> Any:
            found = feeds()
            if not looked.is_set():
                looked.set()
                added.wait(60)
            return found

        monkeypatch.setattr(poller._supervisor, "_feeds", held_up)
        poller._loop.ring()
        looked.wait(60)
        poller.add(late, "hr0", every="5ms")
        wait_for_rows(poller, "late", 5)
        added.set()
        wait_for(lambda: poller.stats["late"].good > 0, "an answer")


def test_whatever_goes_wrong_while_connecting_it_is_tried_again(
    plc: fm.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [UnicodeError("a name that cannot be"), RuntimeError("can't start new thread")]
    start, connect = threading.Thread.start, plc._link.try_to_connect

    def started(thread: threading.Thread) -> None:
        if thread.name.startswith("connect ") and len(failures) == 2:
            raise failures.pop()
        start(thread)

    def connected() -> bool:
        if failures:
            raise failures.pop()
        return connect()

    monkeypatch.setattr(threading.Thread, "start", started)
    monkeypatch.setattr(plc._link, "try_to_connect", connected)
    with fm.Poller() as poller:
        poller.add(plc, "hr0", every="5ms")
        wait_for(lambda: poller.stats["plc"].good > 0, "an answer")
    assert "the supervisor of a poller failed" in caplog.text
    assert "connecting failed" in caplog.text


def test_a_map_is_polled_group_by_group(sim: fm.Simulator, meter: fm.Client) -> None:
    sim["hr0:f32"], sim["hr10:u32"], sim["hr12:i16"] = 230.0, 125, -1
    with fm.Poller() as poller:
        assert poller.add(meter) == [("meter", "fast"), ("meter", "slow")]
        wait_for(lambda: all(poller.latest("meter").ok.get(name) for name in ("voltage", "energy")))
        assert dict(poller.latest("meter")) == {"voltage": 230.0, "energy": 12.5}
        assert poller.last(1, group="slow").period == 0.05
        assert poller.last(1, group="fast").meta["voltage"].units == "V"


def test_groups_at_other_rates(meter: fm.Client) -> None:
    poller = fm.Poller()
    assert poller.add(meter, groups=["slow"], every="1s", device="a") == [("a", "slow")]
    assert poller.add(meter, groups={"slow": "2s"}, device="b") == [("b", "slow")]
    assert poller.add(meter, groups="fast", device="c") == [("c", "fast")]
    assert poller.add(meter, every="1s", device="d") == [("d", "")]
    assert poller.stats["d"].requests == 1


def test_polling_a_client_for_a_while(sim: fm.Simulator, meter: fm.Client, plc: fm.Client) -> None:
    sim["hr0:f32"] = 230.0
    run = plc.poll({"v": "hr0:f32"}, every="5ms", count=20)
    assert isinstance(run, fm.Samples)
    assert run.rows == 20
    check_grid(run)
    run = plc.poll({"v": "hr0:f32"}, every="5ms", duration="100ms")
    assert run.rows == 20
    both = meter.poll(count=4)
    assert {group: samples.rows for group, samples in both.items()} == {"fast": 4, "slow": 4}
    assert set(meter.poll(every="5ms", count=2)) == {"time", "voltage", "energy", "factor", "serial"}
    assert plc.read("hr0:f32") == 230.0


def test_a_plant_is_polled(sim: fm.Simulator, tmp_path: Path) -> None:
    (tmp_path / "meter.toml").write_text(MAP)
    (tmp_path / "plant.toml").write_text(f"""
        format = "fastmodbus-plant/1"
        [defaults]
        url = "{sim.url}"
        map = "meter.toml"
        [[device]]
        name = "m1"
        unit = 1
        [[device]]
        name = "m2"
        unit = 2
        groups = {{fast = "20ms"}}
    """)
    with fm.open_plant(tmp_path / "plant.toml") as plant, plant.poller(buffer="10s") as poller:
        wait_for_rows(poller, "m2", 20)
        assert set(poller.stats) == {"m1", "m2"}
        assert poller.last(1, device="m2", group="fast").period == 0.02
        assert poller.last(1, device="m1", group="fast").period == 0.01


def test_connections_are_spread_over_the_period(sim: fm.Simulator) -> None:
    clients = [fm.Client("127.0.0.1", sim.port, name=f"c{n}") for n in range(4)]
    with fm.Poller() as poller:
        for client in clients:
            poller.add(client, "hr0", every="100ms")
        poller.add(clients[0], "hr0", every="100ms", phase="30ms", group="late")
        poller.add(clients[1], "hr0", every="100ms", phase=0, group="at once")
        for client in clients:
            wait_for_rows(poller, client._settings.options.name or "", 2)
        phases = {}
        for name, group in [("c0", ""), ("c1", ""), ("c2", ""), ("c3", ""), ("c0", "late"), ("c1", "at once")]:
            time = poller.last(1, device=name, group=group)["time"].view(np.int64)[0]
            phases[name, group] = time % 100_000_000 // 1_000_000
    assert list(phases.values()) == [0, 50, 25, 75, 30, 0]
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tags": "hr0"}, "every is missing"),
        ({}, "tags are missing, and the client has no map"),
        ({"tags": "hr0", "every": "5us"}, "0 .back to back. and 0.0001 s or more"),
        ({"tags": "hr0", "every": -1}, "every is -1"),
        ({"tags": "hr0", "every": 1, "groups": ["a"]}, "give tags or groups, not both"),
        ({"tags": "nothing", "every": 1}, "nothing"),
        ({"tags": "hr0", "every": 1, "phase": "soon"}, "phase is 'soon'"),
        ({"tags": [], "every": 1}, "empty"),
    ],
)
def test_what_cannot_be_added(plc: fm.Client, given: dict[str, Any], message: str) -> None:
    poller = fm.Poller()
    with pytest.raises(ValueError, match=message):
        poller.add(plc, **given)
    assert poller.stats == {}


def test_what_is_polled_already(plc: fm.Client, meter: fm.Client) -> None:
    poller = fm.Poller()
    poller.add(plc, "hr0", every=1)
    with pytest.raises(ValueError, match="'plc', group '' is polled already"):
        poller.add(plc, "hr1", every=1)
    poller.add(plc, "hr1", every=1, group="more")
    with pytest.raises(ValueError, match=r"no group 'fsat'.*fast"):
        poller.add(meter, groups=["fsat"])
    with pytest.raises(ValueError, match="group is a name for given tags"):
        poller.add(meter, group="x")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": 1}, "How long|how long"),
        ({"every": 1, "count": 1, "duration": 1}, "one of them"),
        ({"count": 3}, "every is missing"),
    ],
)
def test_polls_that_cannot_be(plc: fm.Client, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plc.poll("hr0", **given)


def test_a_poller_of_wrong_options() -> None:
    with pytest.raises(ValueError, match="on_full is 'block'"):
        fm.Poller(on_full="block")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffer is 0"):
        fm.Poller(buffer=0)


def test_two_pollers_of_one_connection(plc: fm.Client) -> None:
    with fm.Poller() as one, fm.Poller() as other:
        one.add(plc, "hr0", every=1)
        with pytest.raises(ValueError, match="another"):
            other.add(plc, "hr0", every=1)
        assert other.stats == {}
        one.remove("plc")
        other.add(plc, "hr0", every="5ms")
        wait_for_rows(other, "plc", 3)


INTERRUPTED = """
    import signal, sys, threading, os
    import fastmodbus as fm
    with fm.Simulator() as sim, fm.Client("127.0.0.1", sim.port) as plc:
        def interrupt():
            while sim.requests < 30:
                threading.Event().wait(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            plc.poll("hr0", every=0.01, duration="1h")
        except KeyboardInterrupt as interrupt:
            assert interrupt.partial.rows > 5, interrupt.partial
            assert plc.read("hr0") == 0
            print("partial")
"""

ENDS = """
    import fastmodbus as fm
    sim = fm.Simulator().start()
    plc = fm.Client("127.0.0.1", sim.port)
    poller = fm.Poller().start()
    poller.add(plc, "hr0", every=0.001)
    next(poller.chunks(rows=20))
    print("over")
"""

FORKS = """
    import os
    import fastmodbus as fm
    with fm.Simulator() as sim, fm.Client("127.0.0.1", sim.port) as plc, fm.Poller() as poller:
        poller.add(plc, "hr0", every=0.005)
        chunks = poller.chunks(rows=10)
        next(chunks)
        child = os.fork()
        if child == 0:
            failed = []
            for use in (lambda: poller.add(plc, "hr1", every=1, group="x"), lambda: plc.read("hr0")):
                try:
                    use()
                except fm.ForkedClient:
                    failed.append("ForkedClient")
            poller.close()
            print(failed, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        before = poller.stats[next(iter(poller.stats))].good
        for chunk in chunks:
            if chunk.ok["hr0"].all():
                break
        print("parent goes on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="platform: signals and forks")
@pytest.mark.parametrize(
    ("program", "says"),
    [(INTERRUPTED, "partial\n"), (ENDS, "over\n"), (FORKS, "['ForkedClient', 'ForkedClient']\nparent goes on\n")],
    ids=["interrupted", "ends", "forks"],
)
def test_programs(program: str, says: str) -> None:
    with interruptible():
        assert run_python(program, flags=("-X", "faulthandler"))[0] == says


@pytest.mark.skipif(sys.platform == "win32", reason="platform: signals")
def test_a_program_that_waits_for_chunks_is_interrupted_at_once() -> None:
    program = """
        import fastmodbus as fm
        with fm.Simulator() as sim, fm.Client("127.0.0.1", sim.port) as plc, fm.Poller() as poller:
            poller.add(plc, "hr0", every="1h")
            print("waiting", flush=True)
            for chunk in poller.chunks():
                print("none expected")
    """
    with interruptible(), start_python(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert out == ""
    assert "KeyboardInterrupt" in err
    assert os.name != "posix" or process.returncode in (1, -signal.SIGINT)


def test_a_client_of_an_event_loop_is_polled_over_a_connection_of_its_own(sim: fm.Simulator) -> None:
    sim["hr0:f32"] = 21.5

    async def polled() -> fm.Samples:
        async with fm.AsyncClient("127.0.0.1", sim.port, name="plc") as plc:
            with fm.Poller() as poller:
                poller.add(plc, {"v": "hr0:f32"}, every="5ms")
                poller.add(plc.at(2), {"w": "hr0"}, every="5ms", device="two")
                async for chunk in poller.chunks(rows=20, device="plc"):
                    assert await plc.read("hr0:f32") == 21.5
                    if chunk.ok["v"].all():
                        break
        return chunk

    assert set(asyncio.run(polled())["v"]) == {21.5}
    assert sim.connections == 2
