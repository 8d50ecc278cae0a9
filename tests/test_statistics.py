"""Counters of a connection, beside what the server counts; round trips; and the recorded traffic."""

import math

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.statistics import Statistics
from reference import split_mbap
from scripted import Connection, ScriptedServer
from untouched import refused


def test_a_new_client_has_counted_nothing() -> None:
    with fm.Client("127.0.0.1", in_flight=5) as client:
        stats = client.stats
    assert isinstance(stats, Statistics)
    assert stats.window == 5
    assert stats.requests == stats.answers == stats.connections == stats.bytes_sent == stats.in_flight == 0
    assert stats.histogram == ()
    assert math.isnan(stats.round_trip(50))


def test_counters_of_good_calls() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url, in_flight=16) as client:
        client.read_holding_registers(0, 1000)
        client.write_registers(0, range(200))
        client.read_coils(0, 9)
        stats = client.stats
    assert stats.requests == stats.answers == simulator.requests == 8 + 2 + 1
    assert stats.bytes_sent == sum(7 + len(request.pdu) for request in simulator.log)
    assert stats.bytes_received == 8 * (7 + 2) + 2 * 1000 + 2 * 12 + (7 + 2 + 2)
    assert (stats.connections, stats.losses, stats.in_flight) == (1, 0, 0)
    bad = (stats.exceptions, stats.protocol_errors, stats.timeouts, stats.retries, stats.stale, stats.unknown)
    assert bad == (0,) * 6
    assert sum(count for _, count in stats.histogram) == stats.answers


def test_counters_of_trouble() -> None:
    def trouble(connection: Connection) -> None:
        request = connection.receive()
        connection.answer(request, b"\x83\x02")
        first, second = connection.receive(), connection.receive()
        connection.send(connection.honest(first) + connection.honest(second))
        request = connection.receive()
        frame = connection.honest(request)
        connection.send(b"\x70\x00" + frame[2:] + frame)
        connection.answer(connection.receive(), b"\x04\x02\x00\x00")
        connection.close()

    with ScriptedServer(trouble) as server, fm.connect(server.url, timeout=0.1, retries=1) as client:
        with pytest.raises(fm.IllegalDataAddress):
            client.read_holding_registers(0)
        client.read_holding_registers(0)
        client.read_holding_registers(0, timeout=20)
        with pytest.raises(fm.ProtocolError):
            client.read_holding_registers(0, timeout=20)
        server.wait_for_gone(1)
        with pytest.raises(fm.IllegalDataAddress):
            client.read_holding_registers(0, timeout=20)
        stats = client.stats
    assert (stats.exceptions, stats.timeouts, stats.retries) == (2, 1, 1)
    assert (stats.stale, stats.unknown, stats.protocol_errors) == (1, 1, 1)
    assert (stats.connections, stats.losses) == (2, 1)
    assert (stats.requests, stats.answers) == (6, 5)


def test_statistics_are_values() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        before = client.stats
        client.read_coils(0)
        assert before.requests == 0
        assert client.stats.requests == 1
        with pytest.raises(AttributeError):
            before.requests = 5  # type: ignore[misc]


def test_round_trips() -> None:
    """An answer delay is a lower bound of all of them; the buckets are an eighth of an octave wide."""
    with fm.Simulator(answer_delay=0.004) as simulator, fm.connect(simulator.url) as client:
        for _ in range(5):
            client.read_coils(0)
        stats = client.stats
    bounds = [bound for bound, _ in stats.histogram]
    assert bounds == sorted(bounds)
    assert stats.round_trip(0) >= 0.004 * 0.875
    assert stats.round_trip(50) <= stats.round_trip(100) == bounds[-1]


def test_percentiles() -> None:
    empty = dict.fromkeys(
        (
            "requests", "answers", "exceptions", "protocol_errors", "timeouts", "retries", "stale", "unknown",
            "connections", "losses", "bytes_sent", "bytes_received", "in_flight", "limit", "window",
        ),
        0,
    )  # fmt: skip
    stats = Statistics(**empty, histogram=((0.001, 90), (0.002, 9), (0.5, 1)))
    assert [stats.round_trip(p) for p in (1, 50, 90, 91, 99, 99.5, 100)] == [0.001] * 3 + [0.002] * 2 + [0.5] * 2


# ------------------------------------------------------------------------------------------------ trace


def test_trace_shows_what_went_over_the_wire() -> None:
    with fm.Simulator(registers={"hr": range(1000)}) as simulator, fm.connect(simulator.url, in_flight=4) as client:
        client.read_coils(0)
        client.trace()
        client.read_holding_registers(0, 500)
        client.write_register(3, 4)
        records, dropped = client.drain_trace()
        assert client.drain_trace() == ([], 0)
    assert dropped == 0
    times = [time for time, _, _ in records]
    assert times == sorted(times)
    sent = b"".join(data for _, received, data in records if not received)
    received = b"".join(data for _, received, data in records if received)
    asked, used = split_mbap(sent)
    assert used == len(sent)
    assert [frame.pdu for frame in asked] == [request.pdu for request in simulator.log[1:]]
    answers, used = split_mbap(received)
    assert used == len(received)
    assert sorted(frame.transaction_id for frame in answers) == sorted(frame.transaction_id for frame in asked)
    assert answers[0].pdu[2:] == np.arange(125, dtype=">u2").tobytes()


def test_a_full_trace_counts_what_it_drops_and_0_ends_it() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        client.trace(1024)
        for _ in range(100):
            client.read_holding_registers(0)
        records, dropped = client.drain_trace()
        assert len(records) + dropped == 200
        assert dropped > 0
        client.trace(0)
        client.read_holding_registers(0)
        assert client.drain_trace() == ([], 0)
        with refused(ValueError, "capacity", -1):
            client.trace(-1)
        with refused(TypeError, "capacity"):
            client.trace(1.5)  # type: ignore[arg-type]
