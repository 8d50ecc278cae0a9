"""`fastmodbus read`, `write` and `plan` with names and types, and `decode`."""

import json

import numpy as np
import pytest

from cli.command import complaint_of, fastmodbus, output_of
from fastmodbus import encode
from fastmodbus.simulator import Simulator

MAP = """
format = "fastmodbus-map/1"
[[tag]]
name = "voltage_l{i}"
address = "ir0:f32"
units = "V"
repeat = {count = 3, step = 2, first = 1}
[[tag]]
name = "setpoint"
address = "hr40:i16"
scale = 0.1
access = "rw"
write_limits = [5, 30]
[[tag]]
name = "mode"
address = "hr41"
labels = {0 = "off", 1 = "on"}
access = "rw"
[[tag]]
name = "title"
address = "hr50:str8"
access = "rw"
[[tag]]
name = "missing"
address = "hr60"
missing = [0]
"""


@pytest.fixture
def device(modbus_sim: Simulator) -> Simulator:
    modbus_sim.input[0:6] = encode([229.5, 230.5, 231.5], "f32")
    modbus_sim.holding[40:42] = 215, 1
    modbus_sim.holding[100:103] = np.arange(3)
    return modbus_sim


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "meter.toml"
    path.write_text(MAP)
    return str(path)


def test_read_names(device, path):
    assert output_of("read", device.url, "-m", path, "voltage_*", "setpoint").splitlines() == [
        "voltage_l1  229.5 V", "voltage_l2  230.5 V", "voltage_l3  231.5 V", "setpoint    21.5",
    ]  # fmt: skip
    found = json.loads(output_of("read", device.url, "--map", path, "--format", "json"))
    assert found["mode"] == "on"
    assert found["missing"] is None
    assert len(found) == 7
    assert device.requests == 4


def test_read_types_and_ranges_without_a_map(device):
    text = output_of("read", device.url, "ir0:f32", "hr100-102", "hr100", "hr101[2]", "co0", "--format", "json")
    assert json.loads(text) == {"ir0:f32": 229.5, "hr100-102": [0, 1, 2], "hr100": 0, "hr101[2]": [1, 2], "co0": False}
    assert output_of("read", device.url, "ir0:f32", "hr100-102", "--format", "csv").splitlines() == [
        "name,value,units", "ir0:f32,229.5,", "hr100-102,0 1 2,",
    ]  # fmt: skip


def test_a_devices_text_does_nothing_to_a_terminal(device, path):
    device["hr50:str8"] = "a\x1b[2Jb\n"
    assert output_of("read", device.url, "-m", path, "title") == "title  a [2Jb\n"
    assert json.loads(output_of("read", device.url, "-m", path, "title", "--format", "json")) == {
        "title": "a\x1b[2Jb\n"
    }


def test_units_and_modicon_references_in_ranges():
    with Simulator(units=(1, 7)) as device:
        device.unit(7).holding[5:8] = 1, 2, 3
        device.holding[5:8] = 4, 5, 6
        text = output_of("read", device.url, "7/hr5-7", "hr5-7", "7/hr6", "4x00006-00007", "--format", "json")
        assert json.loads(text) == {"7/hr5-7": [1, 2, 3], "hr5-7": [4, 5, 6], "7/hr6": 2, "4x00006-00007": [4, 5]}
        output_of("write", device.url, "7/hr5-6=9,8", "hr7=7")
        assert device.unit(7).holding[5:8].tolist() == [9, 8, 3]
        assert device.holding[5:8].tolist() == [4, 5, 7]


def test_what_cannot_be_read_is_left_out(device, path):
    device.fail("hr41")
    done = fastmodbus("read", device.url, "-m", path, "mode", "setpoint", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"mode": None, "setpoint": 21.5})
    assert "41" in done.stderr


def test_write_names(device, path):
    arguments = ["setpoint=20.5", "mode=off", "title=north", "hr42=3,4", "hr70:f32=1.5", "hr80.3=on"]
    assert output_of("write", device.url, "-m", path, "--verify", *arguments).splitlines() == [
        f"written: {one}" for one in arguments
    ]
    assert device.holding[40:44].tolist() == [205, 0, 3, 4]
    assert (device.holding[50], device.holding[70], device.holding[80]) == (0x6E6F, 0x3FC0, 8)
    assert [request.function for request in device.log][:4] == [16, 16, 16, 22]


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("setpoint=31", "write limits"), ("setpont=1", "did you mean 'setpoint'"),
        ("voltage_l1=1", "cannot be written"),
        ("mode=warm", "no label"), ("missing=1", "only be read"), ("setpoint", "assigns nothing"), ("*=1", "7 tags"),
        ("hr1:f32=x", "no number"), ("hr1.0=2", "2"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(device, path, assignment, says):
    assert says in complaint_of(2, "write", device.url, "-m", path, "hr0=1", assignment)
    assert device.requests == 0


def test_plan(device, path):
    whole = output_of("plan", path).splitlines()
    assert whole[0].startswith("7 tags in 2 requests per poll")
    small = output_of("plan", f"{device.url}?max_registers=4", "-m", path, "voltage_*").splitlines()
    assert small[0].startswith("3 tags in 2 requests per poll")
    assert output_of("plan", "-m", path, "voltage_*") == output_of("plan", path, "voltage_*")
    assert output_of("plan", device.url, "hr0-299").splitlines()[0].startswith("1 tag in 3 requests")
    assert device.requests == 0
    assert "read what" in complaint_of(2, "plan", device.url)


def test_a_map_that_is_wrong_is_a_usage_error(device, path, tmp_path):
    assert "cannot be read" in complaint_of(2, "read", device.url, "-m", str(tmp_path / "no.toml"))
    assert "no tag" in complaint_of(2, "read", device.url, "-m", path, "current")


def test_decode():
    words = [f"0x{word:04X}" for word in encode(230.25, "f32@CDAB")]
    assert output_of("decode", *words, "--expect", "230").splitlines()[0].split() == [
        "words", "0-1", "f32@CDAB", "230.25",
    ]  # fmt: skip
    assert output_of("decode", "7,2298", "--expect", "230").splitlines()[0].split() == [
        "words", "1", "u16", "229.8", "scale", "0.1",
    ]  # fmt: skip
    assert [line.split()[2:] for line in output_of("decode", "65436").splitlines()][:4] == [
        ["u16", "65436"], ["u16@BA", "40191"], ["i16", "-100"], ["i16@BA", "-25345"],
    ]  # fmt: skip
    assert "no type, order or scale" in complaint_of(1, "decode", "7", "--expect", "12345")
    assert "no register" in complaint_of(2, "decode", "70000")
    assert "decode what" in complaint_of(2, "decode")
