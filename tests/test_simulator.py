"""The simulator over real sockets: device, stream and time as a client sees them. No time has an upper bound."""

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from fastmodbus._core import codec
from fastmodbus.simulator import Simulator
from line import BUSY, PATIENCE, READ, Line, Maker, line


@pytest.fixture
def wire(modbus_sim: Simulator) -> Iterator[Line]:
    with line(modbus_sim) as made:
        yield made


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


# The device


def test_arrays_are_the_memory(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.holding[40:43] = 1, 2, 65535
    assert wire.registers(40, 3) == [1, 2, 65535]
    modbus_sim.input[65535] = 9
    assert wire.ask(codec.encode_request(4, address=65535, quantity=1)) == b"\x04\x02\x00\x09"
    modbus_sim.coils[3] = modbus_sim.discrete[4] = True
    assert wire.ask(codec.encode_request(1, address=0, quantity=8)) == b"\x01\x01\x08"
    assert wire.ask(codec.encode_request(2, address=0, quantity=8)) == b"\x02\x01\x10"
    wire.ask(codec.encode_request(16, address=10, quantity=2, data=words(7, 8)))
    wire.ask(codec.encode_request(5, address=100, quantity=0xFF00))
    assert modbus_sim.holding[10:12].tolist() == [7, 8]
    assert modbus_sim.coils[100]
    assert modbus_sim.coils.dtype == np.bool_
    assert {len(table) for table in (modbus_sim.holding, modbus_sim.input, modbus_sim.coils)} == {65536}


def test_first_contents(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(
        registers={"hr": {40: 1234, 0xFFFF: 1}, "ir": np.arange(10), "co": [True, False, True], "di": {7: True}},
        sizes={"ir": 10},
    )
    assert simulator.holding[[0, 40, 65535]].tolist() == [0, 1234, 1]
    assert simulator.input.tolist() == list(range(10))
    assert simulator.coils[:3].tolist() == [True, False, True]
    assert simulator.discrete.nonzero()[0].tolist() == [7]
    with line(simulator) as wire:
        assert wire.ask(codec.encode_request(4, address=9, quantity=2)) == b"\x84\x02"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"registers": {"xx": [1]}}, "'xx' is not an area"),
        ({"registers": {"hr": [65536]}}, "outside 0 to 65535"),
        ({"registers": {"hr": [-1]}}, "outside 0 to 65535"),
        ({"registers": {"hr": [1.5]}}, "integers"),
        ({"registers": {"hr": [[1]]}}, "dimensions"),
        ({"registers": {"hr": {65536: 1}}}, "addresses 0 to 65535"),
        ({"registers": {"hr": {-1: 1}}}, "addresses 0 to 65535"),
        ({"registers": {"hr": [1, 2]}, "sizes": {"hr": 1}}, "do not fit"),
        ({"sizes": {"hr": 65537}}, "0 to 65536"),
        ({"sizes": {"holding": 1}}, "areas are"),
        ({"units": ()}, "at least one"),
        ({"units": (256,)}, "0 to 255"),
        ({"port": 65536}, "ports are"),
        ({"answer_delay": -1}, "negative"),
        ({"service_time": float("nan")}, "negative"),
        ({"max_in_flight": 0}, "at least 1"),
        ({"unknown_unit": "loud"}, "silent, gateway, answer"),
        ({"illegal": ["hr5-4"]}, "go up"),
        ({"illegal": ["hr"]}, "not a range"),
        ({"illegal": ["3/hr0-9"]}, r"simulator\.unit\(3\)"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**options)  # type: ignore[arg-type]


def test_units(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(units=(1, 7))
    simulator.holding[0] = 1
    simulator.unit(7).holding[0] = 70
    assert simulator.unit(1).holding is simulator.holding
    with line(simulator) as wire:
        assert wire.registers(0, 1) == [1]
        assert wire.registers(0, 1, unit=7) == [70]
        wire.send(READ, unit=8)
        assert wire.registers(0, 1) == [1]
        assert wire.is_silent()
    with pytest.raises(ValueError, match="no unit 8; units are 1, 7"):
        simulator.unit(8)
    with pytest.raises(AttributeError, match="cannot be replaced"):
        simulator.unit(7).holding = np.zeros(1, np.uint16)


@pytest.mark.parametrize(("policy", "answer"), [("gateway", b"\x83\x0b"), ("answer", b"\x03\x04\0\x05\0\0")])
def test_unknown_unit(modbus_sim_from: Maker, policy: str, answer: bytes) -> None:
    simulator = modbus_sim_from(unknown_unit=policy, registers={"hr": [5]})
    with line(simulator) as wire:
        assert wire.ask(READ, unit=255) == answer


def test_fail(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(illegal=["co5"])
    simulator.fail("hr100-110", code=4, times=1)
    simulator.fail("ir0x10")
    with line(simulator) as wire:
        assert wire.ask(codec.encode_request(3, address=110, quantity=1)) == b"\x83\x04"
        assert wire.ask(codec.encode_request(3, address=110, quantity=1))[0] == 3
        assert wire.ask(codec.encode_request(4, address=0, quantity=17)) == b"\x84\x02"
        assert wire.ask(codec.encode_request(1, address=5, quantity=1)) == b"\x81\x02"
        simulator.unit(1).heal()
        assert wire.ask(codec.encode_request(4, address=0, quantity=17))[0] == 4
    for bad in ({"code": 0}, {"code": 256}, {"times": -1}):
        with pytest.raises(ValueError, match=r"must not|are 1 to"):
            simulator.fail("hr0", **bad)


def test_what_else_a_device_tells(modbus_sim: Simulator, wire: Line) -> None:
    unit = modbus_sim.unit(1)
    unit.server_id, unit.exception_status, unit.diagnostic_register = b"me\xff", 0xA5, 0x1234
    unit.identify({0: "Vendor", 1: b"Code", 2: None})
    unit.set_file(1, range(10))
    unit.set_queue(9, [5])
    assert (unit.server_id, unit.exception_status, unit.diagnostic_register) == (b"me\xff", 0xA5, 0x1234)
    assert wire.ask(b"\x11") == b"\x11\x03me\xff"
    assert wire.ask(b"\x07") == b"\x07\xa5"
    assert wire.ask(b"\x08\x00\x02\x00\x00") == b"\x08\x00\x02\x12\x34"
    assert wire.ask(b"\x2b\x0e\x01\x00") == b"\x2b\x0e\x01\x81\0\0\2\0\6Vendor\1\4Code"
    assert wire.ask(b"\x14\x07\x06" + words(1, 8, 2)) == b"\x14\x06\x05\x06" + words(8, 9)
    assert wire.ask(b"\x18" + words(9)) == b"\x18" + words(4, 1, 5)


# The stream


def test_coalesced_requests(modbus_sim: Simulator, wire: Line) -> None:
    modbus_sim.holding[:] = np.arange(65536)
    wire.send(*[codec.encode_request(3, address=100 * number, quantity=125) for number in range(300)])
    for number, (transaction_id, _, answer) in enumerate(wire.frames(300)):
        assert transaction_id == number + 1
        assert answer[2:4] == words(100 * number)
    assert modbus_sim.requests == 300


def test_requests_byte_by_byte(wire: Line) -> None:
    stream = codec.encode_mbap(1, 1, READ) + codec.encode_mbap(2, 1, b"\x07") + codec.encode_mbap(3, 1, READ)
    for at in range(len(stream)):
        wire.sock.sendall(stream[at : at + 1])
    assert wire.ids(3) == [1, 2, 3]


@pytest.mark.parametrize("broken", [b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\0\0", b"\0\1\0\0\0\1\1", b"\0\1\0\0\1\0\1"])
def test_a_broken_stream_is_closed_after_its_good_requests(modbus_sim: Simulator, wire: Line, broken: bytes) -> None:
    wire.sock.sendall(codec.encode_mbap(5, 1, READ) + broken)
    assert wire.rest() == codec.encode_mbap(5, 1, b"\x03\x04\0\0\0\0")
    with line(modbus_sim) as other:
        assert other.registers(0, 1) == [0]


def test_half_close_is_answered_first(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(answer_delay=0.02)
    with line(simulator) as wire:
        wire.send(READ, READ)
        wire.sock.shutdown(socket.SHUT_WR)
        assert len(wire.rest()) == 2 * 13


def test_one_answer_per_receive(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(one_answer_per_receive=True)
    with line(simulator) as wire:
        wire.send(READ, READ, READ)
        assert wire.ids(1) == [1]
        wire.send(READ, first=9)
        assert wire.ids(1) == [9]
        assert simulator.requests == 4


def test_a_reader_that_does_not_read_loses_nothing(modbus_sim: Simulator) -> None:
    modbus_sim.holding[:] = 0xABCD
    count, size = 40_000, 259
    requests = codec.encode_mbap(1, 1, codec.encode_request(3, address=0, quantity=125)) * count
    with line(modbus_sim) as wire:
        sender = threading.Thread(target=wire.sock.sendall, args=(requests,), daemon=True)
        sender.start()
        deadline = time.monotonic() + PATIENCE
        seen = -1
        while seen != modbus_sim.requests and time.monotonic() < deadline:  # until it has stopped reading, too
            seen = modbus_sim.requests
            sender.join(0.1)
        received = bytearray()
        while len(received) < count * size:
            received += wire.sock.recv(1 << 20)
        sender.join(PATIENCE)
    assert len(received) == count * size
    assert received == bytes(received[:size]) * count


def test_many_connections(modbus_sim: Simulator) -> None:
    modbus_sim.holding[0] = 5
    lines = [Line(modbus_sim) for _ in range(200)]
    for wire in lines:
        wire.send(READ)
    for wire in lines:
        assert wire.frames(1)[0][2] == b"\x03\x04\0\x05\0\0"
    for wire in lines:
        wire.sock.close()
    assert modbus_sim.connections == 200
    assert modbus_sim.requests == 200
    assert {request.connection for request in modbus_sim.log} == set(range(1, 201))


# Time


def test_answer_delay_overlaps(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(answer_delay=0.05)
    with line(simulator) as wire:
        sent = time.monotonic()
        wire.send(*[READ] * 40)
        assert wire.ids(40) == list(range(1, 41))
        assert time.monotonic() - sent >= 0.05
    simulator.answer_delay = 0.0
    with line(simulator) as wire:
        assert wire.registers(0, 1) == [0]


def test_service_time_adds_up_for_each_connection(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(service_time=0.01)
    with line(simulator) as wire, line(simulator) as other:
        sent = time.monotonic()
        wire.send(*[READ] * 10)
        other.send(READ, first=50)
        assert wire.ids(10) == list(range(1, 11))
        assert time.monotonic() - sent >= 0.1
        assert other.ids(1) == [50]


def test_requests_above_the_window_get_exception_6_at_once(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(answer_delay=0.1, max_in_flight=2)
    with line(simulator) as wire:
        wire.send(*[READ] * 4)
        frames = wire.frames(4)
        assert [(frame[0], frame[2] == BUSY) for frame in frames] == [(3, True), (4, True), (1, False), (2, False)]
        wire.send(READ, first=9)
        assert wire.ids(1) == [9]


def test_the_window_counts_what_waits(modbus_sim_from: Maker) -> None:
    simulator = modbus_sim_from(answer_delay=3600, max_in_flight=2)
    with line(simulator) as wire:
        for number in (1, 2, 3):
            wire.send(READ, first=number)
        assert wire.frames(1) == [(3, 1, BUSY)]
