"""Reading tables: values against the simulator's banks, how a read is split, and arrays that the caller brings."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastmodbus as fm
from fastmodbus.simulator import Unit
from loops import BOTH

CLIENTS = BOTH

Read = Callable[..., npt.NDArray[Any]]
TABLES = {
    "co": fm.Client.read_coils,
    "di": fm.Client.read_discrete_inputs,
    "hr": fm.Client.read_holding_registers,
    "ir": fm.Client.read_input_registers,
}
table = pytest.mark.parametrize(("area", "read"), TABLES.items(), ids=TABLES.keys())


def fill(unit: Unit, seed: int) -> None:
    random = np.random.default_rng(seed)
    for area in TABLES:
        memory = unit.table(area)
        memory[:] = random.integers(0, 2 if memory.dtype == bool else 65536, len(memory))


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 7)) as running:
        fill(running.unit(1), 1)
        fill(running.unit(7), 7)
        yield running


def asked(simulator: fm.Simulator) -> list[tuple[int, int]]:
    """Start and quantity of the requests in the log."""
    spans = [request.span for request in simulator.log]
    return [(start, stop - start) for _, start, stop in filter(None, spans)]


@table
@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("coalesce", [False, True], ids=["apart", "coalesced"])
def test_a_whole_table(simulator: fm.Simulator, area: str, read: Read, in_flight: int, coalesce: bool) -> None:
    with fm.connect(simulator.url, in_flight=in_flight, coalesce=coalesce) as client:
        found = read(client, 0, 65536)
    expected = simulator.unit(1).table(area)
    assert found.dtype == expected.dtype
    assert found.dtype.isnative
    assert np.array_equal(found, expected)
    limit = 2000 if found.dtype == bool else 125
    assert sorted(asked(simulator)) == [(at, min(limit, 65536 - at)) for at in range(0, 65536, limit)]
    assert simulator.connections == 1


@table
@pytest.mark.parametrize("in_flight", [1, 16])
def test_both_sides_of_a_split(simulator: fm.Simulator, area: str, read: Read, in_flight: int) -> None:
    limit = 2000 if area in ("co", "di") else 125
    with fm.connect(simulator.url, in_flight=in_flight) as client:
        for count in (1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1):
            simulator.clear_log()
            assert np.array_equal(read(client, 333, count), simulator.unit(1).table(area)[333 : 333 + count])
            assert [each for _, each in sorted(asked(simulator))] == [limit] * (count // limit) + (
                [count % limit] if count % limit else []
            )


@table
def test_the_clients_own_limits(simulator: fm.Simulator, area: str, read: Read) -> None:
    with fm.connect(simulator.url, in_flight=16, max_registers=10, max_bits=13) as client:
        assert np.array_equal(read(client, 5, 101), simulator.unit(1).table(area)[5:106])
    limit = 13 if area in ("co", "di") else 10
    assert sorted(asked(simulator)) == [(at, min(limit, 106 - at)) for at in range(5, 106, limit)]


@table
def test_the_first_and_the_last_address(simulator: fm.Simulator, area: str, read: Read) -> None:
    memory = simulator.unit(1).table(area)
    with fm.connect(simulator.url) as client:
        assert read(client, 0).tolist() == memory[:1].tolist()
        assert read(client, 65535).tolist() == memory[-1:].tolist()
        assert read(client, 65534, 2).tolist() == memory[-2:].tolist()


@table
@pytest.mark.parametrize("count", [1, 125, 5000])
@pytest.mark.parametrize("in_flight", [1, 16])
def test_into_an_array_of_the_caller(
    simulator: fm.Simulator, area: str, read: Read, count: int, in_flight: int
) -> None:
    memory = simulator.unit(1).table(area)
    frame = np.zeros(count + 2, memory.dtype)
    out = frame[1:-1]
    with fm.connect(simulator.url, in_flight=in_flight) as client:
        assert read(client, 100, count, out=out) is out
    assert np.array_equal(out, memory[100 : 100 + count])
    assert frame[0] == frame[-1] == 0


def test_a_row_of_a_matrix_is_an_array_too(simulator: fm.Simulator) -> None:
    rows = np.zeros((3, 50), np.uint16)
    with fm.connect(simulator.url) as client:
        for i, row in enumerate(rows):
            client.read_holding_registers(50 * i, 50, out=row)
    assert np.array_equal(rows.ravel(), simulator.holding[:150])


@table
def test_every_unit_has_its_own_tables(simulator: fm.Simulator, area: str, read: Read) -> None:
    with fm.connect(simulator.url) as client:
        assert np.array_equal(read(client, 10, 50), simulator.unit(1).table(area)[10:60])
        assert np.array_equal(read(client, 10, 50, unit=7), simulator.unit(7).table(area)[10:60])
    assert [request.unit for request in simulator.log] == [1, 7]


def test_results_do_not_share_memory(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url) as client:
        first = client.read_holding_registers(0, 300)
        kept = first.copy()
        simulator.holding[:300] += 1
        second = client.read_holding_registers(0, 300)
    assert np.array_equal(first, kept)
    assert np.array_equal(second, kept + 1)
    assert first.flags.owndata
    assert first.flags.writeable


def test_many_ids_in_a_row(simulator: fm.Simulator) -> None:
    """The transaction id wraps at 65535 and nothing else changes."""
    with fm.connect(simulator.url, in_flight=64, coalesce=True, max_registers=1) as client:
        first = client.read_holding_registers(0, 65536)
        second = client.read_holding_registers(0, 300)
    assert np.array_equal(first, simulator.holding)
    assert np.array_equal(second, simulator.holding[:300])
    assert simulator.connections == 1


def test_a_full_window_of_4096(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url, in_flight=4096, coalesce=True, max_registers=2) as client:
        assert np.array_equal(client.read_input_registers(0, 10000), simulator.input[:10000])


def test_answers_in_pieces(simulator: fm.Simulator) -> None:
    simulator.fault("split", size=7, times=20)
    with fm.connect(simulator.url, in_flight=4) as client:
        assert np.array_equal(client.read_holding_registers(0, 3000), simulator.holding[:3000])


def test_answers_that_overtake_each_other(simulator: fm.Simulator) -> None:
    simulator.fault("delay", p=0.5, seconds=0.005)
    with fm.connect(simulator.url, in_flight=16) as client:
        assert np.array_equal(client.read_holding_registers(0, 6000), simulator.holding[:6000])


def test_a_simulator_made_on_the_spot() -> None:
    with fm.connect("sim:") as client:
        client.write_registers(5, [1, 2, 3])
        assert client.read_holding_registers(4, 5).tolist() == [0, 1, 2, 3, 0]
        port = client.port
    with pytest.raises(fm.ConnectionFailed):
        fm.connect(f"tcp://127.0.0.1:{port}")
