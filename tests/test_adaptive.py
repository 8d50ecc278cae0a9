"""The adaptive window, which is the default, against real servers: no error, right values, and what it costs.

How fast it is depends on the machine; that it reaches the best fixed window is shown in virtual time, in
core/test_pace.py. Here the times only decide how much of it is learnt, so the tests ask for what holds in any case.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.simulator import Request
from peers.catalogue import BY_NAME
from peers.contents import computed
from peers.harness import running

REGISTERS = 5000
LONG_READS = 20
PATTERN = (np.arange(65536, dtype=np.uint32) * 40503 % 65521).astype(np.uint16)
ONE_AT_A_TIME = "one at a time"
PATIENCE_SECONDS = 60.0


def simulator(**how: object) -> fm.Simulator:
    return fm.Simulator(registers={"hr": PATTERN}, **how)


def read_long(client: fm.Client, times: int = LONG_READS, each: int = 50) -> None:
    """Long reads, in requests of `each` registers; every value is checked."""
    for i in range(times):
        start = 17 * i
        assert np.array_equal(client.read_holding_registers(start, REGISTERS), PATTERN[start : start + REGISTERS])


def read_until(condition: Callable[[], bool], client: fm.Client) -> None:
    """Long reads until something is learnt: whether requests meet in one receive is up to the machine."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing is learnt"
        read_long(client, 2)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def told(caplog: pytest.LogCaptureFixture) -> int:
    return sum(ONE_AT_A_TIME in message for message in warnings_of(caplog))


def nothing_went_wrong(client: fm.Client) -> bool:
    found = client.stats
    return (found.protocol_errors, found.exceptions, found.unknown, found.losses) == (0, 0, 0, 0)


def test_automatic_is_the_default() -> None:
    with simulator() as sim, fm.connect(sim.url) as client, fm.Client("127.0.0.1", sim.port, in_flight="auto") as other:
        assert (client.stats.window, client.stats.limit) == (16, 1)
        assert (other.stats.window, other.stats.limit) == (16, 1)


@pytest.mark.parametrize("how", [{}, {"answer_delay": 0.001}, {"service_time": 0.005}], ids=["quick", "1 ms", "5 ms"])
def test_devices_that_stand_everything(how: dict[str, float], caplog: pytest.LogCaptureFixture) -> None:
    with simulator(**how) as sim, fm.connect(sim.url, max_registers=100, timeout=30) as client:
        read_long(client, 4 if "service_time" in how else LONG_READS)
        assert nothing_went_wrong(client)
        assert (client.stats.timeouts, client.stats.retries, client.stats.connections) == (0, 0, 1)
        assert 1 <= client.stats.limit <= 16
    assert warnings_of(caplog) == []


def test_a_delay_is_bridged() -> None:
    """10 ms a request is so much more than all else that the gain of each doubling shows on any machine."""
    with simulator(answer_delay=0.01) as sim, fm.connect(sim.url, max_registers=50, timeout=30) as client:
        read_long(client, 8)
        assert client.stats.limit > 1
        assert client.stats.timeouts == 0


def test_short_calls_stay_one_at_a_time() -> None:
    with simulator(answer_delay=0.0005) as sim, fm.connect(sim.url) as client:
        for i in range(100):
            assert np.array_equal(client.read_holding_registers(i, 1000), PATTERN[i : i + 1000])
        assert client.stats.limit == 1


@pytest.mark.parametrize("most", [1, 3, 4])
@pytest.mark.parametrize("retries", [0, 2])
def test_exception_6_reaches_nobody(most: int, retries: int, caplog: pytest.LogCaptureFixture) -> None:
    how = {"max_in_flight": most, "answer_delay": 0.002}
    with simulator(**how) as sim, fm.connect(sim.url, max_registers=100, retries=retries, timeout=30) as client:
        read_long(client, 10)
        found = client.stats
        assert found.exceptions == found.retries
        assert (found.timeouts, found.losses, found.protocol_errors) == (0, 0, 0)
        assert found.limit <= most + 1
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_one_answer_a_receive(delay: float, caplog: pytest.LogCaptureFixture) -> None:
    """It is noticed without a timeout and without counting a repetition, and said once."""
    how = {"one_answer_per_receive": True, "answer_delay": delay}
    with simulator(**how) as sim, fm.connect(sim.url, max_registers=50, retries=0, timeout=30) as client:
        read_until(lambda: told(caplog) > 0, client)
        read_long(client, 5)
        assert nothing_went_wrong(client)
        assert (client.stats.timeouts, client.stats.retries, client.stats.limit) == (0, 0, 1)
        assert client.stats.requests == sim.requests
    assert told(caplog) == 1
    assert len(warnings_of(caplog)) == 1


def test_the_server_of_pymodbus(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It answers only the first request of what one receive brings, or one of them twice, or all: as it happens."""
    server = BY_NAME["pymodbus"]
    if server.missing():
        pytest.skip(f"{server.missing()} is missing")
    values = np.array(computed("holding"), np.uint16)
    with running(server, tmp_path) as peer, fm.connect(peer.url, max_registers=50, retries=0, timeout=30) as client:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not told(caplog):
            assert time.monotonic() < deadline, "nothing is learnt"
            assert np.array_equal(client.read_holding_registers(9, REGISTERS), values[9 : 9 + REGISTERS])
        assert np.array_equal(client.read_holding_registers(0, REGISTERS), values[:REGISTERS])
        found = client.stats
        assert (found.timeouts, found.retries, found.losses, found.protocol_errors, found.limit) == (0, 0, 0, 0, 1)
    assert told(caplog) == 1


def crowd(sim: fm.Simulator, most: int) -> Callable[[Request], bool]:
    """Strikes the requests that come while `most` others of their connection are unanswered, by no clock of its own."""

    def struck(request: Request) -> bool:
        waiting = [effect for _, _, asked, effect in sim._schedule._queue if asked.number == request.connection]
        return sum(bool(effect.pieces) for effect in waiting) >= most

    return struck


@pytest.mark.parametrize("most", [1, 3, 4])
@pytest.mark.parametrize("retries", [0, 2])
def test_requests_that_are_dropped(most: int, retries: int, caplog: pytest.LogCaptureFixture) -> None:
    """They are asked again early, which is neither a timeout nor a repetition."""
    with simulator(answer_delay=0.005) as sim:
        fault = sim.fault("drop", where=crowd(sim, most))
        with fm.connect(sim.url, max_registers=100, retries=retries, timeout=30) as client:
            read_until(lambda: fault.struck > 0 and (most > 1 or told(caplog) > 0), client)
            read_long(client, 5)
            assert nothing_went_wrong(client)
            assert (client.stats.timeouts, client.stats.retries, client.stats.connections) == (0, 0, 1)
            assert client.stats.requests == sim.requests
    assert told(caplog) == len(warnings_of(caplog)) == (most == 1)


@pytest.mark.parametrize("most", [1, 3, 4])
@pytest.mark.parametrize("retries", [0, 2])
def test_a_device_that_closes(most: int, retries: int) -> None:
    """A few connections are lost before it is known how many requests it stands."""
    with simulator(answer_delay=0.005) as sim:
        fault = sim.fault("close", where=crowd(sim, most))
        with fm.connect(sim.url, max_registers=100, retries=retries, timeout=30) as client:
            read_until(lambda: fault.struck > 0, client)
            read_long(client, 8)
            found = client.stats
            assert (found.timeouts, found.retries, found.protocol_errors, found.exceptions) == (0, 0, 0, 0)
            assert found.losses == found.connections - 1 == sim.connections - 1
            assert 1 <= found.losses <= fault.struck
            assert found.losses <= 4


@pytest.mark.parametrize("kind", ["drop", "close"])
def test_writes_beside_long_reads_are_carried_out_once(kind: str) -> None:
    """One thread reads, so that the window is learnt; another writes, and none of its writes fails or is repeated."""
    with simulator(answer_delay=0.002) as sim:
        sim.fault(kind, where=crowd(sim, 4))
        with fm.connect(sim.url, max_registers=50, timeout=30) as client:
            reader = threading.Thread(target=read_long, args=(client, 10))
            reader.start()
            written = 0
            while reader.is_alive() or written < 20:
                client.write_register(60000 + written % 100, written)
                written += 1
            reader.join()
            writes = [request.pdu for request in sim.log if request.pdu[0] == 6]
    assert writes == [bytes([6]) + (60000 + i % 100).to_bytes(2, "big") + i.to_bytes(2, "big") for i in range(written)]


def test_what_was_learnt_outlives_the_connection() -> None:
    with simulator(answer_delay=0.005) as sim, fm.connect(sim.url, max_registers=50, timeout=30) as client:
        read_long(client, 5)
        learnt = client.stats.limit
        sim.disconnect()
        assert client.read_holding_registers(0)[0] == PATTERN[0]
        assert client.stats.limit == learnt > 1
