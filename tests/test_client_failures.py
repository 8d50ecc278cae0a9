"""What a call that fails says, and what it leaves: exceptions, bulk reads and split writes of which a part failed."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import fastmodbus as fm
from loops import ALL_CARRIERS
from reference import Bank
from scripted import Connection, ScriptedServer

CLIENTS = ALL_CARRIERS

EXCEPTIONS = {
    1: fm.IllegalFunction,
    2: fm.IllegalDataAddress,
    3: fm.IllegalDataValue,
    4: fm.DeviceFailure,
    5: fm.Acknowledge,
    6: fm.DeviceBusy,
    8: fm.MemoryParityError,
    10: fm.GatewayPathUnavailable,
    11: fm.GatewayTargetFailed,
    # Not defined by the specification: the number must come through all the same.
    0: fm.DeviceError,
    7: fm.DeviceError,
    9: fm.DeviceError,
    99: fm.DeviceError,
    255: fm.DeviceError,
}
CALLS: dict[str, tuple[Callable[[fm.Client], object], int, int, int]] = {
    "read coils": (lambda c: c.read_coils(7, 30), 1, 7, 30),
    "read discrete inputs": (lambda c: c.read_discrete_inputs(7, 30), 2, 7, 30),
    "read holding registers": (lambda c: c.read_holding_registers(7, 30), 3, 7, 30),
    "read input registers": (lambda c: c.read_input_registers(7, 30), 4, 7, 30),
    "write coils": (lambda c: c.write_coils(7, [True] * 30), 15, 7, 30),
    "write registers": (lambda c: c.write_registers(7, range(30)), 16, 7, 30),
    "read/write registers": (lambda c: c.read_write_registers(7, 30, 0, [1]), 23, 7, 30),
}


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    with fm.Simulator() as running:
        running.holding[:] = np.arange(65536)
        running.coils[::3] = True
        yield running


@pytest.mark.parametrize(("code", "kind"), EXCEPTIONS.items())
@pytest.mark.parametrize(("call", "function", "address", "count"), CALLS.values(), ids=CALLS.keys())
def test_exceptions(
    code: int, kind: type[fm.DeviceError], call: Callable[[fm.Client], object], function: int, address: int, count: int
) -> None:
    def refuse(connection: Connection) -> None:
        request = connection.receive()
        connection.answer(request, bytes([request.pdu[0] | 0x80, code]))

    with ScriptedServer(refuse) as server, fm.connect(server.url, retries=0, unit=9, name="pump") as client:
        with pytest.raises(fm.DeviceError) as caught:
            call(client)
        assert client.connected
        assert client.stats.exceptions == 1
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.function, error.unit, error.address, error.count) == (code, function, 9, address, count)
    assert error.outcome_unknown is False
    message = str(error)
    assert message.startswith(f"pump (127.0.0.1:{server.port}), unit 9: ")
    assert f"exception {code:02X}" in message
    assert f" {address} to {address + count - 1}: refused" in message


@pytest.mark.parametrize("code", [1, 99])
def test_exceptions_of_single_writes(code: int) -> None:
    def refuse(connection: Connection) -> None:
        while True:
            request = connection.receive()
            connection.answer(request, bytes([request.pdu[0] | 0x80, code]))

    with ScriptedServer(refuse) as server, fm.connect(server.url) as client:
        for write in (
            lambda: client.write_coil(3, True),
            lambda: client.write_register(3, 4),
            lambda: client.mask_write_register(3, 0, 0),
        ):
            with pytest.raises(fm.DeviceError, match=r"(coil|register) 3: refused") as caught:
                write()
            assert (caught.value.code, caught.value.address) == (code, 3)
            assert caught.value.outcome_unknown is False
    assert len(server.requests) == 3


def test_a_busy_device_is_not_said_to_be_asked_again_when_it_was_not() -> None:
    def busy(connection: Connection) -> None:
        while True:
            request = connection.receive()
            connection.answer(request, bytes([request.pdu[0] | 0x80, 6]))

    with ScriptedServer(busy) as server, fm.connect(server.url, retries=1) as client:
        with pytest.raises(fm.DeviceBusy, match="asked 2 times"):
            client.read_coils(0)
        with pytest.raises(fm.DeviceBusy) as caught:
            client.write_register(0, 1)
        assert "times" not in str(caught.value)
    assert len(server.requests) == 3


# ------------------------------------------------------------------------------------------------ bulk reads


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_bulk_read_keeps_what_was_read(simulator: fm.Simulator, in_flight: int) -> None:
    simulator.fail("hr300-301", code=2)
    simulator.fail("hr999", code=4)
    with fm.connect(simulator.url, in_flight=in_flight) as client:
        with pytest.raises(fm.IllegalDataAddress) as caught:
            client.read_holding_registers(50, 1000)
        assert client.read_holding_registers(0, 10).tolist() == list(range(10)), "the client is fine"
    error = caught.value
    ok = np.ones(1000, bool)
    ok[250:375] = ok[875:1000] = False
    assert np.array_equal(error.ok, ok)
    assert np.array_equal(error.partial, np.where(ok, np.arange(50, 1050), 0))
    assert error.partial.dtype == np.uint16
    assert [(type(e), e.address, e.count) for e in error.errors] == [
        (fm.IllegalDataAddress, 300, 125),
        (fm.DeviceFailure, 925, 125),
    ]
    assert error.errors[0] is error
    assert (error.address, error.count, error.code) == (300, 125, 2)


@pytest.mark.parametrize("in_flight", [1, 16])
def test_the_callers_array_keeps_its_content_where_reading_failed(simulator: fm.Simulator, in_flight: int) -> None:
    simulator.fail("co4500", code=2)
    out = simulator.coils[:10000].copy()
    out[4000:6000] ^= True
    before = out.copy()
    with (
        fm.connect(simulator.url, in_flight=in_flight) as client,
        pytest.raises(fm.IllegalDataAddress) as caught,
    ):
        client.read_coils(0, 10000, out=out)
    assert caught.value.partial is out
    assert np.array_equal(out[4000:6000], before[4000:6000])
    ok = np.ones(10000, bool)
    ok[4000:6000] = False
    assert np.array_equal(caught.value.ok, ok)
    assert np.array_equal(out[ok], simulator.coils[:10000][ok])


def test_a_read_that_fails_as_a_whole(simulator: fm.Simulator) -> None:
    simulator.fail("hr0-65535", code=1)
    out = np.full(500, 77, np.uint16)
    with fm.connect(simulator.url, in_flight=4) as client:
        with pytest.raises(fm.IllegalFunction) as caught:
            client.read_holding_registers(0, 500)
        assert not caught.value.ok.any()
        assert not caught.value.partial.any()
        assert len(caught.value.errors) == 4
        with pytest.raises(fm.IllegalFunction):
            client.read_holding_registers(0, 500, out=out)
    assert (out == 77).all()


def test_a_bulk_read_with_a_part_that_is_never_answered(simulator: fm.Simulator) -> None:
    simulator.fault("drop", where="hr1000")
    with fm.connect(simulator.url, in_flight=16, timeout=0.2, retries=1) as client:
        with pytest.raises(fm.RequestTimeout, match="asked 2 times") as caught:
            client.read_holding_registers(0, 5000)
        assert client.stats.timeouts == 2
        assert client.stats.retries == 1
    assert np.flatnonzero(~caught.value.ok).tolist() == list(range(1000, 1125))
    assert np.array_equal(caught.value.partial[caught.value.ok], np.arange(5000)[caught.value.ok])


def test_a_bulk_read_of_a_device_that_goes_away(simulator: fm.Simulator) -> None:
    """What came before is kept; the rest says that there is no connection."""

    def leave(connection: Connection) -> None:
        connection.serve(5)
        connection.receive()
        connection.server.stop_listening()
        connection.close()

    bank = Bank(holding=list(range(65536)))
    with ScriptedServer(leave, bank=bank) as server, fm.connect(server.url) as client:
        with pytest.raises(fm.ConnectionFailed) as caught:
            client.read_holding_registers(0, 1250)
        assert not client.connected
    error = caught.value
    assert np.flatnonzero(error.ok).tolist() == list(range(625))
    assert np.array_equal(error.partial[:625], np.arange(625))
    assert {type(each) for each in error.errors} == {fm.ConnectionFailed}
    assert (error.host, error.port) == ("127.0.0.1", server.port)
    assert error.outcome_unknown is False


# ------------------------------------------------------------------------------------------------ split writes


@pytest.mark.parametrize("in_flight", [1, 16])
def test_after_a_refused_write_nothing_more_is_sent(simulator: fm.Simulator, in_flight: int) -> None:
    simulator.holding[:] = 0
    simulator.fail("hr400", code=2)
    with fm.connect(simulator.url, in_flight=in_flight) as client:
        with pytest.raises(fm.IllegalDataAddress) as caught:
            client.write_registers(0, np.arange(1, 1001))
        assert client.read_holding_registers(0).tolist() == [1]
    error = caught.value
    assert error.written == (range(123), range(123, 246), range(246, 369))
    assert (error.address, error.count) == (369, 123)
    assert error.outcome_unknown is False
    assert error.errors == (error,)
    assert "0 to 122, 123 to 245, 246 to 368" in str(error)
    assert [request.span for request in simulator.log[:-1]] == [("hr", at, at + 123) for at in range(0, 492, 123)]
    assert simulator.holding[:369].tolist() == list(range(1, 370))
    assert not simulator.holding[369:].any()


def test_the_first_of_a_split_write_fails(simulator: fm.Simulator) -> None:
    simulator.fail("co0", code=3)
    with fm.connect(simulator.url) as client, pytest.raises(fm.IllegalDataValue, match="before: nothing") as caught:
        client.write_coils(0, [True] * 4000)
    assert caught.value.written == ()
    assert simulator.requests == 1


@pytest.mark.parametrize("ending", ["silence", "FIN", "RST"])
def test_a_split_write_whose_second_part_has_an_unknown_fate(ending: str) -> None:
    def fail_at_second(connection: Connection) -> None:
        connection.serve(1)
        connection.receive()
        if ending == "FIN":
            connection.close()
        elif ending == "RST":
            connection.reset()

    with ScriptedServer(fail_at_second) as server, fm.connect(server.url, timeout=0.2) as client:
        expected = fm.RequestTimeout if ending == "silence" else fm.ConnectionFailed
        with pytest.raises(expected, match="read the value back before writing again") as caught:
            client.write_registers(0, range(500))
        assert len(server.requests) == 2
    error = caught.value
    assert error.outcome_unknown is True
    assert error.written == (range(123),)
    assert (error.function, error.address, error.count) == (16, 123, 123)
    assert len(server.requests) == 2, "neither sent twice, nor anything after it"


def test_pipelined_writes_tell_all_that_failed() -> None:
    """Two are in flight: the first is refused, and the fate of the second is unknown because the connection goes."""

    def refuse_and_leave(connection: Connection) -> None:
        first, _ = connection.receive_many(2)
        connection.answer(first, bytes([0x90, 4]))
        connection.close()

    with (
        ScriptedServer(refuse_and_leave) as server,
        fm.connect(server.url, in_flight=2, pipeline_writes=True) as client,
        pytest.raises(fm.DeviceFailure) as caught,
    ):
        client.write_registers(0, range(500))
    error = caught.value
    assert [type(each) for each in error.errors] == [fm.DeviceFailure, fm.ConnectionFailed]
    assert error.errors[0] is error
    assert [each.address for each in error.errors] == [0, 123]
    assert error.outcome_unknown is True
    assert len(server.requests) == 2


WRITES: dict[str, Callable[[fm.Client], object]] = {
    "coil": lambda c: c.write_coil(0, True),
    "register": lambda c: c.write_register(0, 1),
    "coils": lambda c: c.write_coils(0, [True]),
    "registers": lambda c: c.write_registers(0, [1]),
    "mask": lambda c: c.mask_write_register(0, 0, 0),
    "read/write": lambda c: c.read_write_registers(0, 1, 0, [1]),
    "files": lambda c: c.write_file_records([(1, 0, [1])]),
    "diagnostics": lambda c: c.diagnostics(1),
    "own function": lambda c: c.execute(b"\x41\x00"),
    "own PDU": lambda c: c.execute(bytes.fromhex("06 00 00 00 01")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("ending", ["silence", "FIN", "nonsense"])
def test_a_write_whose_fate_is_unknown_says_so_and_is_sent_once(
    write: Callable[[fm.Client], object], ending: str
) -> None:
    def fail(connection: Connection) -> None:
        request = connection.receive()
        if ending == "FIN":
            connection.close()
        elif ending == "nonsense":
            connection.answer(request, b"\x7f\x00\x00")

    timeout = 0.1 if ending == "silence" else 30
    with ScriptedServer(fail) as server, fm.connect(server.url, timeout=timeout, retries=5) as client:
        with pytest.raises(fm.ModbusError) as caught:
            write(client)
        assert caught.value.outcome_unknown is True
        assert "read the value back" in str(caught.value)
        server.wait_for_requests(1)
        assert len(server.requests) == 1


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_read_only_refuses_every_write_before_a_byte(write: Callable[[fm.Client], object]) -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url, read_only=True, name="meter") as client:
        with pytest.raises(fm.ModbusError, match=r"meter .*read_only") as caught:
            write(client)
        assert caught.value.outcome_unknown is False
        assert client.stats.bytes_sent == 0
        client.read_coils(0)
        client.execute(bytes.fromhex("03 00 00 00 01"))
        client.read_device_identification()
        assert simulator.requests == 3


def test_files_written_before_the_one_that_failed() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        content = np.zeros(500, np.uint16)
        simulator.unit(1).set_file(1, content)
        with pytest.raises(fm.DeviceError, match=r"before: records\[0\] to records\[0\]$"):
            client.write_file_records([(1, 0, range(1, 101)), (2, 0, range(100)), (1, 200, range(100))])
        assert content[:100].tolist() == list(range(1, 101))
        assert not content[100:].any()
        assert simulator.requests == 2
