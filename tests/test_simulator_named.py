"""A simulator's values by name: what is set is what a client reads."""

import logging
import math
import threading

import pytest

import fastmodbus as fm

MAP = """
format = "fastmodbus-map/1"
[[tag]]
name = "pressure"
address = "ir0:f32@CDAB"
[[tag]]
name = "t"
address = "hr10:i16"
scale = 0.1
missing = [0x8000]
write_limits = [0, 10]
access = "rw"
[[tag]]
name = "power"
address = "hr11:i16"
scale_from = "sf"
[[tag]]
name = "sf"
address = "hr12:i16"
[[tag]]
name = "mode"
address = "hr13"
labels = {0 = "off", 1 = "on"}
[[tag]]
name = "other"
address = "7/hr14:str8"
[[tag]]
name = "lamp"
address = "co3"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(MAP)
    return path


@pytest.fixture
def sim(path):
    with fm.Simulator(path, units=(1, 7)) as simulator:
        yield simulator


def test_what_is_set_is_read(sim, path):
    sim["pressure"] = 4.25
    sim["t"] = -21.5
    sim["sf"] = 2
    sim["power"] = 1200
    sim["mode"] = "on"
    sim["other"] = "north"
    sim["lamp"] = True
    expected = {
        "pressure": 4.25, "t": -21.5, "power": 1200, "sf": 2, "mode": "on", "other": "north", "lamp": True,
    }  # fmt: skip
    assert {name: sim[name] for name in expected} == expected
    assert sim.holding[10:14].tolist() == [0x10000 - 215, 12, 2, 1]
    with fm.connect(sim.url, map=path) as client:
        assert client.read() == expected
        client.write("t", 5.5)
        assert sim["t"] == 5.5


def test_no_value(sim):
    sim["t"] = None
    assert sim.holding[10] == 0x8000
    assert math.isnan(sim["t"])
    sim["pressure"] = math.nan
    assert math.isnan(sim["pressure"])
    with pytest.raises((TypeError, ValueError), match="power"):
        sim["power"] = None


def test_addresses_need_no_map():
    simulator = fm.Simulator()
    simulator["hr0:f32"] = 1.5
    simulator["hr2.3"] = True
    simulator["hr3:i16[3]"] = [-1, 0, 1]
    assert simulator["hr0:f32"] == 1.5
    assert simulator.holding[:6].tolist() == [0x3FC0, 0, 8, 65535, 0, 1]
    assert simulator["hr3:i16[3]"].tolist() == [-1, 0, 1]


def test_functions_of_time_are_asked_when_requests_arrive(sim):
    asked = []

    def level(seconds):
        asked.append((seconds, threading.current_thread().name))
        return len(asked)

    sim["pressure"] = level
    with fm.connect(sim.url) as client:
        assert [client.read("ir0:f32@CDAB") for _ in range(3)] == [2, 3, 4]
    assert sim["pressure"] == 5
    seconds = [one for one, _ in asked]
    assert seconds == sorted(seconds)
    assert seconds[0] >= 0
    assert "simulator" in asked[1][1]
    sim["pressure"] = 9
    assert (sim["pressure"], len(asked)) == (9, 5)


def test_a_function_that_fails_answers_exception_4_until_it_has_a_value(sim, caplog):
    state = {"value": 1.5}

    def level(_):
        return state["value"] / state.get("divisor", 1)

    sim["pressure"] = level
    sim["t"] = 21.5
    with fm.connect(sim.url) as client, caplog.at_level(logging.ERROR, "fastmodbus"):
        state["divisor"] = 0
        for _ in range(3):
            with pytest.raises(fm.DeviceFailure):
                client.read("ir0:f32@CDAB")
        assert client.read("hr10:i16") == 0x10000 - 65536 + 215
        with pytest.raises(ZeroDivisionError):
            sim["pressure"]
        state["divisor"] = 2
        assert client.read("ir0:f32@CDAB") == sim["pressure"] == 0.75
        state["value"] = "much"
        with pytest.raises(fm.DeviceFailure):
            client.read("ir0:f32@CDAB")
        sim["pressure"] = 3
        assert client.read("ir0:f32@CDAB") == 3
    assert [record.message.count("function of pressure (ir0:f32@CDAB) failed") for record in caplog.records] == [1, 1]
    assert "ZeroDivisionError" in caplog.text


def test_a_range_that_the_test_refuses_is_not_mended_by_a_function(sim, caplog):
    sim.fail("ir0-1", code=4)
    fails = [False, True, False]
    sim["pressure"] = lambda _: 1 / 0 if fails.pop(0) else 1.0
    with fm.connect(sim.url) as client:
        for _ in range(2):
            with pytest.raises(fm.DeviceFailure):
                client.read("ir0:f32@CDAB")
    assert fails == []


def test_time_begins_with_the_start(path):
    simulator = fm.Simulator(map=path)
    simulator["t"] = lambda seconds: seconds
    assert simulator["t"] == 0.0


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("presure", 1, "did you mean 'pressure'"), ("*", 1, "7 tags"), ("mode", "warm", "no label"), ("t", 5e9, "t")],
)
def test_what_cannot_be_set(sim, name, value, says):
    with pytest.raises(ValueError, match=says):
        sim[name] = value
