"""Values by address and by name on a client, against a real device: how they are read, and what is sent for it."""

import logging
import math

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus import values
from fastmodbus.naming import names as naming
from loops import BOTH

CLIENTS = BOTH

METER = """
format = "fastmodbus-map/1"
[device]
name = "meter"
order = "CDAB"
[[tag]]
name = "voltage_l{i}"
address = "ir0:f32"
units = "V"
repeat = {count = 3, step = 2, first = 1}
[[tag]]
name = "power"
address = "ir10:i16"
scale_from = "power_sf"
[[tag]]
name = "power_sf"
address = "ir11:i16"
[[tag]]
name = "mode"
address = "hr20"
labels = {0 = "off", 1 = "heat", 2 = "cool"}
access = "rw"
[[tag]]
name = "setpoint"
address = "hr21:i16"
scale = 0.1
access = "rw"
write_limits = [5, 30]
[[tag]]
name = "level"
address = "hr22:i16"
missing = [0x8000]
[[tag]]
name = "limit"
address = "hr30:i16"
scale_from = "limit_sf"
access = "rw"
[[tag]]
name = "limit_sf"
address = "hr31:i16"
missing = [0x8000]
[[tag]]
name = "slow"
address = "hr40"
access = "rw"
write_with = "fc16"
[[tag]]
name = "title"
address = "hr50:str8"
access = "rw"
[[tag]]
name = "door"
address = "co3"
access = "rw"
"""


@pytest.fixture
def device():
    with fm.Simulator(units=(1, 7)) as simulator:
        put(simulator.input, 0, values.encode([229.5, 230.5, 231.5], "f32@CDAB"))
        simulator.input[10:12] = 1234, 65535
        simulator.holding[20:23] = 1, 215, 0x8000
        simulator.holding[30:32] = 5, 1
        put(simulator.holding, 50, values.encode("north", "str8"))
        yield simulator


def put(table, address, registers):
    table[address : address + len(registers)] = registers


@pytest.fixture
def meter(device, tmp_path):
    path = tmp_path / "meter.toml"
    path.write_text(METER)
    with fm.connect(device.url, map=path) as client:
        yield client


def asked(device):
    """The spans of the requests since the last call."""
    spans = [(request.function, *request.span[1:]) for request in device.log]
    device.clear_log()
    return spans


# ------------------------------------------------------------------------------------------------ reading


def test_one_text_is_one_value(device, meter):
    assert meter.read("ir0:f32@CDAB") == 229.5
    assert meter.read("voltage_l2") == 230.5
    assert meter.read("hr21") == 215
    assert meter.read("hr50:str8") == meter.read("title") == "north"
    assert meter.read("hr20.0") is True
    assert meter.read("co3") is False
    assert meter.read(fm.Address("hr20")) == 1
    assert meter.read(fm.Tag("x", "hr21", scale=0.1)) == 21.5
    assert device.requests == 9


def test_lists_patterns_and_mappings_are_dicts(device, meter):
    assert meter.read(["setpoint", "hr20", "voltage_*"]) == {
        "setpoint": 21.5, "hr20": 1, "voltage_l1": 229.5, "voltage_l2": 230.5, "voltage_l3": 231.5,
    }  # fmt: skip
    assert asked(device) == [(3, 20, 22), (4, 0, 6)]
    assert meter.read({"a": "hr21", "b": "setpoint", "c": fm.Address("hr21:i16")}) == {"a": 215, "b": 21.5, "c": 215}
    assert len(asked(device)) == 1
    assert meter.read("volt?ge_l1") == {"voltage_l1": 229.5}
    assert list(meter.read(("door", fm.Tag("mine", "hr20")))) == ["door", "mine"]


def test_the_whole_map(device, meter):
    found = meter.read()
    assert list(found) == [tag.name for tag in meter._settings.map]
    assert found["power"] == 123.4
    assert (found["mode"], found["title"], found["door"]) == ("heat", "north", False)
    assert math.isnan(found["level"])
    assert len(asked(device)) == len(meter.read_plan().reads)


def test_arrays_and_bits(device, meter):
    device.holding[100:110] = np.arange(10) - 3
    assert meter.read("hr100:i16[10]").tolist() == list(range(-3, 7))
    assert meter.read("hr20.0[4]").tolist() == [True, False, False, False]
    device.coils[8:12] = True
    assert meter.read("co6[8]").tolist() == [False, False, True, True, True, True, False, False]


def test_a_scale_factor_comes_along_in_the_same_request(device, meter):
    assert meter.read("power") == 123.4
    assert meter.read(["power"]) == {"power": 123.4}
    assert asked(device) == [(4, 10, 12)] * 2


def test_units_in_addresses(device, meter):
    device.unit(7).holding[5] = 77
    device.holding[5] = 55
    assert meter.read(["hr5", "7/hr5"]) == {"hr5": 55, "7/hr5": 77}
    assert meter.at(7).read("hr5") == 77
    assert meter.read("hr5", unit=7) == 77
    meter.write({"7/hr5": 78, "hr5": 56})
    assert (device.unit(7).holding[5], device.holding[5]) == (78, 56)


def test_no_value_is_nan_or_none(device, meter):
    assert math.isnan(meter.read("level"))
    assert meter.read(fm.Tag("t", "hr60:str4", missing=[""])) is None
    device.holding[20] = 9
    assert meter.read("mode") == 9


def test_what_means_nothing_is_an_error_before_anything_is_sent(device, meter):
    for what, says in (
        ("voltage", "did you mean 'voltage_l"), ("nothing_*", "no tag"), ("40101", "bare number"), ([], "empty"),
        ({"a": "voltage_*"}, "3 tags"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            meter.read(what)
    for what in (5, ["hr0", 5]):
        with pytest.raises(TypeError, match="5"):
            meter.read(what)
    assert device.requests == 0
    with fm.connect(device.url) as plain, pytest.raises(ValueError, match="no map"):
        plain.read()


def test_limits_and_options_of_the_map(device, tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        'format = "fastmodbus-map/1"\n[limits]\nmax_registers = 4\nin_flight = 2\n[options]\ntimeout = "9s"\n'
        '[[tag]]\nname = "all"\naddress = "hr0[10]"\n'
    )
    with fm.Client("127.0.0.1", device.port, map=path, in_flight=8) as client:
        assert len(client.read("all")) == 10
        assert asked(device) == [(3, 0, 4), (3, 4, 8), (3, 8, 10)]
        assert (client._settings.options.timeout, client._settings.options.in_flight) == (9.0, 2)
    with fm.Client("127.0.0.1", device.port, map=path, max_registers=3, timeout=1) as client:
        assert [read.count for read in client.read_plan().reads] == [3, 3, 3, 1]
        assert client._settings.options.timeout == 1.0


# ------------------------------------------------------------------------------------------------ what fails


def test_an_error_carries_what_was_read(device, meter):
    device.fault("drop", where="ir0-5")
    with pytest.raises(fm.RequestTimeout) as caught:
        meter.at(1, timeout=0.1, retries=0).read(["hr21", "ir0:f32"])
    assert caught.value.partial["hr21"] == 215
    assert math.isnan(caught.value.partial["ir0:f32"])
    assert len(caught.value.errors) == 1


def test_what_timed_out_is_not_asked_again_while_others_are_divided(device, meter):
    device.fault("drop", where="ir0-1")
    device.fail("hr3")
    with pytest.raises(fm.ModbusError) as caught:
        meter.at(1, timeout=0.1, retries=0).read(["ir0", "hr2", "hr3"])
    assert {type(error) for error in caught.value.errors} == {fm.RequestTimeout, fm.IllegalDataAddress}
    assert asked(device).count((4, 0, 1)) == 1


@pytest.mark.parametrize("code", [2, 3, 4])
def test_a_hole_is_found_left_out_and_tried_again(device, meter, caplog, monkeypatch, code):
    names = [f"hr{number}" for number in range(20)] + ["hr25"]
    device.holding[:30] = np.arange(30)
    device.fail("hr7", code)
    with caplog.at_level(logging.WARNING, "fastmodbus"):
        with pytest.raises(fm.DeviceError) as caught:
            meter.read(names)
        partial = caught.value.partial
        assert math.isnan(partial.pop("hr7"))
        assert partial == {name: int(name[2:]) for name in names if name != "hr7"}
        asked(device)
        for _ in range(2):
            assert math.isnan(meter.read(names)["hr7"])
        assert asked(device) == [(3, 0, 7), (3, 8, 26)] * 2
        assert "hr7" in str(meter.read_plan(names)).splitlines()[-1]
        monkeypatch.setattr(naming, "REST", -1.0)
        with pytest.raises(fm.DeviceError):
            meter.read(names)
        device.unit(1).heal()
        asked(device)
        assert meter.read(names)["hr7"] == 7
        assert asked(device) == [(3, 0, 26)]
    assert [record.message.count("hr7") for record in caplog.records] == [2]


def test_a_bridge_that_is_refused_is_not_tried_again(device, meter):
    device.fail("hr62-63")
    for _ in range(2):
        assert meter.read(["hr60", "hr61", "hr64"]) == {"hr60": 0, "hr61": 0, "hr64": 0}
    assert asked(device) == [(3, 60, 65), (3, 60, 62), (3, 64, 65), (3, 60, 62), (3, 64, 65)]


def test_a_device_that_refuses_everything_for_a_while_leaves_nothing_behind(device, meter, caplog):
    names = [f"hr{number}" for number in range(0, 40, 2)]
    before = [str(read) for read in meter.read_plan(names).reads]
    device.fail("hr0-65535", code=4)
    for _ in range(3):
        with pytest.raises(fm.DeviceFailure):
            meter.read(names)
    device.unit(1).heal()
    asked(device)
    assert len(meter.read(names)) == 20
    assert [str(read) for read in meter.read_plan(names).reads] == before
    assert len(asked(device)) == 1
    assert not caplog.records


def test_a_device_that_stands_sixty_registers(device, meter):
    def refuse(answer):
        return answer[:4] + b"\0\x03" + answer[6:7] + bytes([answer[7] | 0x80, 3])

    device.fault(refuse, where=lambda request: request.span[2] - request.span[1] > 60)
    device.holding[:120] = np.arange(120)
    names = [f"hr{number}" for number in range(120)]
    assert meter.read(names) == {f"hr{number}": number for number in range(120)}
    asked(device)
    assert meter.read(names)["hr119"] == 119
    assert asked(device) == [(3, 0, 60), (3, 60, 120)]


def test_plans_are_made_once(meter):
    assert meter.read_plan(["hr0", "hr5"]) is meter.read_plan(["hr0", "hr5"])
    assert meter.read_plan(["hr0", "hr5"]) is not meter.read_plan(["hr0", "hr6"])
    assert str(meter.read_plan("hr0:f32[3]")).splitlines()[0] == "1 tag in 1 request per poll: 6 registers"


# ------------------------------------------------------------------------------------------------ writing


def test_neighbours_are_written_in_one_request(device, meter):
    meter.write({"setpoint": 22.5, "mode": "cool", "hr22:i16": -1, "hr100:f32": 1.5, "title": "south", "door": True})
    assert asked(device) == [(5, 3, 4), (16, 20, 23), (16, 50, 54), (16, 100, 102)]
    assert device.holding[20:23].tolist() == [2, 225, 65535]
    assert meter.read("hr100:f32") == 1.5
    assert meter.read("title") == "south"
    assert device.coils[3]


def test_a_value_is_not_divided_between_two_requests(device, meter):
    meter.write({f"hr{1000 + 2 * number}:i32": -number for number in range(100)})
    assert asked(device) == [(16, 1000, 1122), (16, 1122, 1200)]
    assert meter.read("hr1000:i32[100]").tolist() == [-number for number in range(100)]


@pytest.mark.parametrize(("value", "steps"), [(21.5, 215), (21.54, 215), (21.56, 216), (5, 50)])
def test_scaled_values_go_to_the_nearest_step(device, meter, value, steps):
    meter.write("setpoint", value)
    assert device.holding[21] == steps
    assert [request.function for request in device.log] == [6]


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("setpoint", 30.1, "write limits, 5 to 30"), ("setpoint", math.nan, "(?i)nan"), ("hr0:i16", 40000, "32767"),
        ("hr0[3]", [1, 2], "3"), ("hr0", 1.5, "1.5"), ("hr50:str4", "too long", "4"),
        ("mode", "warm", "no label 'warm'"),
        ("level", 1, "may only be read"), ("ir0", 1, "cannot be written"), ("di0", True, "cannot be written"),
        ("voltage_*", 1, "3 tags"), ("nothing", 1, "no tag"),
    ],
)  # fmt: skip
def test_what_may_not_be_written_is_found_before_anything_is_sent(device, meter, what, value, says):
    with pytest.raises(ValueError, match=says):
        meter.write({"hr90": 1, what: value})
    assert device.requests == 0


def test_nothing_to_write(device, meter):
    with pytest.raises(ValueError, match="empty"):
        meter.write({})
    with pytest.raises(TypeError, match="2 has no place to go"):
        meter.write({"hr0": 1}, 2)
    with pytest.raises(ValueError, match=r"tag 'hr0\.3' is 2; allowed are 0 to 1"):
        meter.write("hr0.3", 2)
    with pytest.raises(TypeError, match="'hr0' alone"):
        meter.write("hr0")
    with pytest.raises(fm.ModbusError, match="read_only"):
        meter.at(1, read_only=True).write("hr0", 1)
    assert device.requests == 0


def test_bits_by_function_22_those_of_a_register_together(device, meter):
    device.holding[70] = 0xF000
    meter.write({"hr70.0": True, "hr70.15": False, "hr70.4[4]": [True, False, True, False]})
    assert device.holding[70] == 0x7051
    meter.write({"hr70.hi": 0x12, "hr70:u8": 0x34})
    assert device.holding[70] == 0x1234
    assert [request.function for request in device.log] == [22, 6]


def test_bits_where_the_device_has_no_function_22(device, meter):
    def refuse(answer):
        return answer[:4] + b"\0\x03" + answer[6:7] + bytes([answer[7] | 0x80, 1])

    device.fault(refuse, where=lambda request: request.function == 22)
    device.holding[71] = 0x00F0
    meter.write("hr71.0", True)
    assert device.holding[71] == 0x00F1
    assert [request.function for request in device.log] == [22, 3, 6]


def test_the_function_that_a_tag_insists_on(device, meter):
    meter.write({"slow": 5, "hr41": 6})
    assert [request.function for request in device.log] == [16, 6]
    assert device.holding[40:42].tolist() == [5, 6]


def test_a_scale_factor_is_read_before_its_value_is_written(device, meter):
    meter.write("limit", 120)
    assert device.holding[30] == 12
    assert asked(device) == [(3, 31, 32), (6, 30, 31)]
    device.holding[31] = 0x8000
    with pytest.raises(ValueError, match="no value for the scale factor 'limit_sf'"):
        meter.write("limit", 120)
    assert asked(device) == [(3, 31, 32)]


def test_verify(device, meter):
    meter.write({"setpoint": 20, "door": True, "hr70.3": True}, verify=True)
    assert [request.function for request in device.log] == [5, 6, 22, 1, 3, 3]

    def other(answer):
        device.holding[21] = 7
        return answer

    device.clear_faults()
    device.fault(other, where=lambda request: request.function == 6)
    with pytest.raises(fm.ModbusError, match=r"setpoint \(hr21:i16\) was written and reads back differently"):
        meter.write("setpoint", 21, verify=True)
