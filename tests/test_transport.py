"""Connecting: addresses, names, failures with host and port, and what the log says about it all."""

import errno
import logging
import socket
import threading
from contextlib import closing

import pytest

import fastmodbus as fm
from children import run_python
from fastmodbus import sockets
from loops import ALL_CARRIERS
from ports import deaf_port, free_port, has_ipv6
from scripted import Connection, ScriptedServer, honest

CLIENTS = ALL_CARRIERS

LOG = "fastmodbus"


# ------------------------------------------------------------------------------------------------ addresses


@pytest.mark.skipif(not has_ipv6(), reason="platform: no IPv6 on loopback")
def test_ipv6() -> None:
    with fm.Simulator(host="::1", registers={"hr": [7]}) as simulator:
        assert simulator.url.startswith("tcp://[::1]:")
        with fm.connect(simulator.url) as client:
            assert client.read_holding_registers(0).tolist() == [7]
            assert client.host == "::1"
        with fm.Client("::1", simulator.port) as client:
            assert client.read_holding_registers(0).tolist() == [7]


@pytest.mark.skipif(not has_ipv6(), reason="platform: no IPv6 on loopback")
def test_ipv6_in_messages() -> None:
    with fm.Client("::1", free_port(), name="pump") as client:
        with pytest.raises(fm.ConnectionFailed, match=rf"^pump \(\[::1\]:{client.port}\), unit 1: ") as caught:
            client.read_coils(0)
        assert caught.value.host == "::1"
        with pytest.raises(fm.ConnectionFailed, match=rf"^\[::1\]:{client.port}: no connection"):
            client.connect()


def test_a_name() -> None:
    """A name may have several addresses: those where nobody listens are passed over."""
    with (
        fm.Simulator(registers={"hr": [7]}) as simulator,
        fm.connect(f"tcp://localhost:{simulator.port}") as client,
    ):
        assert client.read_holding_registers(0).tolist() == [7]
        assert client.host == "localhost"


def test_source_address() -> None:
    """The whole of 127/8 is ours: the server sees which part of it we came from."""
    seen: list[str] = []

    def look(connection: Connection) -> None:
        seen.append(connection.socket.getpeername()[0])
        connection.serve()

    with ScriptedServer(look) as server, fm.connect(server.url, source_address="127.0.0.2") as client:
        client.read_coils(0)
    assert seen == ["127.0.0.2"]


@pytest.mark.parametrize("source", ["192.0.2.1", "no address", "a..b", "::1"])
def test_a_source_address_that_is_not_ours(source: str) -> None:
    with fm.Simulator() as simulator, fm.Client("127.0.0.1", simulator.port, source_address=source) as client:
        with pytest.raises(fm.ConnectionFailed, match=f"127.0.0.1:{simulator.port}.*source_address '{source}'"):
            client.connect()
        assert simulator.requests == 0


def test_the_connection_does_not_delay_small_segments_and_notices_a_dead_peer() -> None:
    with (
        fm.Simulator() as simulator,
        closing(sockets.connected((socket.AF_INET, ("127.0.0.1", simulator.port)), 5.0, None)) as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


# ------------------------------------------------------------------------------------------------ failures


def test_row_28_refused() -> None:
    port = free_port()
    with pytest.raises(fm.ConnectionFailed, match=f"127.0.0.1:{port}: no connection: connection refused") as caught:
        fm.connect(f"tcp://127.0.0.1:{port}")
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_row_28_refused_at_the_first_call() -> None:
    port = free_port()
    with fm.Client("127.0.0.1", port, unit=3, name="pump") as client:
        for call in (lambda: client.read_coils(5), lambda: client.write_coil(5, True)):
            with pytest.raises(fm.ConnectionFailed, match=rf"pump \(127.0.0.1:{port}\), unit 3: .* coil.* 5: no connection: connection refused") as caught:  # fmt: skip  # noqa: E501
                call()
            assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
            assert caught.value.outcome_unknown is False
        assert not client.connected


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70, "a\0b", "\N{SNOWMAN}" * 64])
def test_row_28_a_name_that_does_not_exist(host: str) -> None:
    with fm.Client(host, 1502) as client:
        with pytest.raises(fm.ConnectionFailed, match=r"1502.*cannot be resolved") as caught:
            client.read_coils(0)
        assert (caught.value.host, caught.value.port) == (host, 1502)
        with pytest.raises(fm.ConnectionFailed, match=r"1502.*cannot be resolved"):
            client.connect()


def test_row_28_nobody_answers_within_the_connect_timeout() -> None:
    with deaf_port() as port:
        with pytest.raises(fm.ConnectionFailed, match=f"127.0.0.1:{port}.*nobody answered in time") as caught:
            fm.connect(f"tcp://127.0.0.1:{port}", connect_timeout="100ms")
        assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
        with (
            fm.Client("127.0.0.1", port, connect_timeout=0.1, retries=50) as client,
            pytest.raises(fm.ConnectionFailed, match="nobody answered in time"),
        ):
            client.read_coils(0)


def test_unreachable() -> None:
    """A broadcast address takes no connection: the kernel says so at once."""
    with (
        fm.Client("255.255.255.255", 502, connect_timeout=1) as client,
        pytest.raises(fm.ConnectionFailed, match=r"255\.255\.255\.255:502") as caught,
    ):
        client.connect()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno in (errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH, None)


def test_connecting_twice_is_nothing() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        assert client.connect() is client
        client.read_coils(0)
        assert simulator.connections == 1


def test_many_threads_connect_once() -> None:
    with fm.Simulator() as simulator, fm.Client("127.0.0.1", simulator.port) as client:
        start = threading.Barrier(8)

        def read() -> None:
            start.wait()
            client.read_coils(0)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert simulator.connections == 1
        assert simulator.requests == 8


# ------------------------------------------------------------------------------------------------ logging


def messages(caplog: pytest.LogCaptureFixture, name: str = LOG) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == name]


def test_the_log_has_one_line_for_every_change_of_state(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG)

    def serve_one(connection: Connection) -> None:
        connection.serve(2)
        connection.close()

    with ScriptedServer(serve_one, honest) as server:
        where = f"127.0.0.1:{server.port}"
        with fm.connect(server.url) as client:
            client.read_coils(0)
            client.read_coils(0)
            server.wait_for_gone(1)
            for _ in range(3):
                client.read_coils(0)
    assert messages(caplog) == [
        ("INFO", f"{where}: connected"),
        ("WARNING", f"{where}: connection lost: closed by the device"),
        ("INFO", f"{where}: connected"),
    ]


def test_the_log_says_why_a_connection_was_lost_also_when_there_is_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    def reset(connection: Connection) -> None:
        connection.receive()
        connection.reset()

    def nonsense(connection: Connection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.drain()

    caplog.set_level(logging.WARNING, LOG)
    with ScriptedServer(reset, nonsense, honest) as server, fm.connect(server.url, in_flight=2) as client:
        with pytest.raises(fm.ProtocolError, match="protocol identifier"):
            client.read_holding_registers(0)
        client.read_holding_registers(0)
    assert [text.partition("lost: ")[2] for _, text in messages(caplog)] == [
        "Connection reset by peer",
        "the stream does not look like Modbus/TCP (protocol identifier not 0); the connection was closed",
    ]


def test_closing_is_no_loss(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOG)
    with fm.Simulator() as simulator:
        client = fm.connect(simulator.url)
        client.read_coils(0)
        client.close()
        with pytest.raises(fm.ClientClosed):
            client.read_coils(0)
    assert [text for _, text in messages(caplog)] == [f"127.0.0.1:{simulator.port}: connected"]


def test_foreign_answers_are_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG)
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        simulator.fault(lambda adu: b"\x70\x00" + adu[2:] + adu, times=3)
        for _ in range(4):
            client.read_coils(0)
        assert client.stats.unknown == 3
    warnings = [text for level, text in messages(caplog) if level == "WARNING"]
    assert len(warnings) == 1
    assert f"transaction id {0x7000}" in warnings[0]


def test_nothing_is_printed_where_nobody_set_up_logging() -> None:
    out, err = run_python(
        """
        import fastmodbus as fm

        with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
            client.read_coils(0)
            print(client.stats.requests)
        """
    )
    assert (out, err) == ("1\n", "")


def test_wire_logging_shows_every_byte_of_every_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fastmodbus.wire")
    with fm.Simulator(registers={"hr": [0xABCD]}) as simulator, fm.connect(simulator.url) as client:
        client.read_holding_registers(0)
        client.write_register(0, 0x1234)
        client.read_holding_registers(0)
    lines = [text.split(maxsplit=2)[2] for _, text in messages(caplog, "fastmodbus.wire")]
    assert lines == [
        "> 00 01 00 00 00 06 01 03 00 00 00 01",
        "< 00 01 00 00 00 05 01 03 02 ab cd",
        "> 00 02 00 00 00 06 01 06 00 00 12 34",
        "< 00 02 00 00 00 06 01 06 00 00 12 34",
        "> 00 03 00 00 00 06 01 03 00 00 00 01",
        "< 00 03 00 00 00 05 01 03 02 12 34",
    ]


def test_wire_logging_may_begin_with_the_next_connection(caplog: pytest.LogCaptureFixture) -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url, idle_close="1us") as client:
        client.read_coils(0)
        caplog.set_level(logging.DEBUG, "fastmodbus.wire")
        client.read_coils(0)
        assert len(messages(caplog, "fastmodbus.wire")) == 2
        caplog.set_level(logging.INFO, "fastmodbus.wire")
        client.read_coils(0)
        assert len(messages(caplog, "fastmodbus.wire")) == 2
