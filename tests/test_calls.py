"""Everything but tables: queues, files, diagnostics, identification, and PDUs of the caller's own."""

from collections.abc import Iterator

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.calls import CommEventCounter
from loops import BOTH
from scripted import Connection, ScriptedServer

CLIENTS = BOTH


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    with fm.Simulator(units=(1, 7)) as running:
        yield running


@pytest.fixture
def client(simulator: fm.Simulator) -> Iterator[fm.Client]:
    with fm.connect(simulator.url) as connected:
        yield connected


@pytest.mark.parametrize("count", [0, 1, 31])
def test_queue(simulator: fm.Simulator, client: fm.Client, count: int) -> None:
    simulator.unit(1).set_queue(0x04DE, range(1000, 1000 + count))
    found = client.read_fifo_queue(0x04DE)
    assert found.tolist() == list(range(1000, 1000 + count))
    assert found.dtype == np.uint16
    assert found.flags.writeable


def test_queue_that_is_too_long_or_not_there(simulator: fm.Simulator, client: fm.Client) -> None:
    simulator.unit(1).set_queue(1, range(32))
    with pytest.raises(fm.IllegalDataValue) as caught:
        client.read_fifo_queue(1)
    assert (caught.value.function, caught.value.address) == (24, 1)
    with pytest.raises(fm.DeviceError):
        client.read_fifo_queue(2)


def test_files_of_one_request(simulator: fm.Simulator, client: fm.Client) -> None:
    simulator.unit(1).set_file(4, np.arange(100, dtype=np.uint16))
    simulator.unit(1).set_file(3, np.arange(5000, 5100, dtype=np.uint16))
    found = client.read_file_records([(4, 1, 2), (3, 9, 2)])
    assert [part.tolist() for part in found] == [[1, 2], [5009, 5010]]
    assert [part.dtype for part in found] == [np.uint16, np.uint16]
    assert [request.pdu.hex(" ") for request in simulator.log] == [
        "14 0e 06 00 04 00 01 00 02 06 00 03 00 09 00 02",
    ]


@pytest.mark.parametrize("lengths", [[124], [124, 124, 1], [1] * 100, [61, 61, 3, 80, 40, 5, 124, 1, 1], [20] * 36])
def test_files_of_several_requests(simulator: fm.Simulator, client: fm.Client, lengths: list[int]) -> None:
    content = np.random.default_rng(1).integers(0, 65536, 10000).astype(np.uint16)
    simulator.unit(1).set_file(1, content)
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    found = client.read_file_records([(1, start, length) for start, length in zip(starts, lengths, strict=True)])
    assert [len(part) for part in found] == lengths
    assert np.array_equal(np.concatenate(found), content[: sum(lengths)])
    for request in simulator.log:
        parts = [request.pdu[at : at + 7] for at in range(2, len(request.pdu), 7)]
        assert len(parts) <= 35
        assert 2 + sum(2 + 2 * int.from_bytes(part[5:], "big") for part in parts) <= 253


@pytest.mark.parametrize("lengths", [[1], [122], [122, 122, 1], [1] * 60, [50, 50, 50, 50, 22, 100]])
def test_writing_files(simulator: fm.Simulator, client: fm.Client, lengths: list[int]) -> None:
    content = np.zeros(10000, np.uint16)
    simulator.unit(1).set_file(2, content)
    values = np.random.default_rng(2).integers(0, 65536, sum(lengths))
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    client.write_file_records(
        [(2, start, values[start : start + length]) for start, length in zip(starts, lengths, strict=True)]
    )
    assert np.array_equal(content[: len(values)], values)
    assert content[len(values) :].sum() == 0
    assert max(len(request.pdu) for request in simulator.log) <= 253


def test_a_file_that_is_not_there(client: fm.Client) -> None:
    with pytest.raises(fm.DeviceError) as caught:
        client.read_file_records([(9, 0, 1)])
    assert caught.value.function == 20


def test_exception_status(simulator: fm.Simulator, client: fm.Client) -> None:
    simulator.unit(1).exception_status = 0xA5
    assert client.read_exception_status() == 0xA5


def test_diagnostics(simulator: fm.Simulator, client: fm.Client) -> None:
    simulator.unit(1).diagnostic_register = 0x1234
    assert client.diagnostics(0, 0xA537) == 0xA537
    assert client.diagnostics(2) == 0x1234
    assert client.diagnostics(11) > 0, "messages on the bus so far"
    with pytest.raises(fm.IllegalFunction) as caught:
        client.diagnostics(0x0013)
    assert (caught.value.code, caught.value.function) == (1, 8)


def test_force_listen_only_is_over_when_it_was_sent(simulator: fm.Simulator) -> None:
    """ap 6.8.1: it is never answered. The device is silent until it is restarted, and the client goes on."""
    with fm.connect(simulator.url, timeout=0.05, retries=0) as client:
        assert client.diagnostics(4) == 0
        assert client.stats.timeouts == 0
        with pytest.raises(fm.RequestTimeout):
            client.read_coils(0)
        assert client.read_coils(0, unit=7).tolist() == [False]
        with pytest.raises(fm.RequestTimeout):
            client.diagnostics(1)  # restarts the device, which answers this only when it was not in listen only mode
        assert client.read_coils(0, timeout=5).tolist() == [False]
    assert simulator.connections == 1


def test_events(client: fm.Client) -> None:
    client.diagnostics(1, 0xFF00)
    before = client.get_comm_event_counter()
    assert isinstance(before, CommEventCounter)
    client.read_coils(0)
    after = client.get_comm_event_counter()
    assert (after.busy, after.event_count) == (False, before.event_count + 1)
    log = client.get_comm_event_log()
    assert log.busy is False
    assert log.event_count == after.event_count
    assert log.message_count >= 3
    assert log.events[-1:] == b"\x00", "the oldest event is the restart"


def test_a_busy_device_says_so_in_its_counters() -> None:
    def busy(connection: Connection) -> None:
        connection.answer(connection.receive(), bytes.fromhex("0b ff ff 00 05"))
        connection.answer(connection.receive(), bytes.fromhex("0c 08 ff ff 00 05 01 21 20 00"))

    with ScriptedServer(busy) as server, fm.connect(server.url) as client:
        assert client.get_comm_event_counter() == (True, 5)
        assert client.get_comm_event_log() == (True, 5, 0x121, b"\x20\x00")


@pytest.mark.parametrize("server_id", [b"\x01\xff", b"", b"a device\xff" + bytes(range(200))], ids=len)
def test_server_id(simulator: fm.Simulator, client: fm.Client, server_id: bytes) -> None:
    simulator.unit(1).server_id = server_id
    assert client.report_server_id() == server_id


def test_execute_returns_the_whole_answer(simulator: fm.Simulator, client: fm.Client) -> None:
    simulator.holding[3:5] = [0x0102, 0x0304]
    for kind in (bytes, bytearray, memoryview):
        assert client.execute(kind(bytes.fromhex("03 00 03 00 02"))) == bytes.fromhex("03 04 01 02 03 04")
    assert client.execute(bytes.fromhex("06 00 03 ab cd")) == bytes.fromhex("06 00 03 ab cd")
    assert simulator.holding[3] == 0xABCD


def test_execute_raises_what_the_device_refuses(client: fm.Client) -> None:
    with pytest.raises(fm.IllegalFunction) as caught:
        client.execute(b"\x41\x01\x02")
    assert (caught.value.function, caught.value.code, caught.value.unit) == (0x41, 1, 1)
    with pytest.raises(fm.IllegalDataValue):
        client.execute(bytes.fromhex("03 00 00 00 7e"))


@pytest.mark.parametrize(
    ("request_pdu", "answer", "good"),
    [
        pytest.param("41 01 02", "41 00", True, id="a function of the user's own, shortest answer"),
        pytest.param("41 01 02", "41" + " ee" * 252, True, id="a function of the user's own, longest answer"),
        pytest.param("03 00 03", "03 01", True, id="a known function in a form of the user's own"),
        pytest.param("2b 0d 01", "2b 0d ff ff", True, id="CANopen"),
        pytest.param("41 01 02", "42 00", False, id="the answer to another function"),
        pytest.param("03 00 03 00 02", "03 02 00 00", False, id="a known function, too few registers"),
        pytest.param("06 00 03 ab cd", "06 00 03 ab ce", False, id="a known function, another echo"),
        pytest.param("2b 0d 01", "2b 0e ff ff", False, id="another encapsulated interface"),
    ],
)
def test_execute_judges_what_it_knows(request_pdu: str, answer: str, good: bool) -> None:
    def script(connection: Connection) -> None:
        connection.answer(connection.receive(), bytes.fromhex(answer))

    with ScriptedServer(script) as server, fm.connect(server.url) as client:
        if good:
            assert client.execute(bytes.fromhex(request_pdu)) == bytes.fromhex(answer)
        else:
            with pytest.raises(fm.ProtocolError):
                client.execute(bytes.fromhex(request_pdu))
        assert client.connected
    assert server.pdus == [bytes.fromhex(request_pdu)]
