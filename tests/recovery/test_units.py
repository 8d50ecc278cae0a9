"""Units behind one gateway: one that falls silent costs its own values, the others go on, it comes back by itself."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.simulator import Request

UNITS = (1, 2, 3)
DEAD = 2
SIZE = 6000
IN_FLIGHT: tuple[Any, ...] = (1, 4, 16, "auto")


def contents(unit: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return (np.arange(SIZE) * unit).astype(np.uint16)


@pytest.fixture
def gateway() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=UNITS) as sim:
        for unit in UNITS:
            sim.unit(unit).holding[:SIZE] = contents(unit)
        yield sim


def of_dead_unit(request: Request) -> bool:
    return request.unit == DEAD


def refuse(code: int) -> Callable[[bytes], bytes]:
    """An answer turned into an exception of the gateway's."""
    return lambda adu: adu[:4] + bytes([0, 3, adu[6], adu[7] | 0x80, code])


FAULTS: dict[str, tuple[Any, type[fm.ModbusError]]] = {
    "silence": ("drop", fm.RequestTimeout),
    "no path": (refuse(0x0A), fm.GatewayPathUnavailable),
    "no answer": (refuse(0x0B), fm.GatewayTargetFailed),
}
of_every_fault = pytest.mark.parametrize(("kind", "error"), FAULTS.values(), ids=FAULTS.keys())
of_every_window = pytest.mark.parametrize("in_flight", IN_FLIGHT)


def right(client: fm.Client, unit: int) -> bool:
    return np.array_equal(client.read_holding_registers(0, SIZE, unit=unit), contents(unit))


def asked(gateway: fm.Simulator) -> int:
    return sum(request.unit == DEAD for request in gateway.log)


@of_every_fault
@of_every_window
def test_a_long_read_of_a_dead_unit_is_given_up(
    gateway: fm.Simulator, kind: Any, error: type[fm.ModbusError], in_flight: Any
) -> None:
    """Two requests fail with all their repetitions; the others of the 48 that were not under way are not even sent."""
    gateway.fault(kind, where=of_dead_unit)
    with fm.connect(gateway.url, in_flight=in_flight, timeout=0.1, retries=1) as client:
        assert right(client, 1)
        with pytest.raises(error) as caught:
            client.read_holding_registers(0, SIZE, unit=DEAD)
        assert not caught.value.ok.any()
        window = 1 if in_flight == "auto" else in_flight
        assert asked(gateway) <= 2 * max(2, window) + 16 * (in_flight == "auto")
        gateway.clear_log()
        with pytest.raises(fm.ModbusError):
            client.read_holding_registers(0, SIZE, unit=DEAD)
        assert asked(gateway) == 1
        assert right(client, 1)
        assert right(client, 3)
        assert client.stats.connections == 1


@of_every_fault
@of_every_window
def test_it_comes_back_with_its_first_answer(
    gateway: fm.Simulator, kind: Any, error: type[fm.ModbusError], in_flight: Any
) -> None:
    gateway.fault(kind, where=of_dead_unit)
    with fm.connect(gateway.url, in_flight=in_flight, timeout=0.1, retries=1) as client:
        for _ in range(2):
            with pytest.raises(error):
                client.read_holding_registers(0, SIZE, unit=DEAD)
        gateway.clear_faults()
        assert right(client, DEAD)
        assert client.stats.connections == 1


@of_every_fault
@pytest.mark.parametrize("in_flight", [4, 16, "auto"])
def test_the_others_go_on_meanwhile(
    gateway: fm.Simulator, kind: Any, error: type[fm.ModbusError], in_flight: Any
) -> None:
    """A thread keeps asking the dead unit; the others, in other threads, get all their values."""
    gateway.fault(kind, where=of_dead_unit)
    over = threading.Event()
    failures = 0

    def ask_in_vain() -> None:
        nonlocal failures
        while not over.is_set():
            try:
                client.read_holding_registers(0, SIZE, unit=DEAD)
            except error:
                failures += 1

    with fm.connect(gateway.url, in_flight=in_flight, timeout=0.2, retries=1) as client:
        thread = threading.Thread(target=ask_in_vain)
        thread.start()
        try:
            values = [(right(client, 1), right(client, 3)) for _ in range(10)]
        finally:
            over.set()
            thread.join()
        assert values == [(True, True)] * 10
        assert failures > 0
        assert client.stats.protocol_errors == 0
