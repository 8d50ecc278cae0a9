"""`fastmodbus simulate`: a device in a process of its own, used by a real client and ended by real signals."""

import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

import fastmodbus as fm
from cli.command import complaint_of, on_terminal, started

ADDRESS = np.arange(65536, dtype=np.int64)


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[0]


def test_it_says_where_it_listens() -> None:
    with started("simulate", "--port", "0", "--units", "1,4-6") as process:
        assert process.stdout is not None
        url, _, units = process.stdout.readline().partition(" ")
        assert units == "units 1,4,5,6\n"
        with fm.connect(url, unit=5) as client:
            client.write_register(3, 33)
            assert client.read_holding_registers(3)[0] == 33
            assert client.read_holding_registers(3, unit=6)[0] == 0


def test_the_pattern_is_the_documented_one() -> None:
    with (
        started("simulate", "--port", "0", "--units", "1,2", "--fill", "pattern") as process,
        fm.connect(url_of(process), in_flight=16) as client,
    ):
        scattered = (ADDRESS * 2654435761 % 2**32) >> 16
        for unit in (1, 2):
            view = client.at(unit)
            assert np.array_equal(view.read_holding_registers(0, 65536), (31 * ADDRESS + 1000 * unit) % 65536)
            assert np.array_equal(view.read_input_registers(0, 65536), (37 * ADDRESS + 1000 * unit + 500) % 65536)
            assert np.array_equal(view.read_coils(0, 65536), (scattered + unit) % 2)
            assert np.array_equal(view.read_discrete_inputs(0, 65536), (scattered // 2 + unit) % 2)


def test_limits_and_illegal_ranges() -> None:
    with (
        started(
            "simulate", "--port", "0", "--max-in-flight", "1", "--illegal", "hr5-6,co7", "--answer-delay", "20ms"
        ) as process,
        fm.connect(url_of(process), in_flight=4, retries=0) as client,
    ):
        with pytest.raises(fm.DeviceBusy):
            client.read_holding_registers(1000, 1000)
        for address in (5, 6):
            with pytest.raises(fm.IllegalDataAddress):
                client.read_holding_registers(address)
        with pytest.raises(fm.IllegalDataAddress):
            client.read_coils(7)
        assert client.read_holding_registers(7)[0] == 0


def test_only_the_first_of_a_receive_is_answered() -> None:
    with (
        started("simulate", "--port", "0", "--one-answer-per-receive", "--service-time", "1ms") as process,
        fm.connect(url_of(process), in_flight=8, coalesce=True, retries=0, timeout=0.2) as client,
        pytest.raises(fm.RequestTimeout),
    ):
        client.read_holding_registers(0, 1000)


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_end_it(number: signal.Signals, code: int) -> None:
    with started("simulate", "--port", "0") as process:
        url = url_of(process)
        with fm.connect(url) as client:
            client.read_coils(0)
            process.send_signal(number)
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (code, "", "")


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"127.0.0.1:{port}" in complaint_of(1, "simulate", "--port", str(port))


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no pseudo-terminals")
def test_a_terminal_sees_how_much_is_asked() -> None:
    with on_terminal("simulate", "--port", "0") as terminal:
        terminal.see("units")
        with fm.connect(terminal.seen.split()[0]) as client:
            for _ in range(7):
                client.read_coils(0)
            terminal.see("requests/s, 7 in all")
        terminal.process.terminate()
        assert terminal.process.wait(20) == 0
