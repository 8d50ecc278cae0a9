"""Connections, clocks and processes: servers that close or do not read, writes that are sent once, clock jumps."""

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import faketime
import fastmodbus as fm
from children import run_python, start_python
from fastmodbus import sockets
from fastmodbus.errors import ConnectionFailed, ModbusError, ProtocolError, RequestTimeout
from faults.harness import LONG, SHORT, device, good_calls
from faults.verdicts import Verdicts
from loops import BOTH
from scripted import Connection, ScriptedServer

CLIENTS = BOTH


# ------------------------------------------------------------------------------------------------ closed when idle


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_closed_between_calls(reset: bool, verdicts: Verdicts) -> None:
    """The server's end is known before the next request is sent: reads and writes alike go over a new connection."""
    closed = threading.Event()

    def script(connection: Connection) -> None:
        connection.answer(connection.receive())
        connection.wait_until_read()
        if reset:
            connection.reset()
        else:
            connection.finish()
        closed.set()

    for write in (False, True):
        closed.clear()
        with ScriptedServer(script, lambda c: c.serve()) as server, fm.connect(server.url, retries=0) as plc:
            plc.read_holding_registers(0)
            assert closed.wait(LONG)
            if write:
                plc.write_register(5, 6)
            else:
                plc.read_holding_registers(0)
            assert len(server.requests) == 2
        assert server.connections == 2
    verdicts.note("closed when idle", "write", "right data, new connection")


def test_closed_between_connecting_and_the_first_call() -> None:
    """The socket is looked at before the first request as before any other: even a write goes over a new connection."""
    closed = threading.Event()

    def script(connection: Connection) -> None:
        connection.finish()
        closed.set()

    with ScriptedServer(script, lambda c: c.serve()) as server, fm.connect(server.url, retries=0) as plc:
        assert closed.wait(LONG)
        plc.write_register(5, 6)
        assert len(server.requests) == 1
    assert server.connections == 2


def test_failures_on_several_connections_do_not_cost_the_next_call() -> None:
    with device() as simulator, fm.connect(simulator.url, retries=0, timeout=LONG) as plc:
        simulator.fault("fin_before", times=5)
        for _ in range(5):
            with pytest.raises(ConnectionFailed):
                plc.read_holding_registers(0)
        good_calls(plc, simulator)


def test_a_broken_connection_is_closed_with_the_call_that_saw_it() -> None:
    """Not at the next call: a device has few connections to give."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 400 Bad Request\r\n")

    with ScriptedServer(script) as server, fm.connect(server.url, retries=0, timeout=LONG) as plc:
        with pytest.raises(ProtocolError):
            plc.read_holding_registers(0)
        server.wait_for_gone(1)
        assert not plc.connected


# ------------------------------------------------------------------------------------------------ a full peer


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of this test have a small send buffer."""
    tune = sockets.tune

    def narrower(connection: socket.socket) -> None:
        tune(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    monkeypatch.setattr(sockets, "tune", narrower)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("by", ["timeout", "deadline"])
def test_a_peer_that_does_not_read(by: str, verdicts: Verdicts) -> None:
    """Sending blocks: the timeout covers it, and what never left is told from what may have arrived."""
    never = threading.Event()

    def full(connection: Connection) -> None:
        connection.wait(never)

    options: dict[str, Any] = {"in_flight": 4096, "pipeline_writes": True, "retries": 0, "timeout": LONG, by: SHORT}
    with (
        ScriptedServer(full, lambda c: c.serve(), receive_buffer=2048) as server,
        fm.connect(server.url, **options) as plc,
    ):
        with pytest.raises(RequestTimeout) as caught:
            plc.write_registers(0, [7] * 65000)
        assert caught.value.outcome_unknown
        assert not all(error.outcome_unknown for error in caught.value.errors), "some writes never left"
        assert caught.value.written == ()
        if by == "timeout":  # a deadline is the caller's own; it says nothing about the connection
            plc.write_register(5, 6, timeout=LONG)
            assert server.bank.holding[5] == 6
            assert server.connections == 2
        never.set()
    verdicts.note("peer does not read", "write", "RequestTimeout at the timeout, outcome_unknown, new connection")


def test_half_open_links_are_watched() -> None:
    """Keepalive and, where there is one, a limit for what is sent and never acknowledged."""
    with socket.socket() as connection:
        sockets.tune(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if sys.platform == "linux":
            idle, interval, count = (
                connection.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * count <= 60
            assert 0 < connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000


# ------------------------------------------------------------------------------------------------ writes, once


@pytest.mark.parametrize(
    "fault", ["silence", "fin_before", "rst_midframe", "busy", "pid_nonzero", "partial_then_silence"]
)
@pytest.mark.repeats
@pytest.mark.parametrize("in_flight", [1, 16, "auto"])
def test_a_write_is_not_repeated_by_default(fault: str, in_flight: Any, verdicts: Verdicts) -> None:
    """With the default retries, that is; every answer is struck."""
    with device() as simulator, fm.connect(simulator.url, in_flight=in_flight, timeout=SHORT) as plc:
        simulator.fault(fault)
        with pytest.raises(ModbusError) as caught:
            plc.write_registers(0, [1, 2, 3])
        assert caught.value.outcome_unknown == (fault != "busy")
        simulator.clear_faults()
        good_calls(plc, simulator)
    assert sum(request.function == 16 for request in simulator.log) == 1
    verdicts.note("write repeated", "write", "sent once")


# ------------------------------------------------------------------------------------------------ endless answers


@pytest.mark.parametrize("following", [0, 2])
def test_device_identification_without_an_end(following: int, verdicts: Verdicts) -> None:
    """More follows, always, from the same object on: progress is required."""

    def endless(adu: bytes) -> bytes:
        pdu = bytes([0x2B, 0x0E, 1, 1, 0xFF, following, 1, following, 1, 0x41])
        return adu[:4] + (len(pdu) + 1).to_bytes(2, "big") + adu[6:7] + pdu

    with device() as simulator, fm.connect(simulator.url, timeout=LONG) as plc:
        simulator.fault(endless)
        with pytest.raises(ProtocolError, match="go on at"):
            plc.read_device_identification()
        assert simulator.requests <= 2
        simulator.clear_faults()
        good_calls(plc, simulator)
    verdicts.note("endless identification", "read", "ProtocolError at once, connection kept")


# ------------------------------------------------------------------------------------------------ processes, clocks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")
def test_a_forked_child_refuses(verdicts: Verdicts) -> None:
    program = """
        import os, sys
        import fastmodbus as fm
        with fm.connect(sys.argv[1]) as plc:
            plc.read_holding_registers(0)
            child = os.fork()
            if child == 0:
                try:
                    plc.read_holding_registers(0)
                except fm.ForkedClient:
                    os._exit(42)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
            assert plc.read_holding_registers(40000)[0] == int(sys.argv[2])
    """
    with device() as simulator:
        run_python(program, simulator.url, int(simulator.holding[40000]))
        assert simulator.connections == 1
        assert simulator.requests == 2
    verdicts.note("fork", "read", "ForkedClient at once")


@pytest.mark.skipif(sys.platform != "linux", reason="platform: libfaketime")
@pytest.mark.parametrize("jump", ["+10d", "-10d"])
def test_the_clock_on_the_wall_does_not_matter(jump: str, tmp_path: Path, verdicts: Verdicts) -> None:
    """It jumps while an answer is waited for, and the answer comes: it is neither late nor waited for in vain."""
    clock = tmp_path / "clock"
    clocks = faketime.set_by(clock)
    program = """
        import sys, time
        import fastmodbus as fm
        with fm.connect(sys.argv[1], timeout=60, deadline=100, retries=0) as plc:
            print(time.time(), flush=True)
            print(plc.read_holding_registers(9)[0], time.time(), flush=True)
            print(plc.stats.timeouts, plc.stats.connections)
    """
    jumped = threading.Event()

    def script(connection: Connection) -> None:
        request = connection.receive()
        connection.wait(jumped)
        connection.answer(request)
        connection.serve()

    with ScriptedServer(script) as server, start_python(program, server.url, **clocks) as process:
        server.wait_for_requests(1)
        clock.write_text(jump)
        jumped.set()
        out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    before, (value, after), counted = (line.split() for line in out.splitlines())
    assert abs(float(after) - float(before[0])) > 86400, "the clock did not jump"
    assert (value, counted) == ("0", ["0", "1"])
    verdicts.note("clock jump", "read", "right data, connection kept")
