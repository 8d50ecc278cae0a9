"""What is sent again and what never is: retries, reconnecting, deadlines. Frames are counted at the server."""

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

import fastmodbus as fm
from loops import ALL_CARRIERS
from ports import deaf_port, free_port
from reference import Bank
from scripted import Connection, Script, ScriptedServer, honest

CLIENTS = ALL_CARRIERS

BANK = Bank(holding=list(range(65536)), coils=[True] * 65536)
READS: dict[str, Callable[[fm.Client], object]] = {
    "coils": lambda c: c.read_coils(0),
    "discrete inputs": lambda c: c.read_discrete_inputs(0),
    "holding registers": lambda c: c.read_holding_registers(0),
    "input registers": lambda c: c.read_input_registers(0),
    "exception status": lambda c: c.read_exception_status(),
    "event counter": lambda c: c.get_comm_event_counter(),
    "event log": lambda c: c.get_comm_event_log(),
    "server id": lambda c: c.report_server_id(),
    "identification": lambda c: c.read_device_identification(),
    "own PDU": lambda c: c.execute(bytes.fromhex("03 00 00 00 01")),
}
WRITES: dict[str, Callable[[fm.Client], object]] = {
    "coil": lambda c: c.write_coil(0, True),
    "register": lambda c: c.write_register(0, 1),
    "coils": lambda c: c.write_coils(0, [True]),
    "registers": lambda c: c.write_registers(0, [1]),
    "mask": lambda c: c.mask_write_register(0, 0, 0),
    "read/write": lambda c: c.read_write_registers(0, 1, 0, [1]),
    "diagnostics": lambda c: c.diagnostics(0, 5),
    "own PDU": lambda c: c.execute(bytes.fromhex("06 00 00 00 01")),
}
read = pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


def never(connection: Connection) -> None:
    connection.drain()


def late(count: int) -> Script:
    """Silence for the first requests, then an honest device."""

    def script(connection: Connection) -> None:
        connection.receive_many(count)
        connection.serve()

    return script


def leaving(*, reset: bool = False) -> Script:
    """Takes one request and goes."""

    def script(connection: Connection) -> None:
        connection.receive()
        if reset:
            connection.reset()
        else:
            connection.close()

    return script


def busy(count: int) -> Script:
    """Exception 6 for the first requests."""

    def script(connection: Connection) -> None:
        for _ in range(count):
            request = connection.receive()
            connection.answer(request, bytes([request.pdu[0] | 0x80, 6]))
        connection.serve()

    return script


# ------------------------------------------------------------------------------------------------ reads


@read
def test_a_read_is_asked_again_after_silence(read: Callable[[fm.Client], object]) -> None:
    with ScriptedServer(late(2), bank=BANK) as server, fm.connect(server.url, timeout=0.05, retries=2) as client:
        read(client)
        assert (client.stats.timeouts, client.stats.retries, client.stats.requests) == (2, 2, 3)
        assert len(server.requests) == 3
        assert len({seen.frame.transaction_id for seen in server.requests}) == 3, "a retry has an id of its own"
        assert server.connections == 1


@read
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_read_is_asked_again_after_a_loss(read: Callable[[fm.Client], object], reset: bool) -> None:
    gone = leaving(reset=reset)
    with ScriptedServer(gone, gone, honest, bank=BANK) as server, fm.connect(server.url) as client:
        read(client)
        assert (client.stats.losses, client.stats.retries, client.stats.connections) == (2, 2, 3)
    assert len(server.requests) == 3


@read
def test_a_read_is_asked_again_when_the_device_is_busy(read: Callable[[fm.Client], object]) -> None:
    with ScriptedServer(busy(1), bank=BANK) as server, fm.connect(server.url) as client:
        read(client)
        assert (client.stats.exceptions, client.stats.retries, client.stats.requests) == (1, 1, 2)
    assert len(server.requests) == 2


def test_a_busy_device_is_given_time() -> None:
    """Backoff: each pause is at least half of 100 ms, doubled every time."""
    with ScriptedServer(busy(2), bank=BANK) as server, fm.connect(server.url) as client:
        client.trace()
        assert client.read_holding_registers(7).tolist() == [7]
        records, _ = client.drain_trace()
    sent = [time for time, received, _ in records if not received]
    assert len(server.requests) == len(sent) == 3
    assert sent[1] - sent[0] >= 50e6
    assert sent[2] - sent[1] >= 100e6


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_silence_ends_with_a_timeout(retries: int) -> None:
    with ScriptedServer(never) as server, fm.connect(server.url, timeout=0.02, retries=retries) as client:
        with pytest.raises(fm.RequestTimeout, match=r"within 0\.02 s, asked") as caught:
            client.read_coils(3, 4)
        assert isinstance(caught.value, TimeoutError)
        server.wait_for_requests(retries + 1)
        assert client.connected
    assert (caught.value.function, caught.value.address, caught.value.count) == (1, 3, 4)
    assert len(server.requests) == retries + 1


def test_a_loss_every_time_ends_with_an_error() -> None:
    with ScriptedServer(leaving()) as server, fm.connect(server.url, retries=2) as client:
        with pytest.raises(fm.ConnectionFailed, match="closed") as caught:
            client.read_coils(0)
        assert isinstance(caught.value, ConnectionError)
    assert len(server.requests) == 3


def test_refusals_other_than_busy_are_final() -> None:
    def refuse(connection: Connection) -> None:
        request = connection.receive()
        connection.answer(request, bytes([request.pdu[0] | 0x80, 4]))

    with ScriptedServer(refuse) as server, fm.connect(server.url, retries=5) as client:
        with pytest.raises(fm.DeviceFailure):
            client.read_coils(0)
        assert client.stats.retries == 0
    assert len(server.requests) == 1


def test_a_late_answer_is_dropped_and_the_next_call_is_right() -> None:
    gate = threading.Event()

    def answer_late(connection: Connection) -> None:
        request = connection.receive()
        connection.wait(gate)
        connection.answer(request)
        connection.serve()

    with ScriptedServer(answer_late, bank=BANK) as server, fm.connect(server.url, timeout=0.05, retries=0) as client:
        with pytest.raises(fm.RequestTimeout):
            client.read_holding_registers(1000, 2)
        gate.set()
        assert client.read_holding_registers(2000, 2, timeout=20).tolist() == [2000, 2001]
        assert client.stats.stale == 1
        assert server.connections == 1


# ------------------------------------------------------------------------------------------------ writes


@write
def test_a_write_is_never_sent_twice(write: Callable[[fm.Client], object]) -> None:
    for script, kind in ((never, fm.RequestTimeout), (leaving(), fm.ConnectionFailed), (busy(1), fm.DeviceBusy)):
        with ScriptedServer(script) as server, fm.connect(server.url, timeout=0.05, retries=5) as client:
            with pytest.raises(kind) as caught:
                write(client)
            assert caught.value.outcome_unknown is (kind is not fm.DeviceBusy)
            assert client.stats.retries == 0
        server.wait_for_gone(1)
        assert len(server.requests) == 1


@write
def test_the_call_after_a_loss_reconnects(write: Callable[[fm.Client], object]) -> None:
    with ScriptedServer(leaving(), honest, bank=Bank()) as server, fm.connect(server.url) as client:
        with pytest.raises(fm.ConnectionFailed):
            write(client)
        assert not client.connected
        write(client)
        assert client.connected
        assert server.connections == 2
    assert [seen.connection for seen in server.requests] == [0, 1]


# ------------------------------------------------------------------------------------------------ idle connections


@pytest.mark.parametrize("call", [READS["coils"], WRITES["register"], WRITES["registers"]], ids=["read", "06", "16"])
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_server_that_closed_an_idle_connection(call: Callable[[fm.Client], object], reset: bool) -> None:
    """Nothing had left, so that even a write is simply sent over a new connection."""

    def serve_one(connection: Connection) -> None:
        connection.serve(1)
        if reset:
            connection.reset()
        else:
            connection.close()

    with ScriptedServer(serve_one) as server, fm.connect(server.url, retries=0) as client:
        for i in range(1, 5):
            call(client)
            server.wait_for_gone(i)
        assert client.stats.connections == 4
        assert client.stats.retries == 0
    assert [seen.connection for seen in server.requests] == [0, 1, 2, 3]


def test_bytes_that_nobody_asked_for_cost_the_connection_before_anything_is_sent() -> None:
    def script(connection: Connection) -> None:
        request = connection.receive()
        connection.send(connection.honest(request) + b"\x00\x00\x00")

    with ScriptedServer(script, honest) as server, fm.connect(server.url) as client:
        assert client.read_holding_registers(5).tolist() == [0]
        client.write_register(5, 55)
        assert client.read_holding_registers(5).tolist() == [55]
        assert server.connections == 2
    assert [seen.connection for seen in server.requests] == [0, 1, 1]


def test_idle_close_replaces_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with fm.Simulator() as simulator, fm.Client("127.0.0.1", simulator.port, idle_close="1us") as client:
        for _ in range(3):
            client.write_register(0, 1)
        assert simulator.connections == 3
        assert simulator.requests == 3
    assert not [record for record in caplog.records if record.levelname == "WARNING"], "our own doing is no news"


def test_idle_close_before_the_first_call(caplog: pytest.LogCaptureFixture) -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url, idle_close="1us") as client:
        client.write_register(0, 1)
        assert (client.stats.connections, client.stats.losses) == (2, 1)
        assert simulator.requests == 1
    assert not [record for record in caplog.records if record.levelname == "WARNING"], "our own doing is no news"


@pytest.mark.parametrize("given", [{}, {"connect_delay": "50ms"}], ids=["at once", "connect_delay"])
def test_a_pause_in_the_middle_of_a_call_does_not_make_its_connection_idle(given: dict[str, str]) -> None:
    """A busy device is asked again after 50 ms or more; a new connection is used, however long that takes."""
    with fm.Simulator() as simulator, fm.Client("127.0.0.1", simulator.port, idle_close="30ms", **given) as client:
        client.read_holding_registers(5)
        simulator.fail("hr0", code=6, times=1)
        assert client.read_holding_registers(0).tolist() == [0]
        first, refused, repeated = simulator.log
    assert first.pdu != refused.pdu == repeated.pdu
    assert refused.connection == repeated.connection


# ---------------------------------------------------------------------------------------- no server, half a server


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("call", [READS["coils"], WRITES["register"]], ids=["read", "write"])
@pytest.mark.parametrize("limits", [{}, {"deadline": 2}], ids=["no deadline", "deadline"])
def test_a_server_that_accepts_and_closes_at_once(
    reset: bool, call: Callable[[fm.Client], object], limits: dict[str, float]
) -> None:
    def script(connection: Connection) -> None:
        if reset:
            connection.reset()
        else:
            connection.close()

    with ScriptedServer(script) as server, fm.Client(server.host, server.port, retries=2, **limits) as client:
        with pytest.raises(fm.ConnectionFailed, match=r"clos|reset"):
            call(client)
        assert server.connections <= 12


def test_connections_without_an_answer_are_counted_for_each_call_anew() -> None:
    """Silence and a close, several times: every call asks the device, none gives up for what happened before it."""
    gone = threading.Semaphore(0)

    def silent_then_gone(connection: Connection) -> None:
        connection.receive()
        gone.acquire()
        connection.close()

    with ScriptedServer(silent_then_gone) as server, fm.connect(server.url, timeout=0.02, retries=0) as client:
        for i in range(1, 6):
            with pytest.raises(fm.RequestTimeout):
                client.read_coils(0)
            gone.release()
            server.wait_for_gone(i)
        assert len(server.requests) == 5


def test_a_deadline_bounds_all_retries() -> None:
    with ScriptedServer(never) as server, fm.connect(server.url, timeout=30, retries=100) as client:
        with pytest.raises(fm.RequestTimeout, match="deadline") as caught:
            client.read_coils(0, 3, deadline=0.05)
        assert caught.value.outcome_unknown is False
        assert not caught.value.ok.any()
    assert len(server.requests) == 1


def test_a_deadline_bounds_a_write() -> None:
    with ScriptedServer(never) as server, fm.connect(server.url, timeout=30, deadline="500ms") as client:
        with pytest.raises(fm.RequestTimeout, match=r"deadline.*may or may not") as caught:
            client.write_coil(0, True)
        assert caught.value.outcome_unknown is True
    assert len(server.requests) == 1


def test_a_deadline_bounds_a_busy_device() -> None:
    with (
        ScriptedServer(busy(100)) as server,
        fm.connect(server.url, retries=100) as client,
        pytest.raises(fm.RequestTimeout, match="deadline"),
    ):
        client.read_coils(0, deadline=0.3)


def test_a_write_that_never_left_is_not_unknown() -> None:
    with (
        ScriptedServer(never) as server,
        fm.connect(server.url, connect_delay=30) as client,
        pytest.raises(fm.RequestTimeout, match="deadline") as caught,
    ):
        client.write_register(0, 1, deadline=0.05)
    assert caught.value.outcome_unknown is False
    assert server.requests == []


def test_a_deadline_bounds_connecting() -> None:
    with deaf_port() as port, closing(fm.Client("127.0.0.1", port, connect_timeout=30)) as client:
        with pytest.raises(fm.ConnectionFailed, match=f"127.0.0.1:{port}.*nobody answered") as caught:
            client.read_coils(0, deadline=0.2)
        assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)


def test_a_call_with_a_deadline_waits_for_a_server_that_comes_back() -> None:
    simulator = fm.Simulator(registers={"hr": [42]}).start()
    client = fm.connect(simulator.url)
    assert client.read_holding_registers(0).tolist() == [42]
    simulator.close()
    with pytest.raises(fm.ConnectionFailed, match="refused"):
        client.read_holding_registers(0)
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.extend(client.read_holding_registers(0, deadline=30)))
    reader.start()
    simulator.start()
    reader.join(30)
    assert found == [42]
    client.close()
    simulator.close()


def test_a_call_without_a_deadline_does_not_take_those_with_one_along() -> None:
    """Two threads wait for a connection; the one that has no deadline gives up, the other goes on waiting."""
    port = free_port()
    found: list[int] = []
    with closing(fm.Client("127.0.0.1", port)) as client:
        reader = threading.Thread(target=lambda: found.extend(client.read_holding_registers(0, deadline=30)))
        reader.start()
        for _ in range(5):
            with pytest.raises(fm.ConnectionFailed):
                client.read_holding_registers(0)
        assert reader.is_alive()
        with fm.Simulator(port=port, registers={"hr": [42]}):
            reader.join(30)
    assert found == [42]
