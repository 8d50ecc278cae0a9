"""The capture sees every segment of a conversation, takes it apart rightly, and tells good frames from bad ones."""

import socket
from pathlib import Path

import pytest

import wire
from plain_client import PlainClient
from reference import (
    Bank,
    MaskWrite,
    Read,
    ReadFifo,
    ReadFile,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteFile,
    WriteMany,
    WriteOne,
    mbap_frame,
)
from reference import FilePart as Part
from scripted import HOST, Connection, ScriptedServer

REQUESTS: list[Request] = [
    Read(1, 0, 2000),
    Read(2, 7, 1),
    Read(3, 65411, 125),
    Read(4, 0, 1),
    WriteOne(5, 3, 0xFF00),
    WriteOne(6, 3, 77),
    WriteMany(15, 0, 9, b"\xff\x01"),
    WriteMany(16, 0, 123, bytes(246)),
    MaskWrite(1, 2, 3),
    ReadWrite(0, 125, 0, 121, bytes(242)),
    ReadFifo(5),
    ReadFile((Part(1, 0, 2), Part(1, 3, 1))),
    WriteFile(((Part(1, 0, 1), b"\1\2"),)),
    ReadIdentification(1),
]


@pytest.fixture(autouse=True)
def _tools() -> None:
    missing = wire.missing()
    if missing:
        pytest.skip(f"{missing} is missing")


def test_every_segment_is_seen(tmp_path: Path) -> None:
    bank = Bank(queues={5: [1, 2]}, files={1: [0] * 10})
    with (
        ScriptedServer(bank=bank) as server,
        wire.capture(server.port, tmp_path) as traffic,
        PlainClient(server.port) as client,
    ):
        for request in REQUESTS:
            client.ask(request.encode(), unit=17)
    assert traffic.malformed == []
    assert all(segment.is_one_frame for segment in traffic.segments)
    assert [adu.function for adu in traffic.request_adus] == [request.function for request in REQUESTS]
    assert [adu.function for adu in traffic.answer_adus] == [request.function for request in REQUESTS]
    assert [adu.transaction_id for adu in traffic.request_adus] == list(range(1, len(REQUESTS) + 1))
    assert {adu.unit for adu in traffic.request_adus + traffic.answer_adus} == {17}
    assert not any(adu.is_exception for adu in traffic.answer_adus)


def test_exceptions_are_told_from_answers(tmp_path: Path) -> None:
    with ScriptedServer() as server, wire.capture(server.port, tmp_path) as traffic, PlainClient(server.port) as client:
        client.ask(Read(3, 65535, 2).encode())
    [adu] = traffic.answer_adus
    assert adu.is_exception
    assert adu.number("modbus.exception_code") == 2


def test_requests_that_share_a_segment(tmp_path: Path) -> None:
    with ScriptedServer() as server, wire.capture(server.port, tmp_path) as traffic, PlainClient(server.port) as client:
        client.ask_many([Read(3, i, 1).encode() for i in range(5)], one_segment=True)
    [segment] = traffic.requests
    assert len(segment.adus) == 5
    assert not segment.is_one_frame
    assert [adu.number("modbus.reference_num") for adu in segment.adus] == [0, 1, 2, 3, 4]
    assert len(traffic.answer_adus) == 5


def test_a_frame_in_two_segments(tmp_path: Path) -> None:
    def script(connection: Connection) -> None:
        frame = connection.honest(connection.receive())
        connection.send_pieces([frame[:8], frame[8:]])

    with (
        ScriptedServer(script) as server,
        wire.capture(server.port, tmp_path) as traffic,
        PlainClient(server.port) as client,
    ):
        client.ask(Read(3, 0, 10).encode())
    assert [segment.size for segment in traffic.answers] == [8, 21]
    assert [len(segment.adus) for segment in traffic.answers] == [0, 1]
    assert not any(segment.is_one_frame for segment in traffic.answers)


def test_malformed_frames(tmp_path: Path) -> None:
    """A frame that ends too early for its function. (What a byte count says, tshark does not compare.)"""
    bad = mbap_frame(1, 1, bytes.fromhex("10 0000"))

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(bad)
        connection.finish()

    request = mbap_frame(1, 1, WriteMany(16, 0, 1, bytes(2)).encode())
    with (
        ScriptedServer(script) as server,
        wire.capture(server.port, tmp_path) as traffic,
        socket.create_connection((HOST, server.port)) as client,
    ):
        client.sendall(request)
        assert client.recv(100) == bad
    assert len(traffic.answers) == 1
    assert traffic.malformed == traffic.answers
