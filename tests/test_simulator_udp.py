"""The simulator over UDP: a datagram is a request, a peer is a connection; faults strike as over TCP."""

import socket

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus._core import codec
from loops import BOTH

CLIENTS = BOTH
LONG = 60.0
SHORT = 0.3


def device(**options: object) -> fm.Simulator:
    return fm.Simulator(registers={"hr": range(65536)}, transport="udp", **options)


def test_long_reads_and_writes() -> None:
    with device() as simulator:
        assert simulator.url == f"udp://127.0.0.1:{simulator.port}"
        with fm.connect(simulator.url, timeout=LONG, in_flight=16) as plc:
            assert np.array_equal(plc.read_holding_registers(0, 5000), np.arange(5000))
            plc.write_registers(100, list(range(500)))
            assert np.array_equal(simulator.holding[100:600], np.arange(500))
            assert plc.read("hr5") == 5
            assert plc.stats.connections == 1
        assert simulator.connections == 1
        assert simulator.requests == 40 + 5 + 1


def test_each_address_that_asks_is_a_connection() -> None:
    with device() as simulator, fm.connect(simulator.url) as one, fm.connect(simulator.url) as other:
        assert (one.read("hr1"), other.read("hr2"), one.read("hr3")) == (1, 2, 3)
        assert simulator.connections == 2
        assert [request.connection for request in simulator.log] == [1, 2, 1]


@pytest.mark.parametrize("kind", ["drop", "duplicate", "wrong_tid_only"])
def test_faults(kind: str) -> None:
    """Some answers are lost, doubled, or nobody's: each value is right in the end."""
    with device() as simulator, fm.connect(simulator.url, timeout=SHORT, retries=3, in_flight=4) as plc:
        simulator.fault(kind, times=3)
        assert np.array_equal(plc.read_holding_registers(0, 2000), np.arange(2000))
        assert plc.stats.connections == 1


def test_answers_that_overtake_each_other() -> None:
    with device() as simulator, fm.connect(simulator.url, timeout=LONG, in_flight=16) as plc:
        simulator.fault("delay", seconds=0.05, where=lambda request: request.transaction_id % 3 == 0)
        assert np.array_equal(plc.read_holding_registers(0, 4000), np.arange(4000))


@pytest.mark.blocking
def test_what_is_no_adu_is_ignored() -> None:
    adu = codec.encode_mbap(1, 1, b"\x03\0\7\0\1")
    bad = [b"", adu[:5], adu[:-1], adu + b"\0", adu + adu, b"\0\1\1\1" + adu[4:], bytes(1000)]
    with device() as simulator, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(LONG)
        peer.connect(("127.0.0.1", simulator.port))
        for datagram in [*bad, adu]:
            peer.send(datagram)
        assert peer.recv(300) == codec.encode_mbap(1, 1, b"\x03\2\0\7")
        assert simulator.requests == 1


@pytest.mark.blocking
def test_peers_that_are_many_are_forgotten() -> None:
    adu = codec.encode_mbap(1, 1, b"\x03\0\7\0\1")
    with device() as simulator:
        for _ in range(300):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.settimeout(LONG)
                peer.connect(("127.0.0.1", simulator.port))
                peer.send(adu)
                peer.recv(300)
        with simulator.lock:
            assert simulator.connections >= len(simulator._open) <= 256


@pytest.mark.blocking
def test_close_and_start_again() -> None:
    simulator = device()
    for _ in range(2):
        with simulator, fm.connect(simulator.url) as plc:
            assert plc.read("hr7") == 7


@pytest.mark.blocking
def test_bad_transports() -> None:
    with pytest.raises(ValueError, match="transport is 'rtu'; allowed are 'tcp' and 'udp'"):
        fm.Simulator(transport="rtu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="TLS is for 'tcp'"):
        fm.Simulator(transport="udp", ssl_context=object())
