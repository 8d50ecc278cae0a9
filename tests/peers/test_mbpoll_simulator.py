"""mbpoll, a client on libmodbus, against our simulator."""

from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from peers.contents import READ_FUNCTION, TableName, computed
from peers.mbpoll import Mbpoll, MbpollError

pytestmark = pytest.mark.usefixtures("mbpoll_installed")
AREAS: dict[TableName, str] = {"coils": "co", "discrete": "di", "input": "ir", "holding": "hr"}


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    registers = {area: np.array(computed(name)) for name, area in AREAS.items()}
    with fm.Simulator(units=(1, 17), registers=registers, illegal=["hr300-310"]) as simulator:
        yield simulator


@pytest.mark.parametrize("name", READ_FUNCTION)
@pytest.mark.parametrize(("address", "count"), [(0, 1), (7, 100), (65411, 125)])
def test_reads(simulator: fm.Simulator, name: TableName, address: int, count: int) -> None:
    values = Mbpoll(simulator.port).read(name, address, count)
    assert values == computed(name)[address : address + count]
    assert simulator.requests == 1


def test_writes(simulator: fm.Simulator) -> None:
    client = Mbpoll(simulator.port)
    client.write("holding", 200, [4711])
    client.write("holding", 201, [0, 65535, 3])
    client.write("coils", 200, [1])
    client.write("coils", 201, [0, 1, 1, 0, 1])
    with simulator.lock:
        assert list(simulator.holding[200:204]) == [4711, 0, 65535, 3]
        assert list(simulator.coils[200:206]) == [True, False, True, True, False, True]


def test_floats(simulator: fm.Simulator) -> None:
    with simulator.lock:
        simulator.input[10:12] = np.array([21.5], ">f4").view(">u2")
    assert Mbpoll(simulator.port).read_floats("input", 10, big_endian=True) == [21.5]


def test_another_unit(simulator: fm.Simulator) -> None:
    with simulator.lock:
        simulator.unit(17).holding[3] = 17
    assert Mbpoll(simulator.port, unit=17).read("holding", 3) == [17]


@pytest.mark.parametrize(("address", "count"), [(65535, 2), (310, 1), (290, 11)])
def test_illegal_addresses(simulator: fm.Simulator, address: int, count: int) -> None:
    with pytest.raises(MbpollError, match="Illegal data address"):
        Mbpoll(simulator.port).read("holding", address, count)
    assert Mbpoll(simulator.port).read("holding", 311) == computed("holding")[311:312]


def test_a_silent_unit(simulator: fm.Simulator) -> None:
    with pytest.raises(MbpollError, match="timed out"):
        Mbpoll(simulator.port, unit=99, timeout=0.1).read("holding", 0)
