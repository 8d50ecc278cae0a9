"""What only one peer offers: libmodbus's unit test server misbehaves on purpose, pymodbus has the rarer functions.

Which misbehaviour waits at which address is said in the header of the unit test server (unit-test.h) and in
catalogue.py.
"""

from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from peers.catalogue import (
    UNIT_TEST_BUSY,
    UNIT_TEST_BYTE_BY_BYTE,
    UNIT_TEST_SLOW,
    UNIT_TEST_WRONG_COUNT,
    UNIT_TEST_WRONG_ID,
)
from peers.harness import Peer
from peers.selection import only
from plain_client import PlainClient
from reference import Diagnostics, Plain, ReadFifo, ReadIdentification, check, objects_in

REGISTERS = 0x160
WRITTEN = [7, 8, 9]


@pytest.fixture
def client(fresh_peer: Peer) -> Iterator[fm.Client]:
    """Connected, with three registers written so that there is something to read right."""
    with fm.Client(fresh_peer.host, fresh_peer.port, retries=0) as client:
        client.write_registers(REGISTERS, WRITTEN)
        yield client


def works(client: fm.Client) -> bool:
    """The next call gives the right values, on the first connection."""
    values = client.read_holding_registers(REGISTERS, 3, timeout=10)
    return list(values) == WRITTEN and client.stats.connections == 1


@only("libmodbus_unit_test", fixture="fresh_peer")
class TestUnitTestServer:
    def test_fewer_registers_than_asked_for(self, client: fm.Client) -> None:
        out = np.full(UNIT_TEST_WRONG_COUNT, 0xAAAA, np.uint16)
        with pytest.raises(fm.ProtocolError, match="byte count"):
            client.read_holding_registers(REGISTERS, UNIT_TEST_WRONG_COUNT, out=out)
        assert list(out) == [0xAAAA, 0xAAAA]
        assert works(client)

    def test_busy(self, client: fm.Client) -> None:
        with pytest.raises(fm.DeviceBusy) as caught:
            client.read_holding_registers(UNIT_TEST_BUSY)
        assert caught.value.code == 6
        assert works(client)

    def test_an_answer_with_a_foreign_id(self, client: fm.Client) -> None:
        """The server counts ids of its own, from 1: at the third request nobody waits for it."""
        assert works(client)
        with pytest.raises((fm.RequestTimeout, fm.ProtocolError)):
            client.read_holding_registers(UNIT_TEST_WRONG_ID, timeout=0.2)
        assert client.stats.unknown == 1
        assert works(client)

    def test_a_late_answer(self, client: fm.Client) -> None:
        """It comes half a second after the request, when nobody waits any more."""
        with pytest.raises(fm.RequestTimeout):
            client.read_holding_registers(UNIT_TEST_SLOW, timeout=0.1)
        assert works(client)
        assert client.stats.stale == 1

    def test_an_answer_byte_by_byte(self, client: fm.Client) -> None:
        """5 ms between the bytes. The server's frame is for unit 255, whatever the request says."""
        assert list(client.read_holding_registers(UNIT_TEST_BYTE_BY_BYTE, unit=255)) == [0]
        assert works(client)


def raw(peer: Peer, request: bytes) -> bytes:
    """The payload of the peer's answer, judged by the reference codec."""
    with PlainClient(peer.port) as client:
        verdict = check(request, client.ask(request))
    assert verdict.kind == "ok", verdict
    return verdict.payload


@only("pymodbus", fixture="fresh_peer")
class TestPymodbusFunctions:
    def test_exception_status(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            assert bytes([client.read_exception_status()]) == raw(fresh_peer, Plain(7).encode())

    def test_diagnostics(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            assert client.diagnostics(0, 0xA537) == 0xA537
            assert client.diagnostics(2) == int.from_bytes(raw(fresh_peer, Diagnostics(2).encode()), "big")

    def test_event_counter_and_log(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            counter, log = client.get_comm_event_counter(), client.get_comm_event_log()
        assert counter.busy is False
        assert log.busy is False
        assert log.events == raw(fresh_peer, Plain(0x0C).encode())[6:]

    def test_server_id(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            assert client.report_server_id() == raw(fresh_peer, Plain(0x11).encode())

    def test_fifo(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            queue = client.read_fifo_queue(0)
        assert queue.astype(">u2").tobytes() == raw(fresh_peer, ReadFifo(0).encode())

    def test_file_records(self, fresh_peer: Peer) -> None:
        """Its server answers with the same ten registers whatever is asked; another length is told to be wrong."""
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            [record] = client.read_file_records([(1, 0, 10)])
            assert record.astype(">u2").tobytes() == b"SERVER DUMMY RECORD."
            with pytest.raises(fm.ProtocolError):
                client.read_file_records([(1, 0, 9)])
            client.write_file_records([(1, 0, [1, 2]), (2, 9, [3])])
            assert client.stats.connections == 1

    def test_identification(self, fresh_peer: Peer) -> None:
        with fm.Client(fresh_peer.host, fresh_peer.port) as client:
            found = client.read_device_identification("regular")
        payload = raw(fresh_peer, ReadIdentification(2).encode())
        assert found.objects == dict(objects_in(payload[6:]))


@only("pymodbustcp", fixture="fresh_peer")
def test_identification_without_objects(fresh_peer: Peer) -> None:
    """pyModbusTCP has the function, and no objects unless it is given some."""
    request = ReadIdentification(1).encode()
    with PlainClient(fresh_peer.port) as plain:
        code = check(request, plain.ask(request)).exception
    with fm.Client(fresh_peer.host, fresh_peer.port) as client, pytest.raises(fm.DeviceError) as caught:
        client.read_device_identification()
    assert caught.value.code == code


@only("libmodbus")
def test_server_id_of_libmodbus(peer: Peer) -> None:
    with fm.Client(peer.host, peer.port) as client:
        assert client.report_server_id() == raw(peer, Plain(0x11).encode())
