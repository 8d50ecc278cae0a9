"""Modbus over TLS: records that do not care where a frame ends, closing, OpenSSL's own server, options."""

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from children import run_python, start_python
from loops import ALL_CARRIERS
from pki import pki
from ports import free_port
from reference import split_mbap
from scripted import Connection, ScriptedServer, honest
from secured import LONG, VERSIONS, connect, device

CLIENTS = ALL_CARRIERS

# ------------------------------------------------------------------------------------------------ good


@VERSIONS
@pytest.mark.parametrize("coalesce", [False, True])
def test_with_certificates_of_both(version: str, coalesce: bool) -> None:
    with device(ssl_context=pki().server(version=version)) as simulator:
        assert simulator.url.startswith("tls://")
        with connect(simulator.url, in_flight=16, coalesce=coalesce) as plc:
            assert np.array_equal(plc.read_holding_registers(0, 65536), np.arange(65536))
            plc.write_registers(100, list(range(5000)))
            assert np.array_equal(simulator.holding[100:5100], np.arange(5000))
            assert plc.read("hr7") == 7
            assert plc.stats.connections == 1


def test_options_in_the_url_and_a_name() -> None:
    with device() as simulator:
        wanted = "&".join(f"{name}={value}" for name, value in pki().wanted.items())
        with fm.connect(f"tls://localhost:{simulator.port}?{wanted}") as plc:
            assert plc.read("hr7") == 7


def test_a_context_of_the_users() -> None:
    context = ssl.create_default_context(cafile=pki().pem("plant"))
    context.load_cert_chain(pki().pem("client"), pki().key("client"))
    with device() as simulator, fm.connect(simulator.url, ssl_context=context) as plc:
        assert plc.read("hr7") == 7
    with device() as simulator, fm.Client("127.0.0.1", simulator.port, ssl_context=context) as plc:
        assert plc.read("hr7") == 7


def test_a_device_that_does_not_ask_for_a_certificate() -> None:
    with (
        device(ssl_context=pki().server(clients=False)) as simulator,
        fm.connect(simulator.url, ca=pki().pem("plant")) as plc,
    ):
        assert plc.read("hr7") == 7


def test_views_and_threads() -> None:
    with device(units=(1, 2)) as simulator, connect(simulator.url, in_flight=8) as plc:
        view = plc.at(2)
        found: list[bool] = []

        def read(unit: fm.Client, first: int) -> None:
            for _ in range(20):
                good = np.arange(500) if unit is plc else np.zeros(500)
                found.append(np.array_equal(unit.read_holding_registers(0, 500), good))

        threads = [threading.Thread(target=read, args=(each, 0)) for each in (plc, view, plc)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert found == [True] * 60
        assert plc.stats.connections == 1


# ------------------------------------------------------------------------------------------------ records


def answers(connection: Connection, count: int) -> bytes:
    return b"".join(connection.honest(request) for request in connection.receive_many(count))


@VERSIONS
def test_records_that_join_and_split_frames(version: str) -> None:
    """Sixteen answers in one record; a byte in each; a cut in the middle of each second frame."""
    pieces = {"joined": 1 << 14, "bytes": 1, "cut": 7}

    def script(connection: Connection) -> None:
        for size in pieces.values():
            data = answers(connection, 16)
            for at in range(0, len(data), size):
                connection.send(data[at : at + size])
        connection.serve()

    with (
        ScriptedServer(script, ssl_context=pki().server(version=version)) as server,
        connect(server.url, in_flight=16, max_registers=2, retries=0) as plc,
    ):
        for number, name in enumerate(pieces):
            server.bank.holding[:] = [(7 * i + number) & 0xFFFF for i in range(65536)]
            found = plc.read_holding_registers(0, 32)
            assert found.tolist() == [7 * i + number for i in range(32)], name
        assert server.connections == 1


@pytest.mark.parametrize("coalesce", [False, True])
def test_each_request_is_a_record_of_its_own_unless_they_may_share_one(coalesce: bool) -> None:
    """A read of a TLS socket gives one record at most."""
    sizes: list[int] = []

    def script(connection: Connection) -> None:
        data = b""
        while len(data) < 16 * 12:
            data += connection.socket.recv(65536)
            sizes.append(len(data))
        frames, _ = split_mbap(data)
        for frame in frames:
            connection.answer(frame)
        connection.serve()

    with (
        ScriptedServer(script, ssl_context=pki().server()) as server,
        connect(server.url, in_flight=16, max_registers=1, coalesce=coalesce) as plc,
    ):
        plc.read_holding_registers(0, 16)
    if coalesce:
        assert len(sizes) < 16
    else:
        assert sizes == [12 * n for n in range(1, 17)]


# ------------------------------------------------------------------------------------------------ the end


@VERSIONS
@pytest.mark.parametrize("how", ["close_notify", "FIN", "RST"])
def test_the_device_closes_between_calls(how: str, version: str) -> None:
    closed = threading.Event()

    def script(connection: Connection) -> None:
        connection.answer(connection.receive())
        if how == "close_notify":
            assert isinstance(connection.socket, ssl.SSLSocket)
            connection.socket.settimeout(0.2)
            with suppress(OSError):
                connection.socket.unwrap()
            connection.close()
        elif how == "FIN":
            connection.close()
        else:
            connection.reset()
        closed.set()

    with (
        ScriptedServer(script, honest, ssl_context=pki().server(version=version)) as server,
        connect(server.url) as plc,
    ):
        plc.read_holding_registers(0)
        assert closed.wait(LONG)
        assert plc.read_holding_registers(5).tolist() == [0]
        assert server.connections == 2


def test_the_device_closes_in_the_middle_of_a_frame() -> None:
    def script(connection: Connection) -> None:
        request = connection.receive()
        connection.send(connection.honest(request)[:6])
        connection.close()

    with (
        ScriptedServer(script, honest, ssl_context=pki().server()) as server,
        connect(server.url, retries=0) as plc,
    ):
        with pytest.raises(fm.ConnectionFailed, match="lost before the answer"):
            plc.read_holding_registers(0)
        assert plc.read_holding_registers(5).tolist() == [0]
        assert server.connections == 2


def test_closing_the_client_says_goodbye() -> None:
    """A close_notify: the device need not take it for an attack."""
    ends: list[bytes | Exception] = []

    def script(connection: Connection) -> None:
        assert isinstance(connection.socket, ssl.SSLSocket)
        connection.socket.suppress_ragged_eofs = False
        connection.answer(connection.receive())
        try:
            ends.append(connection.socket.recv(100))
        except ssl.SSLError as error:
            ends.append(error)

    with ScriptedServer(script, ssl_context=pki().server()) as server:
        with connect(server.url) as plc:
            plc.read_holding_registers(0)
        server.wait_for_gone(1)
    assert ends == [b""]


# ------------------------------------------------------------------------------------------------ OpenSSL's own server


@contextmanager
def s_server(*options: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """``openssl s_server``: what a client sends comes out of its stdout, what is written to its stdin goes back."""
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", pki().pem("device"),
               "-key", pki().key("device"), "-CAfile", pki().pem("plant"), "-Verify", "2", "-verify_return_error",
               *options]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            yield port, server
        finally:
            server.kill()


def wait_until_it_accepts(server: "subprocess.Popen[bytes]") -> None:
    assert server.stdout is not None
    while b"ACCEPT" not in server.stdout.readline():
        assert server.poll() is None


def answer_one(server: "subprocess.Popen[bytes]") -> None:
    """Answer a read of one register with 1234."""
    assert server.stdin is not None
    assert server.stdout is not None
    data = b""
    while b"\x00\x00\x00\x06\x01\x03" not in data or len(data.partition(b"\x00\x00\x00\x06\x01\x03")[2]) < 4:
        data += os.read(server.stdout.fileno(), 65536)
    at = data.index(b"\x00\x00\x00\x06\x01\x03") - 2
    server.stdin.write(data[at : at + 2] + bytes.fromhex("000000050103020004"[:14] + "04d2"))
    server.stdin.flush()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_server_of_openssl(version: str) -> None:
    with s_server(version) as (port, server):
        wait_until_it_accepts(server)
        thread = threading.Thread(target=answer_one, args=[server])
        thread.start()
        with connect(f"tls://127.0.0.1:{port}") as plc:
            assert plc.read_holding_registers(0).tolist() == [1234]
        thread.join(LONG)


def test_renegotiation_is_refused() -> None:
    """The device asks for it in mid-connection: no, and it is not done in secret; then it ends or goes on."""
    with s_server("-tls1_2") as (port, server):
        wait_until_it_accepts(server)
        assert server.stdin is not None
        thread = threading.Thread(target=answer_one, args=[server])
        thread.start()
        with connect(f"tls://127.0.0.1:{port}", retries=0, timeout=1) as plc:
            assert plc.read_holding_registers(0).tolist() == [1234]
            thread.join(LONG)
            server.stdin.write(b"r\n")
            server.stdin.flush()
            with pytest.raises(fm.ModbusError):
                plc.read_holding_registers(0)


# ------------------------------------------------------------------------------------------------ polling, forking


def test_polling() -> None:
    with device() as simulator, connect(simulator.url) as plc:
        rows = plc.poll({"seven": "hr7"}, every=0.01, count=20)
        assert rows["seven"][rows.ok["seven"]].tolist() == [7.0] * int(rows.ok["seven"].sum())
        assert rows.ok["seven"].sum() >= 1


@pytest.mark.blocking
@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")
def test_the_device_sees_the_parents_close_though_a_child_lives() -> None:
    program = """
        import os, sys, warnings
        import fastmodbus as fm

        warnings.simplefilter("ignore", DeprecationWarning)  # of CPython 3.12: a fork beside the relay's thread
        plc = fm.connect(sys.argv[1], ca=sys.argv[2], cert=sys.argv[3], key=sys.argv[4])
        plc.read_coils(0)
        if os.fork() == 0:
            try:
                plc.read_coils(0)
            except fm.ForkedClient:
                sys.stdin.read()
            os._exit(0)
        plc.read_coils(0)
        plc.close()
        print("closed", flush=True)
        os.wait()
    """
    with (
        ScriptedServer(ssl_context=pki().server()) as server,
        start_python(program, server.url, *pki().wanted.values()) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        server.wait_for_gone(1)
        assert process.poll() is None, "the child, and with it the parent, still lives"
        _, err = process.communicate(timeout=LONG)
    assert (process.returncode, err) == (0, "")


@pytest.mark.blocking
def test_the_end_of_the_interpreter() -> None:
    program = """
        import sys
        import fastmodbus as fm

        plc = fm.connect(sys.argv[1], ca=sys.argv[2], cert=sys.argv[3], key=sys.argv[4])
        plc.read_coils(0)
        print("end")
    """
    with device() as simulator:
        assert run_python(program, simulator.url, *pki().wanted.values()) == ("end\n", "")


# ------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "k.pem"}, "key is given without cert"),
        ({"ca": "no-such-file.pem"}, "ca is 'no-such-file.pem': No such file"),
        ({"cert": "no-such-file.pem"}, "cert is 'no-such-file.pem'.*No such file"),
        ({"ca": __file__}, "ca is .*test_tls.py"),
        ({"ca": "x.pem", "transport": "tcp"}, "ca: for TLS only"),
        ({"transport": "tls", "ca": "x", "ssl_context": ssl.create_default_context()}, "ca and ssl_context"),
        ({"transport": "ssl"}, "transport is 'ssl'; allowed are 'tcp' and 'tls' and 'udp'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fm.Client("127.0.0.1", **options)


def test_an_encrypted_key_is_not_asked_for_at_the_terminal() -> None:
    with pytest.raises(ValueError, match="encrypted"):
        fm.Client("127.0.0.1", **{**pki().wanted, "key": pki().key("encrypted")})


def test_bad_types() -> None:
    with pytest.raises(TypeError, match=r"an ssl\.SSLContext is needed"):
        fm.Client("127.0.0.1", ssl_context="yes")
    with pytest.raises(TypeError, match="ca is 7"):
        fm.Client("127.0.0.1", ca=7)
    with pytest.raises(ValueError, match="for TLS only"):
        fm.connect("tcp://127.0.0.1:1", ca="x.pem")


def test_the_port() -> None:
    assert fm.Client("127.0.0.1").port == 502
    assert fm.Client("127.0.0.1", transport="tls").port == 802
    assert fm.Client("127.0.0.1", ca=pki().pem("plant")).port == 802
