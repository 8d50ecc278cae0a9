"""A recording played back by the simulator: the values that a client reads are those of the recording's moment."""

import logging
import math
import time

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.quality import Quality
from fastmodbus.recorder import Recorder
from fastmodbus.simulator.replay import players_of
from made_rows import TAGS, made

pytest.importorskip("pyarrow")


@pytest.fixture
def folder(tmp_path):
    """Ten rows at 10 Hz of a meter; five at 5 Hz of another."""
    with Recorder(tmp_path) as recorder:
        recorder.write(made(10, failed={4: Quality.TIMEOUT}))
        recorder.write(made(1, tags=[fm.Tag("model", "hr20")], group="once", period=math.inf, due=[0]))
        recorder.write(made(5, tags=[fm.Tag("t", "ir3:i16", scale=0.1)], device="other", group="slow", period=0.2,
                            contents=lambda row: {"ir": np.full(8, 200 + row)}))  # fmt: skip
    return tmp_path


def test_values_are_those_of_the_moment(folder):
    shown = {}
    (player,) = players_of(folder, "meter", None, None, 1.0, False)
    for seconds, row in [(0, 0), (0.05, 0), (0.1, 1), (0.39, 3), (0.45, 3), (0.5, 5), (0.95, 9), (99.0, 9)]:
        player.refresh(seconds, shown.__setitem__)
        expected = made(10)
        assert shown["voltage"] == expected["voltage"][row]
        assert shown["power"] == expected["power"][row]
        assert shown["big"] == 2**63 + row, "integers are exact"
        assert shown["cells"] == [row, row + 1, row + 2]
        assert shown["serial"] == f"No0{row}"
        assert shown["valves"] == expected["valves"][row].tolist()


def test_it_may_be_faster_and_begin_again(folder):
    shown = {}
    (player,) = players_of(folder, "meter", None, None, 2.0, True)
    for seconds, row in [(0.25, 5), (0.45, 9), (0.5, 0), (0.55, 1), (50.05, 1)]:
        player.refresh(seconds, shown.__setitem__)
        assert shown["voltage"] == 230 + row / 4


def test_a_part_of_it(folder):
    shown = {}
    (player,) = players_of(folder, "meter", "2026-09-21T14:13:20.5", "2026-09-21T14:13:20.8", 1.0, False)
    for seconds, row in [(0, 5), (0.15, 6), (5, 7)]:
        player.refresh(seconds, shown.__setitem__)
        assert shown["voltage"] == 230 + row / 4


def test_a_client_reads_what_was_recorded(folder):
    with fm.Simulator.replay(folder, speed=20.0) as device, fm.connect(device.url, retries=0) as client:
        other, deadline = client.at(2), time.monotonic() + 30
        while client.read("hr0:f32") < 230 + 9 / 4 or other.read("ir3") < 204:
            assert time.monotonic() < deadline
        for name in ("voltage", "state", "big", "serial", "pump"):
            tag = next(tag for tag in TAGS if tag.name == name)
            assert client.read(tag.address) == made(10).raw[name][9]
        assert client.read(TAGS[1]) == 12.8
        assert client.read("hr7:i16[3]").tolist() == [9, 10, 11]
        assert client.read("co5[4]").tolist() == made(10)["valves"][9].tolist()
        assert device["voltage"] == 232.25


def test_what_is_asked_for_must_be_there(folder):
    with pytest.raises(fm.RecorderError, match="device 'x'"):
        fm.Simulator.replay(folder, device="x")
    with pytest.raises(ValueError, match="speed is 0"):
        fm.Simulator.replay(folder, speed=0)
    with pytest.raises(ValueError, match="no rows"):
        fm.Simulator.replay(folder, start="2030-01-01")


def test_a_value_without_its_scale_factor_is_left_out(tmp_path, caplog):
    tags = [fm.Tag("A", "hr0", scale_from="A_SF"), fm.Tag("A_SF", "hr1:i16"), fm.Tag("B", "hr2")]
    contents = lambda row: {"hr": np.array([123, 0xFFFF, row], np.uint16)}  # noqa: E731
    with Recorder(tmp_path) as recorder:
        recorder.write(made(2, tags=tags, contents=contents))
        recorder.write(made(2, tags=tags, contents=contents, device="x", keys={"A": 0, "B": 2}))
    with fm.Simulator.replay(tmp_path, device="meter") as device, fm.connect(device.url) as client:
        assert client.read("hr0") == 123
        assert client.read("hr1:i16") == -1
        assert math.isclose(device["A"], 12.3)
    with caplog.at_level(logging.WARNING, "fastmodbus"):
        fm.Simulator.replay(tmp_path, device="x")
    assert "A is not played back: its scale factor A_SF was not recorded" in caplog.text
