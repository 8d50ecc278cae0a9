"""Telegraf's inputs.modbus in its three styles."""

import pytest

from fastmodbus.errors import MapError
from fastmodbus.importers import load_telegraf

REGISTER = """
[agent]
interval = "10s"
[[inputs.cpu]]
percpu = true
[[inputs.modbus]]
name = "plc"
slave_id = 4
controller = "tcp://localhost:502"
timeout = "1s"
discrete_inputs = [{ name = "start", address = [0]}]
coils = [{ name = "run", address = [7]}, { name = "jog", address = [8], data_type = "BOOL"}]
holding_registers = [
  { name = "factor", byte_order = "AB", data_type = "FIXED", scale = 0.01, address = [8]},
  { name = "energy", byte_order = "CDAB", data_type = "UFIXED", scale = 0.001, address = [5, 6]},
  { name = "old", byte_order = "ABCD", data_type = "FLOAT32", scale = 1.0, address = [1, 2]},
  { name = "real", byte_order = "DCBA", data_type = "FLOAT32-IEEE", scale = 1.0, address = [3, 4]},
  { name = "low", byte_order = "AB", data_type = "UINT8L", address = [9]},
]
input_registers = [
  { name = "swapped", byte_order = "BA", data_type = "INT16", scale = 1.0, address = [0]},
  { name = "wide", byte_order = "GHEFCDAB", data_type = "INT64", scale = 1.0, address = [10, 11, 12, 13]},
  { name = "half", byte_order = "AB", data_type = "FLOAT16-IEEE", address = [20]},
]
"""

REQUEST = """
[[inputs.modbus]]
configuration_type = "request"
[[inputs.modbus.request]]
slave_id = 1
byte_order = "DCBA"
register = "holding"
fields = [
  { address = 0, name = "voltage", type = "INT16", scale = 0.1 },
  { address = 1, name = "current", type = "INT32", scale = 0.001 },
  { address = 3, name = "power", type = "UINT32", omit = true },
  { address = 5, name = "low", type = "INT8L" },
  { address = 5, name = "high", type = "UINT8H" },
]
[inputs.modbus.request.tags]
machine = "press"
[[inputs.modbus.request]]
slave_id = 2
register = "coil"
fields = [{ address = 3, name = "run", output = "BOOL"}]
"""

METRIC = """
[[inputs.modbus]]
configuration_type = "metric"
[[inputs.modbus.metric]]
slave_id = 1
byte_order = "MSW-LE"
measurement = "pump"
fields = [
  { register = "coil", address = 1, name = "ok" },
  { address = 5, name = "energy", type = "FLOAT32", scale = 0.001 },
  { address = 9, name = "firmware", type = "STRING", length = 8 },
  { register = "input", address = 30, name = "flag", type = "BIT", bit = 3 },
]
[[inputs.modbus.metric]]
slave_id = 2
measurement = "pump"
fields = [{ address = 5, name = "energy", type = "FLOAT64" }, { address = 9, name = "bits", type = "BIT" }]
[[inputs.modbus.metric]]
slave_id = 2
measurement = "fan"
fields = [{ address = 15, name = "energy", type = "UINT64" }]
"""


@pytest.fixture
def load(tmp_path):
    def write(text, **options):
        path = tmp_path / "telegraf.conf"
        path.write_text(text, encoding="utf-8")
        return load_telegraf(path, **options)

    return write


def addresses(map):
    return {tag.name: str(tag.address) for tag in map}


def test_the_register_style(load):
    plc = load(REGISTER)
    assert plc.name == "plc"
    assert addresses(plc) == {
        "run": "4/co7", "jog": "4/co8", "start": "4/di0", "factor": "4/hr8:i16", "energy": "4/hr5:u32@CDAB",
        "old": "4/hr1:u32", "real": "4/hr3:f32@DCBA", "low": "4/hr9:u8", "swapped": "4/ir0:i16@BA",
        "wide": "4/ir10:i64@CDAB", "half": "4/ir20:f16",
    }  # fmt: skip
    assert (plc["factor"].scale, plc["real"].scale) == (0.01, 1)


def test_the_request_style(load):
    loaded = load(REQUEST)
    assert addresses(loaded) == {
        "voltage": "1/hr0:i16@BA", "current": "1/hr1:i32@DCBA", "low": "1/hr5.hi:i8", "high": "1/hr5:u8",
        "run": "2/co3",
    }  # fmt: skip
    assert loaded["current"].scale == 0.001


def test_the_metric_style(load):
    assert addresses(load(METRIC)) == {
        "ok": "1/co1", "pump.1.energy": "1/hr5:f32@BADC", "firmware": "1/hr9:str16@BA", "flag": "1/ir30.11",
        "pump.2.energy": "2/hr5:f64", "bits": "2/hr9.0", "fan.energy": "2/hr15:u64",
    }  # fmt: skip


def test_several_plugins(load):
    text = REGISTER + REQUEST.replace("configuration_type", 'name = "other"\nconfiguration_type')
    with pytest.raises(MapError, match="'plc', 'other'"):
        load(text)
    assert len(load(text, name="other")) == 5


BROKEN = {
    "no plugin": ("[[inputs.cpu]]", "", "", r"no \[\[inputs.modbus\]\]"),
    "style": ("[[inputs.modbus]]\nconfiguration_type = 'requests'", "", "configuration_type", "did you mean 'request'"),
    "type": (REQUEST.replace('"INT16"', '"INT17"'), "voltage", "address", "did you mean 'INT16'"),
    "order": (REQUEST.replace('"DCBA"', '"ACBD"'), "voltage", "address", "byte_order 'ACBD'"),
    "register": (REQUEST.replace('"coil"', '"coils"'), "run", "address", "did you mean 'coil'"),
    "field": (REQUEST.replace("{ address = 3, name = \"r", "{ name = \"r"), "", "request[1].fields[0]", "is missing"),
    "length": (METRIC.replace("length = 8", "length = 0"), "firmware", "address", "unknown type 'str0'"),
    "no address": (REGISTER.replace("address = [8]},\n  { name = \"en", "address = []},\n  { name = \"en"),
                   "factor", "address", "INT0"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "tag", "field", "says"), BROKEN.values(), ids=BROKEN)
def test_errors_say_file_field_and_setting(load, text, tag, field, says):
    with pytest.raises(MapError, match=says) as caught:
        load(text)
    assert (caught.value.tag, caught.value.field) == (tag, field)
    assert caught.value.file.endswith("telegraf.conf")
