"""The C server answers what it should: the figures rest on it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from .contestants.base import expected_holding
from .native import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(lifetime=60) as running:
        yield running


@pytest.fixture
def ask(server: Server) -> Iterator[Callable[[str], str]]:
    """Sends a request PDU (hexadecimal) of transaction 7 to unit 1 and returns the answer's PDU."""
    with socket.create_connection((server.host, server.port), timeout=5) as connection:

        def exchange(pdu: str) -> str:
            body = bytes.fromhex(pdu)
            connection.sendall(bytes([0, 7, 0, 0, 0, len(body) + 1, 1]) + body)
            header = _exactly(connection, 7)
            assert header[:4] == bytes([0, 7, 0, 0])
            assert header[6] == 1
            return _exactly(connection, int.from_bytes(header[4:6]) - 1).hex()

        yield exchange


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        assert chunk, "the server closed the connection"
        received += chunk
    return received


def test_registers(ask: Callable[[str], str]) -> None:
    expected = expected_holding(0x1020, 2).astype(">u2").tobytes().hex()
    assert ask("0310200002") == "0304" + expected
    assert ask("0400000001") == "04020001"


def test_bits_that_begin_within_a_byte(ask: Callable[[str], str]) -> None:
    bits = [address * 7919 >> 4 & 1 for address in range(13, 24)]
    packed = sum(bit << place for place, bit in enumerate(bits)).to_bytes(2, "little").hex()
    assert ask("01000d000b") == "0102" + packed


@pytest.mark.parametrize(
    ("pdu", "exception"),
    [("030000007e", "8303"), ("0300000000", "8303"), ("03ffff0002", "8302"), ("07", "8701"), ("0300", "8303")],
)
def test_refused(ask: Callable[[str], str], pdu: str, exception: str) -> None:
    assert ask(pdu) == exception


def test_written_values_are_read_back(ask: Callable[[str], str]) -> None:
    assert ask("06fff01234") == "06fff01234"
    assert ask("10fff1000204abcd5678") == "10fff10002"
    assert ask("17fff00003fff30001021111") == "17061234abcd5678"
    assert ask("05fff0ff00") == "05fff0ff00"
    assert ask("0ffff1000301" + "05") == "0ffff10003"
    assert ask("01fff00004") == "01010b"


def test_all_requests_of_one_send_are_answered_in_order(server: Server) -> None:
    asked = b"".join(bytes([0, n, 0, 0, 0, 6, 1, 3, 0, n, 0, 1]) for n in range(200))
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(asked[:-5])  # a request cut in two waits for its rest
        connection.sendall(asked[-5:])
        answers = _exactly(connection, 200 * 11)
    assert [answers[n * 11 + 1] for n in range(200)] == list(range(200))


def test_a_delayed_answer_is_not_early(server: Server, ask: Callable[[str], str]) -> None:
    before = server.requests()
    server.set_delay(2000, 100)
    try:
        assert ask("0300000001") == "03020000"
    finally:
        server.set_delay(0)
    assert server.requests() == before + 1
