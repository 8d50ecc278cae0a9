"""How commands end: help, exit codes, one line on stderr, Ctrl-C, a closed pipe; and what starting them imports."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fastmodbus as fm
from cli.command import COMMAND, complaint_of, output_of, started
from fastmodbus.simulator import Simulator

COMMANDS = ("demo", "read", "write", "simulate")


def test_help_names_every_command() -> None:
    text = output_of("--help")
    assert text == output_of()
    for name in COMMANDS:
        assert f" {name} " in text


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("demo", ["--unit", "--timeout", "--retries", "--in-flight", "--trace"]),
        ("read", ["--unit", "--timeout", "--retries", "--in-flight", "--format", "--hex", "--trace"]),
        ("write", ["--unit", "--timeout", "--trace"]),
        ("simulate", ["--port", "--units", "--answer-delay", "--service-time", "--fill", "--illegal"]),
    ],
)
def test_help_of_a_command_names_its_options(name: str, options: list[str]) -> None:
    text = output_of(name, "--help")
    assert text.startswith(f"Usage: fastmodbus {name} ")
    assert all(f" {option} " in text for option in options)


def test_help_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "fastmodbus", "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    modules = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "fastmodbus.cli.app" in modules
    assert modules.isdisjoint({"numpy", "msgspec"})
    assert modules.isdisjoint({"fastmodbus.client", "fastmodbus.simulator", "fastmodbus.cli.read"})


def test_version() -> None:
    assert output_of("--version").strip() == fm.__version__


def test_the_installed_command_is_the_module() -> None:
    script = Path(sysconfig.get_path("scripts")) / "fastmodbus"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fm.__version__


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "frobnicate"),
        (["read"], "URL"),
        (["read", "sim:"], "read what?"),
        (["write", "sim:"], "write what?"),
        (["read", "ftp://10.0.0.5", "hr0"], "scheme"),
        (["read", "tcp://10.0.0.5:0", "hr0"], "port"),
        (["read", "tcp://10.0.0.5?colour=red", "hr0"], "colour"),
        (["read", "sim:", "hr0", "--unit", "256"], "0 to 255"),
        (["read", "sim:", "hr0", "--unit", "one"], "--unit"),
        (["read", "sim:", "hr0", "--timeout", "soon"], "timeout"),
        (["read", "sim:", "hr0", "--in-flight", "0"], "in_flight"),
        (["read", "sim:", "hr0", "--format", "xml"], "xml"),
        (["demo", "sim:", "5"], "hr5"),
        (["demo", "--in-flight", "5000"], "in_flight"),
        (["simulate", "--units", "one"], "units"),
        (["simulate", "--units", "256"], "units"),
        (["simulate", "--answer-delay", "-1s"], "answer-delay"),
        (["simulate", "--illegal", "hr"], "hr"),
    ],
)
def test_a_wrong_command_ends_with_2(arguments: list[str], says: str) -> None:
    assert says in complaint_of(2, *arguments)


def test_a_wrong_command_sends_nothing(modbus_sim: Simulator) -> None:
    complaint_of(2, "write", modbus_sim.url, "hr0=1", "hr1=many")
    complaint_of(2, "read", modbus_sim.url, "hr0", "hr")
    assert modbus_sim.connections == 0


@pytest.mark.parametrize(("name", "what"), [("read", "hr0"), ("write", "hr0=1"), ("demo", "hr0")])
def test_no_server(name: str, what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = complaint_of(1, name, f"tcp://127.0.0.1:{port}", what)
    assert f"127.0.0.1:{port}" in line
    assert "refused" in line


def test_a_silent_unit(modbus_sim: Simulator) -> None:
    line = complaint_of(1, "read", modbus_sim.url, "hr0", "--unit", "9", "--timeout", "100ms", "--retries", "0")
    assert "unit 9" in line


def test_ctrl_c_during_a_read(modbus_sim: Simulator) -> None:
    modbus_sim.fault("drop")
    with started("read", modbus_sim.url, "hr0", "--timeout", "1h") as process:
        while modbus_sim.requests == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (130, "", "")


def test_a_reader_that_has_gone(modbus_sim: Simulator) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "read", modbus_sim.url, "hr0-65535", "--format", "csv"]
    with open(writing, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra(missing: str) -> None:
    script = f"import sys; sys.modules['{missing}'] = None; from fastmodbus.cli import main; sys.exit(main(['--help']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"fastmodbus: the command line needs {missing}: pip install 'fastmodbus[cli]'\n"


def test_run_without_a_shell(modbus_sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    from fastmodbus.cli import main

    modbus_sim.holding[5] = 77
    assert main(["read", modbus_sim.url, "hr5", "--format", "json"]) == 0
    assert capsys.readouterr().out == '{"hr5": [77]}\n'
