"""The asyncio client as its user sees it: the same methods, tasks that share a connection, one wake-up for a batch."""

import asyncio
import gc
import importlib.util
import inspect
import types
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus import aio
from loops import KINDS, run

ROOT = Path(__file__).parents[2]
EVERY_LOOP = pytest.mark.parametrize("kind", KINDS)


# ------------------------------------------------------------------------------------------------ the same methods


def test_every_method_and_option_of_the_blocking_client() -> None:
    for name in (name for name in dir(fm.Client) if not name.startswith("_")):
        ours, theirs = getattr(fm.AsyncClient, name), getattr(fm.Client, name)
        if not callable(theirs):
            assert isinstance(ours, property), name
            continue
        assert str(inspect.signature(ours)).replace("AsyncClient", "Client") == str(inspect.signature(theirs)), name
        assert ours.__doc__, name
    assert inspect.signature(fm.AsyncClient) == inspect.signature(fm.Client)
    blocking = str(inspect.signature(fm.connect))
    assert str(inspect.signature(fm.connect_async)) == blocking.replace("Client", "AsyncClient")


def test_what_needs_the_network_is_awaited() -> None:
    at_once = {"at", "drain_trace", "read_plan", "trace"}
    methods = {name for name in dir(fm.Client) if not name.startswith("_") and callable(getattr(fm.Client, name))}
    assert {name for name in methods if not inspect.iscoroutinefunction(getattr(fm.AsyncClient, name))} == at_once


def test_the_methods_are_those_of_the_blocking_client() -> None:
    """The text in aio/ is what `make mirror` makes of client/."""
    specification = importlib.util.spec_from_file_location("mirror", ROOT / ".ci" / "mirror.py")
    assert specification is not None
    assert specification.loader is not None
    mirror = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(mirror)
    for part in mirror.PARTS:
        there = Path(aio.__file__).with_name(f"{part}.py").read_text(encoding="utf-8")
        assert there == mirror.mirrored(part), f"aio/{part}.py is not made from client/{part}.py: make mirror"


# ------------------------------------------------------------------------------------------------ one connection


@EVERY_LOOP
def test_calls_of_many_tasks_share_one_connection(kind: str) -> None:
    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port, in_flight=16) as plc:
            found = await asyncio.gather(*(plc.read_holding_registers(10 * i, 10) for i in range(50)))
            assert np.array_equal(np.concatenate(found), np.arange(500))
            a, b = await asyncio.gather(plc.read("hr0:u32[100]"), plc.read("hr500:u16"))
            assert (a[0], b) == (1, 500)
            await asyncio.gather(*(plc.write_register(1000 + i, i) for i in range(20)))
            assert (await plc.read_holding_registers(1000, 20)).tolist() == list(range(20))
            assert plc.stats.connections == 1

    with fm.Simulator(registers={"hr": range(65536)}) as simulator:
        run(test(simulator.port), kind)
        assert simulator.connections == 1


def test_a_client_that_was_made_before_the_loop_runs() -> None:
    with fm.Simulator(registers={"hr": [7]}) as simulator:
        plc = fm.AsyncClient("127.0.0.1", simulator.port)

        async def test() -> None:
            async with plc:
                assert (await plc.read_holding_registers(0)).tolist() == [7]

        run(test())


def test_views_and_maps() -> None:
    async def test(url: str) -> None:
        device = fm.Map("pump", [fm.Tag("pressure", "hr4:f32", access="rw")])
        async with await fm.connect_async(url, map=device) as plc:
            view = plc.at(2, map=device, name="second")
            assert await view.read("pressure") == 2.5
            await view.write("pressure", 3.5, verify=True)
            assert await plc.read() == {"pressure": 0.0}
            assert (await view.read("pressure"), view.unit) == (3.5, 2)
            assert "hr4-5" in str(plc.read_plan("pressure"))
            await view.close()
            with pytest.raises(fm.ClientClosed):
                await view.read("pressure")
            assert await plc.read("pressure") == 0.0

    with fm.Simulator(units=(1, 2)) as simulator:
        simulator.unit(2).holding[4:6] = fm.encode(2.5, "f32")
        run(test(simulator.url))


def test_the_simulator_on_the_spot() -> None:
    async def test() -> None:
        async with await fm.connect_async("sim:") as plc:
            await plc.write_register(0, 5)
            assert (await plc.read_holding_registers(0)).tolist() == [5]

    run(test())


# ------------------------------------------------------------------------------------------------ waking, fairness


@types.coroutine
def counted(coroutine: Coroutine[Any, Any, Any], seen: list[Any]) -> Generator[Any, Any, Any]:
    """Run a coroutine and note every time it is suspended."""
    while True:
        try:
            waiting_for = coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        seen.append(waiting_for)
        yield waiting_for


@pytest.mark.parametrize("coalesce", [False, True])
def test_a_bulk_read_is_one_wake_up(coalesce: bool) -> None:
    async def test(port: int) -> None:
        wanted = {"in_flight": 16, "coalesce": coalesce, "timeout": 600}  # no step of it waits for a clock
        async with fm.AsyncClient("127.0.0.1", port, **wanted) as plc:
            await plc.connect()
            seen: list[Any] = []
            found = await counted(plc.read_holding_registers(0, 60000), seen)
            assert np.array_equal(found, np.arange(60000))
            assert len(seen) == 1
            assert plc.stats.requests == 480

    with fm.Simulator(registers={"hr": range(65536)}) as simulator:
        run(test(simulator.port))


def test_a_long_read_does_not_hold_up_a_short_one() -> None:
    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port, in_flight=4) as plc:
            long = asyncio.create_task(plc.read_input_registers(0, 50000))
            await asyncio.sleep(0)
            await plc.read_holding_registers(0)
            assert not long.done()
            await long

    with fm.Simulator() as simulator:
        run(test(simulator.port))
        first_short = next(i for i, request in enumerate(simulator.log) if request.function == 3)
    assert first_short <= 8, "it is sent with the next turn"


@EVERY_LOOP
def test_tasks_that_read_little_each_teach_the_window(kind: str) -> None:
    """Of a client without options. 10 ms an answer: what each doubling gains shows on any machine."""

    async def in_turn(plc: fm.AsyncClient, task: int) -> None:
        for call in range(30):
            at = 100 * task + call
            assert (await plc.read_holding_registers(at, 2)).tolist() == [at, at + 1]

    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port) as plc:
            await asyncio.gather(*(in_turn(plc, task) for task in range(16)))
            assert plc.stats.limit > 2
            assert (plc.stats.timeouts, plc.stats.connections) == (0, 1)

    with fm.Simulator(registers={"hr": range(65536)}, answer_delay=0.01) as simulator:
        run(test(simulator.port), kind)


def test_requests_of_many_tasks_share_a_segment_only_where_they_may() -> None:
    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port, in_flight=16, coalesce=True) as plc:
            await plc.connect()
            await asyncio.gather(*(plc.read_holding_registers(i) for i in range(8)))

    with fm.Simulator() as simulator:
        run(test(simulator.port))
        assert {request.receive for request in simulator.log} == {1}


# ------------------------------------------------------------------------------------------------ polling


def test_poll() -> None:
    async def test(url: str) -> None:
        async with await fm.connect_async(url) as plc:
            call = asyncio.create_task(plc.poll({"level": "hr3"}, every=0.01, count=20))
            assert (await plc.read_holding_registers(3)).tolist() == [3]
            rows = await call
            assert rows.rows == 20
            assert set(rows["level"][rows.ok["level"]]) == {3.0}
            seen = len(simulator.log)
            endless = asyncio.create_task(plc.poll("hr3", every=0.01, duration="1h"))
            while len(simulator.log) < seen + 3:
                await asyncio.sleep(0.001)
            endless.cancel()
            with pytest.raises(asyncio.CancelledError):
                await endless
            assert (await plc.read_holding_registers(4)).tolist() == [4]

    with fm.Simulator(registers={"hr": range(10)}) as simulator:
        run(test(simulator.url))


def test_a_poller_takes_it_and_is_iterated_over_in_the_loop() -> None:
    async def test(url: str) -> None:
        async with await fm.connect_async(url) as plc:
            await plc.write_register(0, 41)
            with fm.Poller() as poller:
                poller.add(plc, {"level": "hr0"}, every=0.01)
                chunk = await anext(aiter(poller.chunks(rows=5)))
                assert (await plc.read_holding_registers(0)).tolist() == [41]
            assert chunk.rows == 5
            assert 41.0 in chunk["level"]

    with fm.Simulator() as simulator:
        run(test(simulator.url))


# ------------------------------------------------------------------------------------------------ the end


@EVERY_LOOP
def test_closing_ends_calls_in_progress(kind: str) -> None:
    async def test(port: int) -> None:
        plc = fm.AsyncClient("127.0.0.1", port, in_flight=2)
        calls = [asyncio.ensure_future(plc.read_holding_registers(i)) for i in range(5)]
        while plc.stats.requests < 2:
            await asyncio.sleep(0.001)
        await plc.close()
        await plc.close()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found] == [fm.ClientClosed] * 5
        with pytest.raises(fm.ClientClosed):
            await plc.read_holding_registers(0)
        with pytest.raises(fm.ClientClosed):
            await plc.connect()

    with fm.Simulator() as simulator:
        simulator.fault("drop")
        run(test(simulator.port), kind)


def test_closing_while_it_connects() -> None:
    from ports import deaf_port

    async def test(port: int) -> None:
        plc = fm.AsyncClient("127.0.0.1", port, connect_timeout=60)
        calls = [asyncio.ensure_future(each) for each in (plc.read_coils(0), plc.connect())]
        await asyncio.sleep(0.01)
        await plc.close()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found] == [fm.ClientClosed] * 2

    with deaf_port() as port:
        run(test(port))


def test_a_client_left_open_is_warned_about_and_closed() -> None:
    async def test(url: str) -> None:
        plc = await fm.connect_async(url, name="forgotten")
        await plc.read_coils(0)
        held = [plc]
        del plc
        with pytest.warns(ResourceWarning, match=r"unclosed <AsyncClient forgotten .*connected>"):
            held.clear()

    with fm.Simulator() as simulator:
        run(test(simulator.url))


def test_a_view_keeps_its_client_alive() -> None:
    async def test(url: str) -> None:
        plc = await fm.connect_async(url)
        view = plc.at(1)
        del plc
        gc.collect()
        await view.read_coils(0)
        assert view._parent is not None
        assert isinstance(view._parent, fm.AsyncClient)
        await view._parent.close()

    with fm.Simulator() as simulator:
        run(test(simulator.url))
