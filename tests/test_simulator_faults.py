"""What goes wrong on purpose with the simulator's answers."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fastmodbus._core import codec
from fastmodbus.simulator import Effect, Simulator
from line import READ, Line, Maker, line


@pytest.fixture
def wire(modbus_sim: Simulator) -> Iterator[Line]:
    with line(modbus_sim) as made:
        yield made


def test_drop_by_range_and_times(modbus_sim: Simulator, wire: Line) -> None:
    fault = modbus_sim.fault("drop", times=1, where="hr1-5")
    wire.send(READ, READ, codec.encode_request(3, address=6, quantity=1))
    assert wire.ids(2) == [2, 3]
    assert fault.struck == 1


def test_wrong_header_fields(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.fault("transaction_id", where=lambda request: request.transaction_id == 1)
    modbus_sim.fault("transaction_id", value=0, where=lambda request: request.transaction_id == 2)
    modbus_sim.fault("unit", where=lambda request: request.transaction_id == 3)
    modbus_sim.fault("unit", value=0, where=lambda request: request.transaction_id == 4)
    wire.send(*[READ] * 5)
    assert [frame[:2] for frame in wire.frames(5)] == [(1 ^ 0x5555, 1), (0, 1), (3, 1 ^ 0x55), (4, 0), (5, 1)]
    modbus_sim.clear_faults()
    assert wire.registers(0, 1) == [0]


def test_duplicate_and_delay(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.fault("delay", seconds=0.05, times=1)
    modbus_sim.fault("duplicate", copies=3, times=1)
    sent = time.monotonic()
    wire.send(*[READ] * 3)
    assert wire.ids(5) == [2, 2, 2, 3, 1]
    assert time.monotonic() - sent >= 0.05


def test_split_holds_the_answers_behind_it(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.fault("split", size=5, gap=0.02, times=2)
    sent = time.monotonic()
    wire.send(*[READ] * 4)
    assert wire.ids(4) == [1, 2, 3, 4]
    assert time.monotonic() - sent >= 0.08
    modbus_sim.fault("split", size=1)
    wire.send(READ, READ)
    assert wire.ids(2) == [1, 2]


@pytest.mark.parametrize("sent", [0, 6])
def test_close(modbus_sim: Simulator, wire: Line, sent: int) -> None:
    modbus_sim.fault("close", sent=sent, where=lambda request: request.transaction_id == 2)
    wire.send(*[READ] * 3)
    assert len(wire.rest()) == 13 + sent
    with line(modbus_sim) as other:
        assert other.registers(0, 1) == [0]


def test_reset(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.fault("reset", times=1)
    wire.send(READ)
    with pytest.raises(ConnectionResetError):
        wire.rest()


def test_any_function_of_the_bytes_is_a_fault(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.fault(lambda adu: adu[:-1] + b"\x99", times=1)
    modbus_sim.fault(lambda adu: Effect((adu, b"tail"), ending="close"), times=1)
    assert wire.ask(READ) == b"\x03\x04\0\0\0\x99"
    wire.send(READ)
    assert wire.rest().endswith(b"tail")


def test_faults_by_chance_are_the_same_every_time(modbus_sim_from: Maker) -> None:
    def struck(seed: int) -> list[int]:
        simulator = modbus_sim_from(seed=seed)
        simulator.fault("duplicate", p=0.3)
        with line(simulator) as wire:
            wire.send(*[READ] * 200)
            wire.sock.shutdown(socket.SHUT_WR)
            ids = [frame[0] for frame in codec.split_mbap(wire.rest())[0]]
        return [number for number in range(1, 201) if ids.count(number) == 2]

    first = struck(1)
    assert struck(1) == first
    assert struck(2) != first
    assert 20 < len(first) < 100


def test_bad_faults(modbus_sim: Simulator) -> None:
    with pytest.raises(ValueError, match="faults are drop, duplicate"):
        modbus_sim.fault("explode")
    with pytest.raises(ValueError, match="probability"):
        modbus_sim.fault("drop", p=2)
    with pytest.raises(ValueError, match="not a range"):
        modbus_sim.fault("drop", where="everywhere")
    with pytest.raises(TypeError, match="size"):
        modbus_sim.fault("drop", size=1)
    with pytest.raises(TypeError, match="no options"):
        modbus_sim.fault(lambda adu: adu, size=1)


@pytest.mark.parametrize("broken", [lambda adu: 1 / 0, lambda adu: None, lambda adu: "text"])
def test_a_fault_that_fails_leaves_the_answer_as_it_is(
    modbus_sim: Simulator, wire: Line, caplog: pytest.LogCaptureFixture, broken: Any
) -> None:
    fault = modbus_sim.fault(broken)
    modbus_sim.fault("drop", where=lambda request: request.nothing)
    for _ in range(3):
        assert wire.registers(0, 1) == [0]
    assert (fault.struck, fault.failed) == (0, True)
    assert sum("a fault failed" in record.message for record in caplog.records) == 2
