"""tshark judges what the client and the simulator put on the wire, with nothing but loopback between them and it.

Every frame dissects and none is malformed; unless told otherwise the client sends one request a segment, and whole.
"""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
import wire
from peers.harness import Peer
from peers.selection import only
from scripted import Connection, ScriptedServer
from wire import Segment, Traffic

COUNT = 5000  # registers: 40 requests
REQUESTS = COUNT // 125
MANY = 1024
READ_SIZE = 12  # bytes of a request to read


@pytest.fixture(autouse=True)
def _tools() -> None:
    missing = wire.missing()
    if missing:
        pytest.skip(f"{missing} is missing")


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    registers = {"hr": np.arange(65536, dtype=np.uint16), "ir": np.arange(65536, dtype=np.uint16)}
    with fm.Simulator(registers=registers) as simulator:
        yield simulator


def assert_well_formed(traffic: Traffic) -> None:
    assert traffic.malformed == []
    for adus, segments in ((traffic.request_adus, traffic.requests), (traffic.answer_adus, traffic.answers)):
        assert sum(adu.size for adu in adus) == sum(segment.size for segment in segments)


def assert_each_alone(segments: list[Segment]) -> None:
    crowded = [segment.number for segment in segments if not segment.is_one_frame]
    assert not crowded, f"segments {crowded} are not exactly one frame"


def read_many(port: int, **options: Any) -> None:
    with fm.Client("127.0.0.1", port, **options) as client:
        client.read_holding_registers(100, COUNT)
        assert client.stats.retries == 0


@pytest.mark.parametrize("in_flight", [1, 16, 64])
@only("libmodbus")
def test_one_request_a_segment_to_libmodbus(peer: Peer, tmp_path: Path, in_flight: int) -> None:
    with wire.capture(peer.port, tmp_path) as traffic:
        read_many(peer.port, in_flight=in_flight)
    assert_well_formed(traffic)
    assert_each_alone(traffic.requests)
    assert [adu.number("modbus.reference_num") for adu in traffic.request_adus] == list(range(100, 100 + COUNT, 125))
    assert len(traffic.answer_adus) == REQUESTS


@pytest.mark.parametrize("in_flight", [1, 16, 256])
def test_one_request_a_segment_to_the_simulator(simulator: fm.Simulator, tmp_path: Path, in_flight: int) -> None:
    with wire.capture(simulator.port, tmp_path) as traffic:
        read_many(simulator.port, in_flight=in_flight)
    assert_well_formed(traffic)
    assert_each_alone(traffic.requests)
    assert {adu.transaction_id for adu in traffic.answer_adus} == {adu.transaction_id for adu in traffic.request_adus}


def test_coalesced_requests_are_well_formed(simulator: fm.Simulator, tmp_path: Path) -> None:
    with wire.capture(simulator.port, tmp_path) as traffic:
        read_many(simulator.port, in_flight=16, coalesce=True)
    assert_well_formed(traffic)
    assert len(traffic.request_adus) == REQUESTS
    assert max(len(segment.adus) for segment in traffic.requests) > 1


def test_a_closed_window_does_not_put_requests_together(tmp_path: Path) -> None:
    """The device reads nothing until far more was sent than it has room for: what waits must not merge on its way.

    Where the window ends the system may cut a request in two, but the cut must not bring two into one segment.
    """
    full = threading.Event()

    def reads_late(connection: Connection) -> None:
        connection.wait(full)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        connection.serve()

    with (
        ScriptedServer(reads_late, receive_buffer=2048) as server,
        wire.capture(server.port, tmp_path) as traffic,
        fm.Client("127.0.0.1", server.port, in_flight=MANY, max_registers=1, timeout=30) as client,
    ):
        reader = threading.Thread(target=client.read_holding_registers, args=(0, MANY))
        reader.start()
        server.wait_until_full()
        full.set()
        reader.join()
    assert len(server.requests) == MANY
    for segment in traffic.requests:  # judged by position alone: some are repeated, and tshark leaves those out
        first, last = segment.sequence, segment.sequence + segment.size - 1
        assert first // READ_SIZE == last // READ_SIZE, f"segment {segment.number} holds parts of two requests"


def every_method(client: fm.Client) -> None:
    client.read_coils(0, 9)
    client.read_discrete_inputs(0, 2000)
    client.read_holding_registers(0, 125)
    client.read_input_registers(0)
    client.write_coil(1, True)
    client.write_register(1, 2)
    client.write_coils(0, [True] * 9)
    client.write_registers(0, [1, 2, 3])
    client.mask_write_register(0, 1, 2)
    client.read_write_registers(0, 2, 5, [1])
    client.read_device_identification()
    with pytest.raises(fm.IllegalDataAddress):
        client.read_fifo_queue(9)


def test_every_method(simulator: fm.Simulator, tmp_path: Path) -> None:
    with wire.capture(simulator.port, tmp_path) as traffic, fm.Client("127.0.0.1", simulator.port) as client:
        every_method(client)
    assert_well_formed(traffic)
    assert_each_alone(traffic.requests)
    assert_each_alone(traffic.answers)
    assert [adu.function for adu in traffic.request_adus] == [1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43, 24]
    assert [adu.is_exception for adu in traffic.answer_adus] == [False] * 11 + [True]


@only("pymodbus")
def test_serial_functions(peer: Peer, tmp_path: Path) -> None:
    with wire.capture(peer.port, tmp_path) as traffic, fm.Client(peer.host, peer.port) as client:
        client.read_exception_status()
        client.diagnostics(0, 0x1234)
        client.get_comm_event_counter()
        client.get_comm_event_log()
        client.report_server_id()
        client.read_file_records([(1, 0, 10)])
        client.write_file_records([(1, 0, [1, 2])])
    assert_well_formed(traffic)
    assert_each_alone(traffic.requests)
    assert [adu.function for adu in traffic.request_adus] == [7, 8, 11, 12, 17, 20, 21]
