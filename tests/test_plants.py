"""Plants from files: devices, what they inherit, and errors with file, device and field."""

import pytest

from fastmodbus.errors import MapError
from fastmodbus.maps import load_plant

INVERTER = """
format = "fastmodbus-map/1"
[limits]
max_registers = 80
in_flight = 4
[groups]
fast = "100ms"
slow = "10s"
[options]
timeout = "9s"
[[tag]]
name = "power"
address = "hr0"
group = "fast"
"""

PLANT = """
format = "fastmodbus-plant/1"
[defaults]
timeout = "3s"
limits = {max_registers = 100, max_gap = 4}
groups = {slow = "20s", other = 5}
[[device]]
name = "inv07"
url = "tcp://10.0.1.7"
unit = 7
map = "inverter.toml"
groups = {fast = "1s"}
limits = {in_flight = 1}
[[device]]
name = "inv08"
url = "tcp://10.0.1.7"
unit = 8
timeout = 1
map = "inverter.toml"
[[device]]
name = "plc"
url = "tcp://10.0.1.9"
description = "no map"
"""


@pytest.fixture
def plant_file(tmp_path):
    def write(text=PLANT):
        (tmp_path / "inverter.toml").write_text(INVERTER)
        path = tmp_path / "plant.toml"
        path.write_text(text)
        return path

    return write


def test_the_whole_format(plant_file):
    plant = load_plant(plant_file())
    assert [device.name for device in plant] == ["inv07", "inv08", "plc"]
    first = plant["inv07"]
    assert (first.url, first.options) == ("tcp://10.0.1.7", {"timeout": 3.0, "unit": 7})
    assert first.groups == {"fast": 1.0, "slow": 20.0}
    assert (first.limits.max_registers, first.limits.in_flight, first.limits.max_gap) == (80, 1, 4)
    assert plant["inv08"].options == {"timeout": 1.0, "unit": 8}
    assert plant["inv08"].groups == {"fast": 0.1, "slow": 20.0}
    assert plant["inv08"].map is first.map
    assert (plant["plc"].map, plant["plc"].groups) == (None, {})
    assert len(plant) == 3


def test_devices_of_one_url_belong_together(plant_file):
    shared = load_plant(plant_file()).by_url()
    assert {url: [one.name for one in devices] for url, devices in shared.items()} == {
        "tcp://10.0.1.7": ["inv07", "inv08"], "tcp://10.0.1.9": ["plc"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "device", "field", "says"),
    [
        (("unit = 7", "unti = 7"), "inv07", "", "did you mean 'unit'"),
        (("unit = 7", "unit = 256"), "inv07", "unit", "<= 255"),
        (("{fast =", "{fats ="), "inv07", "groups", "did you mean 'fast'"),
        (('"1s"', '"soon"'), "inv07", "groups", "'soon'"),
        (("in_flight = 1}", "in_flght = 1}"), "inv07", "limits", "did you mean 'in_flight'"),
        (("in_flight = 1}", 'holes = ["x"]}'), "inv07", "limits.holes", "is not a range"),
        (('"inv08"', '"inv07"'), "inv07", "name", "stands twice"),
        (('url = "tcp://10.0.1.9"', ""), "plc", "", "'url' is missing"),
        (('timeout = "3s"', 'timeuot = "3s"'), "", "defaults", "did you mean 'timeout'"),
    ],
)
def test_errors_say_file_device_and_field(plant_file, change, device, field, says):
    path = plant_file(PLANT.replace(*change))
    with pytest.raises(MapError, match=says) as caught:
        load_plant(path)
    assert (caught.value.file, caught.value.tag, caught.value.field) == (str(path), device, field)


def test_a_map_that_is_not_there_is_named(plant_file):
    with pytest.raises(MapError, match=r"other\.toml: cannot be read"):
        load_plant(plant_file(PLANT.replace("inverter.toml", "other.toml")))


def test_a_device_that_the_plant_does_not_have(plant_file):
    with pytest.raises(KeyError, match="did you mean 'inv07'"):
        load_plant(plant_file())["inv7"]
