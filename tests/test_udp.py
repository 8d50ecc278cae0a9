"""Modbus over UDP: one ADU a datagram; what is lost, doubled, overtaken or foreign."""

import socket
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from datagrams import UdpDevice
from loops import BOTH, run
from ports import free_port
from reference import Frame

CLIENTS = BOTH
LONG = 60.0
SHORT = 0.2


def registers(first: int, count: int) -> Any:
    return ((np.arange(first, first + count) * 7 + 3) & 0xFFFF).astype(np.uint16)


def check(plc: fm.Client, first: int = 100, count: int = 48) -> None:
    """Sixteen requests, all right."""
    assert np.array_equal(plc.read_holding_registers(first, count), registers(first, count))


def connect(url: str, **options: Any) -> fm.Client:
    return fm.connect(url, **{"in_flight": 16, "max_registers": 3, "timeout": LONG, **options})


def test_a_request_is_a_datagram() -> None:
    with UdpDevice() as device, connect(device.url) as plc:
        check(plc)
        assert [len(data) for data in device.requests] == [12] * 16
        plc.write_registers(0, list(range(10)))
        assert plc.read("hr5") == 5
        assert plc.stats.connections == 1
    assert fm.Client("127.0.0.1", transport="udp").port == 502


def test_lost_answers_are_asked_for_again() -> None:
    seen: set[bytes] = set()

    def lossy(request: Frame, right: bytes) -> Iterable[bytes]:
        """The first answer to every second request is lost."""
        if request.pdu[2] % 2 == 0 and request.pdu not in seen:
            seen.add(request.pdu)
            return
        yield right

    with UdpDevice(lossy) as device, connect(device.url, timeout=SHORT, retries=5) as plc:
        check(plc)
        assert plc.stats.timeouts == len(seen) > 0


def test_a_write_whose_answer_is_lost_is_sent_once() -> None:
    with UdpDevice(lambda request, right: ()) as device, connect(device.url, timeout=SHORT) as plc:
        with pytest.raises(fm.RequestTimeout) as caught:
            plc.write_register(0, 1)
        assert caught.value.outcome_unknown
        assert len(device.requests) == 1


def test_doubled_answers() -> None:
    with UdpDevice(lambda request, right: (right, right, right)) as device, connect(device.url) as plc:
        for first in range(100, 400, 100):
            check(plc, first)
        assert plc.stats.connections == 1
        assert plc.stats.protocol_errors == 0


def test_answers_in_another_order() -> None:
    waiting: list[bytes] = []

    def reverse(request: Frame, right: bytes) -> Iterable[bytes]:
        waiting.append(right)
        if len(waiting) == 16:
            yield from reversed(waiting)
            waiting.clear()

    with UdpDevice(reverse) as device, connect(device.url) as plc:
        check(plc)
        check(plc, 1000)


def test_an_answer_that_comes_late() -> None:
    late: list[bytes] = []

    def slow(request: Frame, right: bytes) -> Iterable[bytes]:
        if not late:
            late.append(right)
            return
        yield late[0]
        yield right

    with UdpDevice(slow) as device, connect(device.url, retries=0, timeout=SHORT, in_flight=1) as plc:
        with pytest.raises(fm.RequestTimeout):
            plc.read_holding_registers(5)
        assert plc.read_holding_registers(6, timeout=LONG).tolist() == registers(6, 1).tolist()
        assert plc.stats.stale == 1


def test_answers_from_elsewhere_do_not_count() -> None:
    """From another port of the same host, with the right transaction id and wrong values."""
    device = UdpDevice()
    forged: list[int] = []

    def behind_forgery(request: Frame, right: bytes) -> Iterable[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            forged.append(elsewhere.sendto(right[:-1] + bytes([right[-1] ^ 0xFF]), device.peer))
        yield right

    device.behaviour = behind_forgery
    with device, connect(device.url) as plc:
        check(plc)
        assert len(forged) == 16
        assert plc.stats.unknown == 0


MALFORMED = {
    "empty": lambda right: b"",
    "header": lambda right: right[:6],
    "short": lambda right: right[:-1],
    "long": lambda right: right + b"\0",
    "two": lambda right: right + right,
    "protocol id": lambda right: right[:2] + b"\1\1" + right[4:],
    "length": lambda right: right[:4] + b"\xff\xff" + right[6:],
    "huge": lambda right: right + bytes(3000),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_datagrams_that_are_no_adu_are_dropped(name: str) -> None:
    """And the good ones before and behind them count."""
    alter = MALFORMED[name]

    def noisy(request: Frame, right: bytes) -> Iterable[bytes]:
        yield alter(right)
        yield right

    with UdpDevice(noisy) as device, connect(device.url) as plc:
        check(plc)
        check(plc, 500)
        assert (plc.stats.connections, plc.stats.protocol_errors) == (1, 0)
        assert plc.stats.unknown == (0 if name == "empty" else plc.stats.requests)


def test_an_answer_that_is_wrong_is_reported_and_the_socket_kept() -> None:
    with UdpDevice(lambda request, right: [right[:8] + b"\3" + right[9:]]) as device, connect(device.url) as plc:
        with pytest.raises(fm.ProtocolError, match="byte count"):
            plc.read_holding_registers(0)
        device.behaviour = lambda request, right: [right]
        check(plc)
        assert plc.stats.connections == 1


def test_nobody_is_there() -> None:
    """The system says so as soon as something was sent."""
    port = free_port()
    with (
        connect(f"udp://127.0.0.1:{port}") as plc,
        pytest.raises(fm.ConnectionFailed, match="refused"),
    ):
        plc.read_holding_registers(0)


def test_polling() -> None:
    with UdpDevice() as device, connect(device.url) as plc:
        rows = plc.poll("hr5", every=0.01, count=10)
        assert rows["hr5"][rows.ok["hr5"]].tolist() == [38.0] * int(rows.ok["hr5"].sum())
        assert rows.ok["hr5"].sum() >= 1


def test_datagrams_have_one_request() -> None:
    with pytest.raises(ValueError, match="coalesce is for TCP and TLS"):
        fm.connect("udp://127.0.0.1", coalesce=True)


@pytest.mark.blocking
def test_a_loop_that_cannot_watch_sockets_is_refused() -> None:
    """Before anything is sent; in another loop the same client works."""
    with UdpDevice() as device:
        plc = fm.AsyncClient("127.0.0.1", device.port, transport="udp", timeout=LONG)

        async def read() -> list[int]:
            try:
                return (await plc.read_holding_registers(100, 2)).tolist()
            finally:
                await plc.connect()
                await plc.close()

        for call in (read, plc.connect):
            with pytest.raises(fm.WrongEventLoop, match="UDP needs an event loop that can watch sockets"):
                run(call(), "protocol")
        assert device.requests == []
        assert run(read()) == registers(100, 2).tolist()
