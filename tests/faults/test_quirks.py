"""Deviations of real devices, on every answer: what happens by default, and with the option that accepts them."""

import threading
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus._core import codec
from fastmodbus.errors import ConnectionFailed, DeviceError, IllegalDataAddress, ProtocolError, RequestTimeout
from fastmodbus.simulator import Effect
from faults.harness import LONG, REGISTERS, SHORT, SIXTEEN, Watched, contents, device, good_calls
from faults.verdicts import Verdicts
from loops import BOTH
from reference import Frame, mbap_frame
from scripted import Connection, ScriptedServer

CLIENTS = BOTH

COUNT = SIXTEEN * REGISTERS
WINDOWS = [1, SIXTEEN, "auto"]


def client(url: str, **given: Any) -> fm.Client:
    return fm.connect(url, **{"timeout": LONG, "retries": 0, "max_registers": REGISTERS} | given)


def crc(adu: bytes) -> bytes:
    return codec.crc16(adu[6:]).to_bytes(2, "little")


# ------------------------------------------------------------------------------------------------ by default


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("fault", "quirk"),
    [
        ("tid_zero", "tid_zero"),
        ("unit_zero", "unit_zero"),
        ("exc_len_field_2", "exception_length"),
        ("exc_len_field_4", "exception_length"),
    ],
)
def test_a_device_that_always_deviates_gets_errors_that_name_the_option(fault: str, quirk: str, window: Any) -> None:
    with device() as simulator, client(simulator.url, in_flight=window) as plc:
        watched = Watched(plc)
        simulator.fault(fault)
        with pytest.raises(ProtocolError, match=f"quirks=\\('{quirk}',\\)"):
            plc.read_holding_registers(0, COUNT)
        # Connections that broke one after the other are not made for ever.
        assert all(isinstance(error, (ProtocolError, ConnectionFailed)) for error in watched.outcomes())
        assert all(f"quirks=('{quirk}',)" in str(error) for error in watched.outcomes())
        simulator.clear_faults()
        good_calls(plc, simulator)


def test_a_leaked_checksum_costs_a_connection_a_request_by_default() -> None:
    """The answers are good; what follows them is noticed before the next request is sent."""
    with device() as simulator, client(simulator.url, in_flight=1) as plc:
        simulator.fault("trailing_after")
        found = plc.read_holding_registers(0, 4 * REGISTERS)
        assert np.array_equal(found, contents()[: 4 * REGISTERS])
        assert "quirks=('trailing_crc',)" in plc._link.lost
        assert simulator.connections == 4


# ------------------------------------------------------------------------------------------------ with the option


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("fault", "quirk"), [("tid_zero", "tid_zero"), ("unit_zero", "unit_zero"), ("trailing_after", "trailing_crc")]
)
def test_accepted(fault: str, quirk: str, window: Any, verdicts: Verdicts) -> None:
    with device() as simulator, client(simulator.url, in_flight=window, quirks=(quirk,)) as plc:
        simulator.fault(fault)
        assert np.array_equal(plc.read_holding_registers(0, COUNT), contents()[:COUNT])
        plc.write_registers(0, contents()[500:1000])
        assert np.array_equal(simulator.holding[:500], contents()[500:1000])
        with pytest.raises(DeviceError):
            plc.execute(b"\x64")
        good_calls(plc, simulator)
        assert simulator.connections == 1
    verdicts.note(fault, "with the option", "right data, connection kept")


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("fault", ["exc_len_field_2", "exc_len_field_4"])
def test_exceptions_of_a_wrong_length_are_accepted(fault: str, window: Any, verdicts: Verdicts) -> None:
    with device() as simulator, client(simulator.url, in_flight=window, quirks=("exception_length",)) as plc:
        watched = Watched(plc)
        simulator.fault(fault, where=lambda request: request.transaction_id % 2 == 0)
        with pytest.raises(IllegalDataAddress):
            plc.read_holding_registers(0, COUNT)
        kinds = [type(error) for error in watched.outcomes()]
        assert sorted(kinds, key=str) == sorted([IllegalDataAddress, type(None)] * 8, key=str)
        simulator.clear_faults()
        good_calls(plc, simulator)
        assert simulator.connections == 1
    verdicts.note(fault, "with the option", "IllegalDataAddress, connection kept")


@pytest.mark.parametrize("fault", ["unit_wrong", "len_short_by_2", "exc_trailing", "wrong_tid_only"])
def test_an_option_accepts_nothing_else(fault: str) -> None:
    quirks = ("tid_zero", "unit_zero", "exception_length", "trailing_crc")
    with device() as simulator, client(simulator.url, quirks=quirks, timeout=SHORT) as plc:
        simulator.fault(fault, times=1)
        with pytest.raises(fm.ModbusError):
            plc.read_holding_registers(0)
        good_calls(plc, simulator)


# ------------------------------------------------------------------------------------------------ trailing_crc


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("window", [1, SIXTEEN])
def test_a_checksum_may_come_later(halved: bool, window: int) -> None:
    """In segments of its own, also while nothing is asked; some frames come without one."""

    def leak(adu: bytes) -> Effect:
        tail = crc(adu)
        pieces = [tail[:1], tail[1:]] if halved else [tail]
        return Effect((adu, *pieces), gap=0.0005)

    with device() as simulator, client(simulator.url, in_flight=window, quirks=("trailing_crc",)) as plc:
        simulator.fault(leak, where=lambda request: request.transaction_id % 5 != 0)
        for _ in range(3):
            assert np.array_equal(plc.read_holding_registers(0, COUNT), contents()[:COUNT])
        assert simulator.connections == 1


def test_other_bytes_are_not_dropped() -> None:
    with device() as simulator, client(simulator.url, in_flight=1, quirks=("trailing_crc",)) as plc:
        simulator.fault("garbage_after", times=1)
        assert np.array_equal(plc.read_holding_registers(0, COUNT), contents()[:COUNT])
        good_calls(plc, simulator)
        assert simulator.connections == 2


# ------------------------------------------------------------------------------------------------ tid_zero


def zero(connection: Connection, request: Frame, value: int) -> None:
    """Answer a read of one register with id 0."""
    connection.send(mbap_frame(0, request.unit, b"\x03\x02" + value.to_bytes(2, "big")))


def serve_zeros(connection: Connection) -> None:
    """Every answer has id 0; the value of a register is its address."""
    while True:
        request = connection.receive()
        zero(connection, request, int.from_bytes(request.pdu[1:3], "big"))


def read_values(plc: fm.Client, *addresses: int) -> None:
    for address in addresses:
        assert plc.read_holding_registers(address, timeout=LONG)[0] == address


@pytest.mark.parametrize("window", WINDOWS)
def test_a_late_answer_with_id_zero_is_never_accepted(window: Any) -> None:
    """A timeout closes the connection: on the next one nothing can be late."""
    timed_out = threading.Event()

    def late(connection: Connection) -> None:
        request = connection.receive()
        connection.wait(timed_out)
        zero(connection, request, 0xDEAD)

    with (
        ScriptedServer(late, serve_zeros) as server,
        client(server.url, in_flight=window, quirks=("tid_zero",), timeout=SHORT) as plc,
    ):
        with pytest.raises(RequestTimeout):
            plc.read_holding_registers(7)
        timed_out.set()
        read_values(plc, 1, 2, 3)
    assert server.connections == 2


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("pieces", [1, 2], ids=["one segment", "two segments"])
def test_a_second_answer_with_id_zero_is_never_accepted(window: Any, pieces: int) -> None:
    """A surplus answer that is there before the next request is sent ends the connection."""
    sent = threading.Event()

    def twice(connection: Connection) -> None:
        connection.receive()
        right, wrong = (mbap_frame(0, 1, b"\x03\x02" + value) for value in (b"\0\7", b"\xde\xad"))
        for data in [right + wrong] if pieces == 1 else [right, wrong]:
            connection.send(data)
        sent.set()

    with (
        ScriptedServer(twice, serve_zeros) as server,
        client(server.url, in_flight=window, quirks=("tid_zero",)) as plc,
    ):
        assert plc.read_holding_registers(7)[0] == 7
        assert sent.wait(LONG)
        read_values(plc, 1, 2, 3)
    assert server.connections == 2


def test_the_answer_to_a_call_that_was_given_up_is_not_the_next_ones() -> None:
    """A deadline ends a call while its request is in flight: the next is sent after its answer."""
    given_up = threading.Event()

    def late(connection: Connection) -> None:
        request = connection.receive()
        connection.wait(given_up)
        zero(connection, request, 0xDEAD)
        serve_zeros(connection)

    with ScriptedServer(late, serve_zeros) as server, client(server.url, quirks=("tid_zero",)) as plc:
        with pytest.raises(RequestTimeout):
            plc.read_holding_registers(7, deadline=SHORT)
        given_up.set()
        read_values(plc, 1, 2, 3)


def test_a_stray_answer_with_id_zero_does_not_rename_later_timeouts() -> None:
    """By default: one such answer among others accounts for one failure at most."""

    def script(connection: Connection) -> None:
        requests = connection.receive_many(2)
        zero(connection, requests[0], 0xDEAD)
        for request in requests:
            connection.answer(request)
        connection.receive()

    with ScriptedServer(script) as server, client(server.url, in_flight=2, max_registers=1, timeout=SHORT) as plc:
        plc.read_holding_registers(0, 2, timeout=LONG)
        kinds = []
        for _ in range(2):
            with pytest.raises(fm.ModbusError) as caught:
                plc.read_holding_registers(5)
            kinds.append(caught.type)
        assert kinds[1] is RequestTimeout
    assert server.connections == 1
