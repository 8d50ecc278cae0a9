"""`fastmodbus record`: a process that records until it is told to end, and what it says."""

import configparser
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import fastmodbus as fm
from cli.command import ROOT, complaint_of, fastmodbus, on_terminal, started
from fastmodbus.recorder import load

pytest.importorskip("pyarrow")

MAP = """
format = "fastmodbus-map/1"
[device]
name = "meter"
[groups]
fast = "20ms"
slow = "100ms"
[[tag]]
name = "voltage"
address = "hr0:f32"
units = "V"
group = "fast"
[[tag]]
name = "energy"
address = "hr2:u32"
group = "slow"
"""


def rows_in(folder):
    try:
        found = load(folder)
    except fm.RecorderError:
        return 0
    runs = [found] if isinstance(found, fm.Samples) else found.values()
    return min(run.rows for run in runs)


def test_a_device_for_some_time(tmp_path):
    with fm.Simulator() as device:
        device["hr0:f32"] = 230.5
        done = fastmodbus("record", device.url, "hr0:f32", "hr2", "--every", "20ms", "--flush", "100ms",
                          "--duration", "1s", "--out", str(tmp_path / "data"))  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first == f"recording to {tmp_path / 'data'}"
    run = load(tmp_path / "data")
    assert f"{run.rows} rows, " in last
    assert "values good" in last
    assert list(run) == ["time", "hr0:f32", "hr2"]
    assert 230.5 in run["hr0:f32"]


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no pseudo-terminals")
def test_a_terminal_sees_how_it_goes(tmp_path):
    with (
        fm.Simulator() as device,
        on_terminal(
            "record", device.url, "hr0", "--every", "20ms", "--flush", "50ms", "--out", str(tmp_path)
        ) as terminal,
    ):
        terminal.see("rows/s; ")
        terminal.see(" % of ")
        terminal.see("values good; 0.")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(20) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="platform: Windows has no such signals to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_map_until_a_signal(tmp_path, number):
    (tmp_path / "meter.toml").write_text(MAP)
    data = tmp_path / "data"
    options = ["-m", str(tmp_path / "meter.toml"), "--flush", "50ms", "--out", str(data)]
    with fm.Simulator() as device, started("record", device.url, *options) as process:
        deadline = time.monotonic() + 60
        while rows_in(data) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        code = process.wait(60)
        assert (code, process.stderr.read()) == (0 if number == signal.SIGTERM else 130, "")
    found = load(data)
    assert {group for _, group in found} == {"fast", "slow"}
    for run in found.values():
        assert (np.diff(run.row) == 1).all()
    assert list((data / "_journal").iterdir()) == []
    assert len(list(data.glob("device=*/group=fast/day=*/*.parquet"))) >= 1


def test_a_plant(tmp_path):
    (tmp_path / "meter.toml").write_text(MAP)
    with fm.Simulator(units=(1, 2)) as device:
        devices = "".join(
            f'[[device]]\nname = "m{unit}"\nurl = "{device.url}"\nunit = {unit}\nmap = "meter.toml"\n'
            for unit in (1, 2)
        )
        (tmp_path / "plant.toml").write_text(f'format = "fastmodbus-plant/1"\n{devices}')
        data = str(tmp_path / "data")
        done = fastmodbus("record", str(tmp_path / "plant.toml"), "--flush", "0.1", "--duration", "1s", "--out", data)
    assert (done.returncode, done.stderr) == (0, "")
    found = load(data)
    assert set(found) == {(f"m{unit}", group) for unit in (1, 2) for group in ("fast", "slow")}
    assert all(run.ok[name].any() for run in found.values() for name in run.ok)


def test_what_cannot_be_recorded_is_said(tmp_path):
    assert "every" in complaint_of(2, "record", "tcp://127.0.0.1:9", "hr0", "--out", str(tmp_path))
    (tmp_path / "file").write_text("x")
    line = complaint_of(1, "record", "tcp://127.0.0.1:9", "hr0", "--every", "1s", "--out", str(tmp_path / "file"))
    assert "cannot be a recording's folder" in line
    with fm.Recorder(tmp_path / "data"):
        line = complaint_of(1, "record", "tcp://127.0.0.1:9", "hr0", "--every", "1s", "--out", str(tmp_path / "data"))
    assert "being recorded to already" in line
    assert "flush" in complaint_of(2, "record", "tcp://127.0.0.1:9", "hr0", "--flush", "x", "--out", str(tmp_path))


def test_the_page_shows_what_happens(tmp_path):
    """What docs/recording.md shows, but for numbers: how many rows come in two seconds is the machine's affair."""
    page = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
    (command, printed), *_ = re.findall(r"^\$ (fastmodbus .*)\n((?:.+\n)+?)```", page, re.MULTILINE)
    with fm.Simulator() as device:
        command = command.replace("127.0.0.1:1502", f"127.0.0.1:{device.port}").replace(
            "--out data", f"--out {tmp_path}/data"
        )
        done = fastmodbus(*shlex.split(command)[1:])
    assert (done.returncode, done.stderr) == (0, "")
    numbers = re.compile(r"\d[\d,.]*")
    found = done.stdout.replace(str(tmp_path / "data"), "data")
    assert numbers.sub("N", found) == numbers.sub("N", printed)


def test_the_page_names_the_options_there_are():
    page = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(--\w+)`", page, re.MULTILINE))
    known = set(re.findall(r"--[a-z]+", fastmodbus("record", "--help").stdout))
    assert table <= known
    assert {"--every", "--flush", "--sync", "--rotate", "--duration", "--metrics"} == table


def test_the_unit_for_systemd_calls_the_command():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string((ROOT / "docs" / "examples" / "fastmodbus-record.service").read_text(encoding="utf-8"))
    program, command, *_ = shlex.split(unit["Service"]["ExecStart"])
    assert (program.rpartition("/")[2], command) == ("fastmodbus", "record")
    assert unit["Service"]["Restart"] == "always"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("pyarrow", "recording needs pyarrow: pip install 'fastmodbus[parquet]'"),
        ("prometheus_client", "--metrics needs prometheus_client: pip install 'fastmodbus[metrics]'"),
    ],
)
def test_without_the_extra(tmp_path, missing, says):
    command = ["record", "sim:", "hr0", "--every", "1s", "--metrics", "0", "--out", str(tmp_path / "data")]
    script = (
        f"import sys; sys.modules['{missing}'] = None; from fastmodbus.cli import main; sys.exit(main({command!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, f"fastmodbus: {says}\n")


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = complaint_of(
            1, "record", "sim:", "hr0", "--every", "1s", "--metrics", port, "--out", str(tmp_path / "data")
        )
    assert "in use" in line
    fm.Recorder(tmp_path / "data").close()
