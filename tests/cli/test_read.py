"""`fastmodbus read`: what it prints in each format, also when a part is missing."""

import csv
import io
import json

import numpy as np
import pytest

from cli.command import complaint_of, fastmodbus, output_of
from fastmodbus.simulator import Simulator


@pytest.fixture
def device(modbus_sim: Simulator) -> Simulator:
    modbus_sim.holding[:] = np.arange(65536)
    modbus_sim.input[100:110] = 65535
    modbus_sim.coils[5] = True
    return modbus_sim


def test_json(device: Simulator) -> None:
    found = json.loads(output_of("read", device.url, "hr0-99", "co4-5", "ir100[3]", "di7", "--format", "json"))
    assert found == {
        "hr0-99": list(range(100)),
        "co4-5": [False, True],
        "ir100[3]": [65535, 65535, 65535],
        "di7": [False],
    }


def test_csv(device: Simulator) -> None:
    text = output_of("read", device.url, "hr10-11", "co5", "--format", "csv")
    assert list(csv.reader(io.StringIO(text))) == [
        ["area", "address", "value"],
        ["hr", "10", "10"],
        ["hr", "11", "11"],
        ["co", "5", "1"],
    ]


def test_hexadecimal(device: Simulator) -> None:
    assert json.loads(output_of("read", device.url, "hr255", "co5", "--hex", "--format", "json")) == {
        "hr255": ["0x00FF"],
        "co5": [True],
    }
    assert output_of("read", device.url, "hr255", "--hex", "--format", "csv").splitlines()[1] == "hr,255,0x00FF"
    assert output_of("read", device.url, "hr255", "--hex").split() == ["hr255", "0x00FF"]


def test_table(device: Simulator) -> None:
    rows = [line.split() for line in output_of("read", device.url, "hr100-124", "co5").splitlines()]
    assert rows == [
        [f"+{column}" for column in range(10)],
        ["hr100", *map(str, range(100, 110))],
        ["hr110", *map(str, range(110, 120))],
        ["hr120", *map(str, range(120, 125))],
        ["co5", "1"],
    ]


def test_a_whole_table_with_many_in_flight(device: Simulator) -> None:
    text = output_of("read", device.url, "hr0-65535", "--in-flight", "64", "--format", "json")
    assert json.loads(text)["hr0-65535"] == list(range(65536))
    assert device.connections == 1


def test_options_of_the_url_and_of_the_command() -> None:
    with Simulator(units=(1, 7, 8)) as device:
        device.unit(7).holding[0] = 7
        device.unit(8).holding[0] = 8
        assert json.loads(output_of("read", f"{device.url}?unit=7", "hr0", "--format", "json")) == {"hr0": [7]}
        text = output_of("read", f"{device.url}?unit=7", "hr0", "--unit", "8", "--format", "json")
        assert json.loads(text) == {"hr0": [8]}


def test_what_can_be_read_is_printed(device: Simulator) -> None:
    device.fail("hr125-249", code=2)
    device.fail("ir0", code=4)
    done = fastmodbus("read", device.url, "hr0-299", "ir0", "co5", "--format", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["hr0-299"] == [*range(125), *[None] * 125, *range(250, 300)]
    assert found["ir0"] == [None]
    assert found["co5"] == [True]
    (line,) = done.stderr.splitlines()
    assert "125" in line
    assert "Traceback" not in line


def test_missing_values_in_csv_and_table(device: Simulator) -> None:
    device.fail("hr125", code=2)
    done = fastmodbus("read", device.url, "hr124-125", "--format", "csv")
    assert (done.returncode, done.stdout) == (1, "")  # one request, and it failed
    done = fastmodbus("read", device.url, "hr124", "hr125", "--format", "csv")
    assert done.stdout.splitlines()[1:] == ["hr,124,124", "hr,125,"]
    done = fastmodbus("read", device.url, "hr124", "hr125")
    assert [line.split() for line in done.stdout.splitlines() if line.strip()] == [["hr124", "124"], ["hr125", "-"]]


def test_nothing_is_printed_when_nothing_was_read(device: Simulator) -> None:
    device.fail("hr0", code=2)
    done = fastmodbus("read", device.url, "hr0", "--format", "json")
    assert (done.returncode, done.stdout) == (1, "")


def test_trace(device: Simulator) -> None:
    done = fastmodbus("read", device.url, "hr1", "--trace", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"hr1": [1]}
    sent, received = (line for line in done.stderr.splitlines() if " > " in line or " < " in line)
    assert " 00 00 00 06 01 03 00 01 00 01" in sent
    assert " 00 00 00 05 01 03 02 00 01" in received


def test_a_simulator_of_its_own() -> None:
    assert json.loads(output_of("read", "sim:", "hr0-1", "--format", "json")) == {"hr0-1": [0, 0]}


def test_an_ended_connection_is_told_in_one_line(device: Simulator) -> None:
    device.fault("close")
    line = complaint_of(1, "read", device.url, "hr0", "--retries", "0")
    assert f"127.0.0.1:{device.port}" in line
