"""Cancellation leaves the connection right, whenever it comes: the next call and those beside it get their own data."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from loops import KINDS, run
from ports import deaf_port
from proxy import DelayingProxy

REQUESTS = 4
ANSWER = 11  # bytes of the answer with one register
EVERY_LOOP = pytest.mark.parametrize("kind", KINDS)


def device() -> fm.Simulator:
    return fm.Simulator(registers={"hr": range(65536)})


async def good_calls(plc: fm.AsyncClient) -> None:
    """Whatever happened before: right data over the connection that there is."""
    assert np.array_equal(await plc.read_holding_registers(100, 300), np.arange(100, 400))
    assert (await plc.read_holding_registers(7)).tolist() == [7]


# ------------------------------------------------------------------------------------------------ every suspension


@types.coroutine
def cancelled_at(coroutine: Coroutine[Any, Any, Any], suspension: int, seen: list[Any]) -> Generator[Any, Any, Any]:
    """Run a coroutine whose task is cancelled when it is suspended for the n-th time, counted from 0."""
    step, argument = coroutine.send, None
    while True:
        try:
            waiting_for = step(argument)
        except StopIteration as stop:
            return stop.value
        seen.append(waiting_for)
        if len(seen) == suspension + 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        step, argument = coroutine.send, None
        try:
            yield waiting_for
        except asyncio.CancelledError as error:
            step, argument = coroutine.throw, error  # type: ignore[assignment]


CALLS = {
    "bulk": lambda plc: plc.read_holding_registers(0, 5000),
    "single": lambda plc: plc.read_holding_registers(3),
    "names": lambda plc: plc.read({"a": "hr0:f32", "b": "hr30000:u16"}),
    "identification": lambda plc: plc.read_device_identification(),
    "write": lambda plc: plc.write("hr50:f32", 4.0, verify=True),
    "writes": lambda plc: plc.write_registers(1000, list(range(500))),
    "connect": lambda plc: plc.connect(),
}


@EVERY_LOOP
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("connected", [True, False], ids=["connected", "first"])
def test_at_every_suspension(name: str, connected: bool, kind: str) -> None:
    async def attempt(port: int, suspension: int) -> bool:
        async with fm.AsyncClient("localhost", port, in_flight=4) as plc:
            if connected:
                await plc.connect()
            seen: list[Any] = []
            over = False
            try:
                await asyncio.ensure_future(wrapped(plc, suspension, seen))
                over = True
            except asyncio.CancelledError:
                pass
            except fm.ModbusError:
                over = name == "identification"  # the simulator has none
            await good_calls(plc)
            assert plc.stats.connections <= 1 + (not connected)
            return over and len(seen) <= suspension

    async def wrapped(plc: fm.AsyncClient, suspension: int, seen: list[Any]) -> Any:
        return await cancelled_at(CALLS[name](plc), suspension, seen)

    async def test(port: int) -> None:
        suspension = 0
        while not await attempt(port, suspension):
            suspension += 1
            assert suspension < 100
        assert suspension >= 1 or (name == "connect" and connected)

    with device() as simulator:
        run(test(simulator.port), kind)


# ------------------------------------------------------------------------------------------------ every byte


@pytest.mark.parametrize("kind", ["selector", "protocol"])
@pytest.mark.parametrize("victim", range(REQUESTS))
def test_each_of_several_requests_at_each_byte_of_the_answers(victim: int, kind: str) -> None:
    """So many requests are in flight; some bytes of the answers have come; one of the calls is cancelled."""

    async def at(plc: fm.AsyncClient, proxy: DelayingProxy, passed: int) -> None:
        proxy.close_up()
        calls = [asyncio.ensure_future(plc.read_holding_registers(1000 + passed + i)) for i in range(REQUESTS)]
        await proxy.holds(REQUESTS * ANSWER)
        proxy.release(passed)
        for _ in range(3):
            await asyncio.sleep(0)
        calls[victim].cancel()
        await asyncio.sleep(0)
        next_one = asyncio.ensure_future(plc.read_holding_registers(2000 + passed))
        proxy.open()
        found = await asyncio.gather(*calls, return_exceptions=True)
        for i, each in enumerate(found):
            if i != victim or not isinstance(each, asyncio.CancelledError):
                assert not isinstance(each, BaseException), each
                assert each.tolist() == [1000 + passed + i]
        assert (await next_one).tolist() == [2000 + passed]

    async def test(port: int) -> None:
        async with DelayingProxy(port) as proxy, fm.AsyncClient("127.0.0.1", proxy.port, in_flight=REQUESTS) as plc:
            await plc.connect()
            for passed in range(REQUESTS * ANSWER + 1):
                await at(plc, proxy, passed)
            assert proxy.connections == 1
            assert plc.stats.unknown == plc.stats.timeouts == plc.stats.protocol_errors == 0

    with device() as simulator:
        run(test(simulator.port), kind)


def test_a_bulk_read_at_each_byte_of_its_answers() -> None:
    async def at(plc: fm.AsyncClient, proxy: DelayingProxy, passed: int) -> None:
        proxy.close_up()
        out = np.full(REQUESTS, 0xAAAA, np.uint16)
        call = asyncio.ensure_future(plc.read_holding_registers(1000, REQUESTS, out=out))
        await proxy.holds(REQUESTS * ANSWER)
        proxy.release(passed)
        for _ in range(3):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        before = out.copy()
        proxy.open()
        await good_calls(plc)
        if call.cancelled():
            assert np.array_equal(out, before), "nothing is written there any more"

    async def test(port: int) -> None:
        async with DelayingProxy(port) as proxy, fm.AsyncClient("127.0.0.1", proxy.port, in_flight=4) as plc:
            bulk = plc.at(1, max_registers=1)
            await plc.connect()
            for passed in range(REQUESTS * ANSWER + 1):
                await at(bulk, proxy, passed)
            assert proxy.connections == 1

    with device() as simulator:
        run(test(simulator.port))


# ------------------------------------------------------------------------------------------------ writes


def test_a_write_that_was_not_sent_is_not_sent() -> None:
    """Writes go one after the other: those behind the first one wait, and some of them are cancelled."""

    async def test(port: int) -> None:
        async with DelayingProxy(port) as proxy, fm.AsyncClient("127.0.0.1", proxy.port) as plc:
            calls = [asyncio.ensure_future(plc.write_register(i, 99)) for i in range(6)]
            await proxy.holds(12)
            for i in (1, 3, 5):
                calls[i].cancel()
            proxy.open()
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in found] == [type(None), asyncio.CancelledError] * 3
            await good_calls(plc.at(1))

    with fm.Simulator() as simulator:
        simulator.holding[:] = np.arange(65536)
        run(test(simulator.port))
        assert simulator.holding[:6].tolist() == [99, 1, 99, 3, 99, 5]
        assert sum(request.function == 6 for request in simulator.log) == 3


# ------------------------------------------------------------------------------------------------ connecting


@EVERY_LOOP
def test_while_it_connects(kind: str) -> None:
    """The last one who waits takes the attempt with it; as long as somebody waits it goes on."""

    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port, connect_timeout=60) as plc:
            calls = [asyncio.ensure_future(each) for each in (plc.read_coils(0), plc.connect(), plc.read_coils(0))]
            await asyncio.sleep(0.01)
            for call in calls:
                assert plc._link._connecting is not None
                call.cancel()
                await asyncio.wait([call])
                assert call.cancelled()
            assert plc._link._connecting is None

    with deaf_port() as port:
        run(test(port), kind)


def test_one_of_two_who_wait_for_the_connection() -> None:
    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port) as plc:
            first, second = (asyncio.ensure_future(plc.read_holding_registers(i)) for i in (5, 6))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second).tolist() == [6]
            assert first.cancelled()
            assert plc.stats.requests == 1

    with device() as simulator:
        run(test(simulator.port))


def test_a_call_right_behind_a_cancelled_one_connects_anew() -> None:
    async def test(port: int) -> None:
        async with fm.AsyncClient("127.0.0.1", port) as plc:
            for turns in range(8):
                first = asyncio.ensure_future(plc.read_holding_registers(5))
                for _ in range(turns):
                    await asyncio.sleep(0)
                first.cancel()
                assert (await plc.read_holding_registers(6)).tolist() == [6]

    with device() as simulator:
        run(test(simulator.port))


def test_timeouts_of_asyncio() -> None:
    async def test(port: int) -> None:
        async with DelayingProxy(port) as proxy, fm.AsyncClient("127.0.0.1", proxy.port) as plc:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await plc.read_holding_registers(5)
            proxy.open()
            await good_calls(plc)
            assert proxy.connections == 1

    with device() as simulator:
        run(test(simulator.port))
