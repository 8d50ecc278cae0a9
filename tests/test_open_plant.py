"""Open plants: clients by name, connections shared, and whose options count."""

import pytest

import fastmodbus as fm

MAP = """
format = "fastmodbus-map/1"
[limits]
max_registers = 80
[options]
timeout = "9s"
retries = 1
idle_close = "1min"
[[tag]]
name = "power"
address = "hr0:i16"
[[tag]]
name = "block"
address = "hr100[90]"
"""


@pytest.fixture
def devices():
    with fm.Simulator(units=(7, 8)) as gateway, fm.Simulator() as plc:
        for unit in (7, 8):
            gateway.unit(unit).holding[0] = 100 * unit
        plc.holding[0] = 5
        yield gateway, plc


@pytest.fixture
def plant_file(devices, tmp_path):
    gateway, plc = devices

    def write(more=""):
        (tmp_path / "inverter.toml").write_text(MAP)
        path = tmp_path / "plant.toml"
        path.write_text(f"""
format = "fastmodbus-plant/1"
[defaults]
timeout = "2s"
[[device]]
name = "inv07"
url = "{gateway.url}"
unit = 7
map = "inverter.toml"
limits = {{max_registers = 60, in_flight = 1}}
[[device]]
name = "inv08"
url = "{gateway.url}?unit=3&retries=4"
unit = 8
timeout = 1
map = "inverter.toml"
limits = {{in_flight = 4}}
[[device]]
name = "plc"
url = "{plc.url}"
limits = {{max_gap = 0}}
{more}
""")
        return path

    return write


def test_each_device_by_name_over_shared_connections(devices, plant_file):
    gateway, plc = devices
    with fm.open_plant(plant_file()) as plant:
        assert list(plant) == list(plant.clients) == ["inv07", "inv08", "plc"]
        assert gateway.connections == plc.connections == 0
        assert [plant["inv07"].read("power"), plant["inv08"].read("power"), plant["plc"].read("hr0")] == [700, 800, 5]
        assert gateway.connections == plc.connections == 1
        assert "inv07" in repr(plant["inv07"])
        assert repr(plant) == "<OpenPlant: 3 devices over 2 connections>"
        with pytest.raises(KeyError, match="did you mean 'inv07'"):
            plant["inv7"]
        clients = plant.clients
    for client in clients.values():
        with pytest.raises(fm.ClientClosed):
            client.read("hr0")


def test_whose_options_count(plant_file):
    with fm.open_plant(plant_file()) as plant:
        first, second, plc = plant.clients.values()
        assert (first._settings.options.timeout, first._settings.options.retries, first.unit) == (2.0, 1, 7)
        assert (second._settings.options.timeout, second._settings.options.retries, second.unit) == (1.0, 4, 8)
        assert (plc._settings.options.timeout, plc._settings.options.retries, plc.unit) == (2.0, 2, 1)
        assert [client._settings.options.in_flight for client in (first, second, plc)] == [1, 4, "auto"]
        assert first._link is second._link
        assert first._link is not plc._link


def test_the_smaller_limit_counts(plant_file):
    with fm.open_plant(plant_file()) as plant:
        assert [read.count for read in plant["inv07"].read_plan("block").reads] == [60, 30]
        assert [read.count for read in plant["inv08"].read_plan("block").reads] == [80, 10]
        assert len(plant["plc"].read_plan(["hr0", "hr2"]).reads) == 2


def test_one_connection_has_one_set_of_its_options(devices, plant_file):
    more = f'[[device]]\nname = "third"\nurl = "{devices[0].url}"\nidle_close = "2min"'
    with pytest.raises(fm.MapError, match=r"idle_close: is 120\.0, and 60\.0 for another device") as caught:
        fm.open_plant(plant_file(more))
    assert (caught.value.tag, caught.value.field) == ("third", "idle_close")


def test_a_wrong_url_names_the_device(plant_file):
    with pytest.raises(fm.MapError, match="scheme 'ftp'") as caught:
        fm.open_plant(plant_file('[[device]]\nname = "third"\nurl = "ftp://x"'))
    assert (caught.value.tag, caught.value.field) == ("third", "url")


def test_a_simulated_plant(tmp_path):
    path = tmp_path / "plant.toml"
    path.write_text('format = "fastmodbus-plant/1"\n[[device]]\nname = "a"\nurl = "sim:"\n')
    with fm.open_plant(path) as plant:
        assert plant["a"].read("hr0") == 0
