"""Log, lock, connections, start and close of the simulator."""

import errno
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from fastmodbus._core import codec
from fastmodbus.simulator import Request, Simulator
from line import PATIENCE, READ, Line, line


@pytest.fixture
def wire(modbus_sim: Simulator) -> Iterator[Line]:
    with line(modbus_sim) as made:
        yield made


def test_log(modbus_sim: Simulator, wire: Line) -> None:
    wire.send(READ, codec.encode_request(6, address=9, quantity=1), unit=1, first=30)
    wire.frames(2)
    wire.send(READ, unit=4, first=40)
    wire.ask(b"\x07")
    assert modbus_sim.log == [
        Request(1, 1, 30, 1, READ),
        Request(1, 1, 31, 1, b"\x06\0\x09\0\x01"),
        Request(1, 2, 40, 4, READ),
        Request(1, modbus_sim.log[-1].receive, 77, 1, b"\x07"),
    ]
    assert [request.span for request in modbus_sim.log] == [("hr", 0, 2), ("hr", 9, 10), ("hr", 0, 2), None]
    modbus_sim.clear_log()
    assert (modbus_sim.log, modbus_sim.requests) == ([], 4)


def test_the_log_is_bounded(modbus_sim: Simulator, wire: Line) -> None:
    for _ in range(12):
        wire.send(*[READ] * 1000)
        wire.frames(1000)
    assert modbus_sim.requests == 12_000
    assert len(modbus_sim.log) == 10_000
    assert modbus_sim.log[-1].transaction_id == 1000


def test_the_lock_keeps_values_together(modbus_sim: Simulator, wire: Line) -> None:
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) & 0xFFFF
            with modbus_sim.lock:
                modbus_sim.holding[0] = number
                modbus_sim.holding[1] = number

    writer = threading.Thread(target=change)
    writer.start()
    pairs = [wire.registers(0, 2) for _ in range(300)]
    stop.set()
    writer.join()
    assert all(low == high for low, high in pairs)


@pytest.mark.parametrize("reset", [False, True])
def test_disconnect(modbus_sim: Simulator, reset: bool) -> None:
    with line(modbus_sim) as one, line(modbus_sim) as two:
        assert one.registers(0, 1) == [0]
        modbus_sim.disconnect(reset=reset)  # two may not even have been accepted yet
        for wire in (one, two):
            if reset:
                with pytest.raises(ConnectionResetError):
                    wire.rest()
            else:
                assert wire.rest() == b""
    with line(modbus_sim) as other:
        assert other.registers(0, 1) == [0]
    assert modbus_sim.connections == 3


def test_no_request_is_answered_after_a_disconnect(modbus_sim: Simulator, wire: Line) -> None:
    wire.registers(0, 1)
    with modbus_sim.lock:
        wire.send(codec.encode_request(6, address=0, quantity=99))
        modbus_sim.disconnect()
    with pytest.raises((ConnectionResetError, AssertionError)):
        wire.frames(1)
    assert modbus_sim.holding[0] == 0


def test_close_and_start_again_on_the_same_port() -> None:
    simulator = Simulator()
    assert simulator.port == 0
    simulator.close()
    simulator.disconnect()
    with simulator:
        port = simulator.port
        assert simulator.url == f"tcp://127.0.0.1:{port}"
        assert simulator.start() is simulator
        assert "running" in repr(simulator)
        with line(simulator) as wire:
            wire.ask(codec.encode_request(6, address=0, quantity=8))
            simulator.close()
            assert wire.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            Line(simulator)
        simulator.close()
        simulator.start()
        assert simulator.port == port
        with line(simulator) as wire:
            assert wire.registers(0, 1) == [8]
    assert "closed" in repr(simulator)


def test_a_port_in_use_is_named(modbus_sim: Simulator) -> None:
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{modbus_sim.port}: Address already in use") as caught:
        Simulator(port=modbus_sim.port).start()
    assert caught.value.errno == errno.EADDRINUSE


def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1:0"):
        Simulator(host="192.0.2.1").start()


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("platform: no IPv6")
    with Simulator(host="::1") as simulator, socket.create_connection(("::1", simulator.port), PATIENCE) as sock:
        sock.sendall(codec.encode_mbap(1, 1, READ))
        assert sock.recv(100) == codec.encode_mbap(1, 1, b"\x03\x04\0\0\0\0")
        assert simulator.url == f"tcp://[::1]:{simulator.port}"


def test_descriptors_are_given_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("platform: no /proc")
    before = descriptors()
    for _ in range(3):
        with Simulator() as simulator, line(simulator) as wire, line(simulator) as silent:
            wire.registers(0, 1)
            silent.send(READ[:3])
    assert descriptors() == before
