"""Writing: what arrives in the simulator's banks, how a write is split, and the functions that change registers."""

from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from loops import BOTH

CLIENTS = BOTH

FRAMES = tuple[int, int, int]


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 7)) as running:
        yield running


def asked(simulator: fm.Simulator) -> list[FRAMES]:
    """Function, start and quantity of the requests in the log."""
    spans = [(request.function, request.span) for request in simulator.log]
    return [(function, span[1], span[2] - span[1]) for function, span in spans if span]


@pytest.mark.parametrize("value", [True, np.True_, 1, np.uint8(1)], ids=repr)
def test_one_coil_on(simulator: fm.Simulator, value: bool) -> None:
    with fm.connect(simulator.url) as client:
        client.write_coil(9, value)
    assert np.flatnonzero(simulator.coils).tolist() == [9]
    assert [request.pdu.hex(" ") for request in simulator.log] == ["05 00 09 ff 00"]


@pytest.mark.parametrize("value", [False, np.False_, 0], ids=repr)
def test_one_coil_off(simulator: fm.Simulator, value: bool) -> None:
    simulator.coils[:] = True
    with fm.connect(simulator.url) as client:
        client.write_coil(65535, value)
    assert np.flatnonzero(~simulator.coils).tolist() == [65535]
    assert [request.pdu.hex(" ") for request in simulator.log] == ["05 ff ff 00 00"]


@pytest.mark.parametrize(("option", "pdu"), [("fc06", "06 00 07 ab cd"), ("fc16", "10 00 07 00 01 02 ab cd")])
def test_one_register(simulator: fm.Simulator, option: str, pdu: str) -> None:
    with fm.connect(simulator.url, write_single=option) as client:
        client.write_register(7, 0xABCD)
        client.write_register(np.uint8(8), np.int64(65535), unit=7)
    assert simulator.holding[7] == 0xABCD
    assert simulator.unit(7).holding[8] == 65535
    assert simulator.log[0].pdu.hex(" ") == pdu


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("pipeline_writes", [False, True])
@pytest.mark.parametrize("count", [1, 122, 123, 124, 246, 1000, 65536])
def test_registers(simulator: fm.Simulator, in_flight: int, pipeline_writes: bool, count: int) -> None:
    values = np.random.default_rng(count).integers(0, 65536, count).astype(np.uint16)
    start = min(400, 65536 - count)
    with fm.connect(simulator.url, in_flight=in_flight, pipeline_writes=pipeline_writes) as client:
        client.write_registers(start, values)
    assert np.array_equal(simulator.holding[start : start + count], values)
    assert simulator.holding[:start].sum() == simulator.holding[start + count :].sum() == 0
    assert asked(simulator) == [(16, at, min(123, start + count - at)) for at in range(start, start + count, 123)]


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 1967, 1968, 1969, 5000, 65536])
def test_coils(simulator: fm.Simulator, in_flight: int, count: int) -> None:
    values = np.random.default_rng(count).integers(0, 2, count).astype(bool)
    start = min(3, 65536 - count)
    with fm.connect(simulator.url, in_flight=in_flight) as client:
        client.write_coils(start, values)
    assert np.array_equal(simulator.coils[start : start + count], values)
    assert not simulator.coils[start + count :].any()
    assert asked(simulator) == [(15, at, min(1968, start + count - at)) for at in range(start, start + count, 1968)]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 65535],
        (1, 2, 65535),
        np.array([1, 2, 65535], np.int64),
        np.array([1, 2, 65535], ">u2"),
        np.array([1, 0, 2, 0, 65535, 0], np.uint16)[::2],
        [np.uint8(1), np.int32(2), np.uint16(65535)],
    ],
    ids=["list", "tuple", "int64", "big-endian", "strided", "numpy integers"],
)
def test_registers_from_all_sorts_of_sequences(simulator: fm.Simulator, values: list[int]) -> None:
    with fm.connect(simulator.url) as client:
        client.write_registers(0, values)
        assert client.read_write_registers(0, 3, 10, values).tolist() == [1, 2, 65535]
    assert simulator.holding[:3].tolist() == simulator.holding[10:13].tolist() == [1, 2, 65535]


@pytest.mark.parametrize(
    "values",
    [[True, False, True], (1, 0, 1), np.array([1, 0, 1]), np.array([True, True, False, True, True])[::2]],
    ids=["list", "integers", "integer array", "strided"],
)
def test_coils_from_all_sorts_of_sequences(simulator: fm.Simulator, values: list[bool]) -> None:
    expected = [bool(each) for each in values]
    with fm.connect(simulator.url) as client:
        client.write_coils(0, values)
    assert simulator.coils[:3].tolist() == expected


def test_the_clients_own_limits(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url, max_registers=10, max_bits=20) as client:
        client.write_registers(0, range(25))
        client.write_coils(0, [True] * 45)
    assert [(start, count) for _, start, count in asked(simulator)] == [
        (0, 10), (10, 10), (20, 5), (0, 20), (20, 20), (40, 5),
    ]  # fmt: skip
    assert simulator.holding[:26].tolist() == [*range(25), 0]


@pytest.mark.parametrize(("and_mask", "or_mask"), [(0x00F2, 0x0025), (0, 0xFFFF), (0xFFFF, 0), (0, 0)])
def test_mask_write(simulator: fm.Simulator, and_mask: int, or_mask: int) -> None:
    simulator.holding[4] = 0x0012
    with fm.connect(simulator.url) as client:
        client.mask_write_register(4, and_mask, or_mask)
    assert simulator.holding[4] == (0x0012 & and_mask) | (or_mask & ~and_mask & 0xFFFF)


@pytest.mark.parametrize(("read_count", "write_count"), [(1, 1), (125, 121), (3, 121), (125, 1)])
def test_read_write(simulator: fm.Simulator, read_count: int, write_count: int) -> None:
    simulator.holding[:] = np.arange(65536)
    values = np.arange(write_count) + 30000
    with fm.connect(simulator.url) as client:
        found = client.read_write_registers(10, read_count, 11, values)
    expected = np.arange(65536)
    expected[11 : 11 + write_count] = values
    assert np.array_equal(simulator.holding, expected)
    assert found.dtype == np.uint16
    assert np.array_equal(found, expected[10 : 10 + read_count]), "written first, then read (ap 6.17)"


def test_what_was_written_is_what_is_read(simulator: fm.Simulator) -> None:
    random = np.random.default_rng(5)
    registers = random.integers(0, 65536, 3000).astype(np.uint16)
    coils = random.integers(0, 2, 9000).astype(bool)
    with fm.connect(simulator.url, in_flight=16) as client:
        client.write_registers(17, registers)
        client.write_coils(17, coils)
        assert np.array_equal(client.read_holding_registers(17, 3000), registers)
        assert np.array_equal(client.read_coils(17, 9000), coils)
