"""The scripted server does what scripts say and counts rightly; asked over plain sockets."""

import socket
import threading

import pytest

from plain_client import PlainClient
from reference import Bank, Read, WriteOne, answer, mbap_frame
from scripted import HOST, Connection, ScriptedServer, silent

READ = Read(3, 10, 2).encode()


def bank() -> Bank:
    filled = Bank()
    filled.holding[10:12] = [0x1234, 0x5678]
    return filled


GOOD = answer(READ, bank())


def test_honest_by_default() -> None:
    with ScriptedServer(bank=bank()) as server, PlainClient(server.port) as client:
        assert client.ask(READ) == GOOD
        client.ask(WriteOne(6, 10, 7).encode())
        assert server.bank.holding[10] == 7
        assert client.ask_many([READ] * 5, one_segment=True) == [answer(READ, server.bank)] * 5
    assert server.connections == 1
    assert len(server.requests) == 7


def test_each_connection_has_its_script() -> None:
    def first(connection: Connection) -> None:
        connection.receive()
        connection.close()

    def others(connection: Connection) -> None:
        connection.serve()

    with ScriptedServer(first, others, bank=bank()) as server:
        with PlainClient(server.port) as client, pytest.raises(ConnectionError):
            client.ask(READ)
        for _ in range(2):
            with PlainClient(server.port) as client:
                assert client.ask(READ) == GOOD
        server.wait_for_gone(3)
    assert [seen.connection for seen in server.requests] == [0, 1, 2]
    assert server.pdus == [READ] * 3


def test_reset() -> None:
    def script(connection: Connection) -> None:
        connection.receive()
        connection.reset()

    with (
        ScriptedServer(script) as server,
        PlainClient(server.port) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.ask(READ)


def test_end_of_stream_in_the_middle_of_a_frame() -> None:
    def script(connection: Connection) -> None:
        request = connection.receive()
        connection.send(connection.honest(request)[:9])
        connection.finish()

    with ScriptedServer(script) as server, socket.create_connection((HOST, server.port)) as client:
        client.sendall(mbap_frame(1, 1, READ))
        assert client.recv(100) == mbap_frame(1, 1, GOOD)[:9]
        assert client.recv(100) == b""
        client.sendall(mbap_frame(2, 1, READ))
        server.wait_for_requests(2)


def test_silence_still_counts_frames() -> None:
    with ScriptedServer(silent) as server, PlainClient(server.port, timeout=0.1) as client:
        client.send([READ] * 3, one_segment=True)
        server.wait_for_requests(3)
        with pytest.raises(TimeoutError):
            client.receive(1)


def test_pieces_are_received_one_by_one() -> None:
    """Every piece is taken out of the client's socket before the next is sent."""

    def script(connection: Connection) -> None:
        frame = connection.honest(connection.receive())
        connection.send_pieces([frame[i : i + 1] for i in range(len(frame))])

    with ScriptedServer(script, bank=bank()) as server, socket.create_connection((HOST, server.port)) as client:
        client.sendall(mbap_frame(1, 1, READ))
        pieces = [client.recv(100) for _ in range(len(GOOD) + 7)]
    assert b"".join(pieces) == mbap_frame(1, 1, GOOD)
    assert {len(piece) for piece in pieces} == {1}


def test_events_of_the_test() -> None:
    asked_again = threading.Event()

    def script(connection: Connection) -> None:
        first, second = connection.receive_many(2)
        connection.wait(asked_again)
        connection.answer(second)
        connection.answer(first, b"\x83\x06")

    with ScriptedServer(script, bank=bank()) as server, PlainClient(server.port) as client:
        ids = client.send([READ, READ])
        server.wait_for_requests(2)
        asked_again.set()
        frames = client.receive(2)
    assert [frame.transaction_id for frame in frames] == ids[::-1]
    assert [frame.pdu for frame in frames] == [GOOD, b"\x83\x06"]


def test_failures_in_a_script_fail_the_test() -> None:
    def script(connection: Connection) -> None:
        assert connection.receive().unit == 99

    def run() -> None:
        with ScriptedServer(script) as server, PlainClient(server.port) as client:
            client.send([READ])
            server.wait_for_gone(1)

    with pytest.raises(AssertionError, match="99"):
        run()


def test_garbage_from_a_client_fails_the_test() -> None:
    def run() -> None:
        with ScriptedServer() as server, socket.create_connection((HOST, server.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            server.wait_for_gone(1)

    with pytest.raises(ValueError, match="protocol id"):
        run()


def test_a_client_that_cannot_send() -> None:
    """With a small receive buffer and a script that does not read, sending blocks soon."""
    never = threading.Event()

    def script(connection: Connection) -> None:
        connection.wait(never)

    with (
        ScriptedServer(script, receive_buffer=4096) as server,
        socket.create_connection((HOST, server.port), timeout=0.2) as client,
        pytest.raises(TimeoutError),
    ):
        client.sendall(mbap_frame(1, 1, READ) * 1_000_000)


def test_refusing_new_connections() -> None:
    with ScriptedServer(bank=bank()) as server, PlainClient(server.port) as client:
        server.wait_for_connections(1)
        server.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            PlainClient(server.port)
        assert client.ask(READ) == GOOD
