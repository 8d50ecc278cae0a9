"""Discovery of SunSpec models: real definitions, laid out by pysunspec2, served by the simulator, read back by name."""

import json
import logging
import math
from pathlib import Path

import pytest

import fastmodbus as fm
from fastmodbus import sunspec
from reference_values import words_of

device = pytest.importorskip("sunspec2.device", reason="needs the SunSpec models: pip install pysunspec2")
MODELS = Path(device.__file__).parent / "models" / "json"
INVERTER = "inverter_three_phase"


def model(number, size, **counts):
    """A model of pysunspec2 with so many registers after ID and length, nothing in it implemented but its counts."""
    data = bytearray(2 * (size + 2))
    for at, count in counts.values():
        data[2 * at : 2 * at + 2] = count.to_bytes(2, "big")
    made = device.Model(model_id=number, model_len=size, data=bytes(data))
    assert not made.error_info
    return made


def inverter():
    common, three_phase, mppt = model(1, 66), model(103, 50), model(160, 8 + 3 * 20, N=(8, 3))
    for name, text in (("Mn", "Acme"), ("Md", "X-1"), ("SN", "0815")):
        common.points[name].set_value(text)
    for name, value in (("W", 4321), ("W_SF", -1), ("A", 105), ("A_SF", -2), ("Hz", None), ("St", 4)):
        three_phase.points[name].set_value(value)
    mppt.points["DCA_SF"].set_value(-2)
    for number, module in enumerate(mppt.groups["module"], 1):
        module.points["DCA"].set_value(100 * number)
    return [common, three_phase, mppt]


def serve(simulator, models, base=40000):
    registers = [0x5375, 0x6E53]
    for one in models:
        registers += words_of(one.get_mb())
    registers += [0xFFFF, 0]
    simulator.holding[base : base + len(registers)] = registers


@pytest.fixture
def sim():
    with fm.Simulator() as simulator:
        yield simulator


@pytest.fixture
def client(sim):
    with fm.connect(sim.url) as client:
        yield client


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_an_inverter_is_found_and_read(sim, client, base):
    serve(sim, inverter(), base)
    found = fm.sunspec.discover(client)
    assert str(found["common.ID"].address) == f"hr{base + 2}"
    assert found["common.Mn"].group == "static"
    assert [tag.name for tag in found if tag.name.endswith(".DCA") and "mppt" in tag.name] == [
        f"mppt.module{n}.DCA" for n in (1, 2, 3)
    ]
    named = client.at(1, map=found)
    values = named.read()
    assert (values["common.Mn"], values["common.Md"], values["common.SN"]) == ("Acme", "X-1", "0815")
    assert (values[f"{INVERTER}.W"], values[f"{INVERTER}.A"]) == (432.1, 1.05)
    assert math.isnan(values[f"{INVERTER}.Hz"])
    assert values[f"{INVERTER}.St"] == "MPPT"
    assert [values[f"mppt.module{n}.DCA"] for n in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert len(named.read_plan().reads) == 1  # what never changes is known


def test_what_was_found_is_remembered(sim, client, tmp_path):
    serve(sim, inverter())
    cache = tmp_path / "devices.json"
    first = fm.sunspec.discover(client, cache=cache)
    asked = sim.requests
    assert fm.sunspec.discover(client, cache=cache) == first
    assert sim.requests == asked
    with fm.connect(sim.url, unit=2, timeout=0.1, retries=0) as other, pytest.raises(fm.RequestTimeout):
        fm.sunspec.discover(other, cache=cache)
    cache.write_text("{")
    with pytest.raises(fm.MapError, match="no cache of SunSpec devices"):
        fm.sunspec.discover(client, cache=cache)
    cache.write_text('{"format": "other"}')
    with pytest.raises(fm.MapError, match="'other'"):
        fm.sunspec.discover(client, cache=cache)


def test_counts_are_read_from_the_device(sim, client):
    definition = json.loads((MODELS / "model_705.json").read_text())
    fixed = sum(point["size"] for point in definition["group"]["points"])
    names = [point["name"] for point in definition["group"]["points"]]
    sizes = [point["size"] for point in definition["group"]["points"]]
    curve = definition["group"]["groups"][0]
    each = sum(point["size"] for point in curve["points"])
    point = sum(one["size"] for one in curve["groups"][0]["points"])
    place = {name: sum(sizes[: names.index(name)]) for name in ("NPt", "NCrv")}
    size = fixed - 2 + 2 * (each + 4 * point)
    curves = model(705, size, NPt=(place["NPt"], 4), NCrv=(place["NCrv"], 2))
    serve(sim, [model(1, 66), curves])
    found = fm.sunspec.discover(client)
    assert "DERVoltVar.Crv2.Pt4.Var" in found
    assert "DERVoltVar.Crv2.Pt5.Var" not in found
    assert "DERVoltVar.Crv3.Pt1.Var" not in found


def test_models_without_a_definition_and_shorter_ones(sim, client, caplog):
    serve(sim, inverter())
    definitions = {1: MODELS / "model_1.json", 103: json.loads((MODELS / "model_103.json").read_text())}
    with caplog.at_level(logging.WARNING, "fastmodbus"):
        found = fm.sunspec.discover(client, models=definitions)
    assert [record.getMessage() for record in caplog.records] == [
        "SunSpec model 160 at hr40122 has no definition and is left out"
    ]
    assert not [tag for tag in found if tag.name.startswith("mppt")]
    sim.holding[40071] = 20  # model 103 ends early, the next header is where nothing is implemented
    sim.holding[40092:40094] = 0xFFFF, 0
    short = fm.sunspec.discover(client, models=MODELS)
    assert f"{INVERTER}.W" in short
    assert max(tag.address.end for tag in short) <= 40092


def test_what_is_no_sunspec_device(sim, client, tmp_path):
    with pytest.raises(fm.MapError, match="no SunSpec marker at hr40000, hr50000, hr0"):
        fm.sunspec.discover(client)
    sim.fail("hr40000-65535")
    with pytest.raises(fm.MapError, match="illegal data address"):
        fm.sunspec.discover(client)
    with pytest.raises(fm.MapError, match="no folder"):
        fm.sunspec.discover(client, models=tmp_path / "none")
    sim.unit(1).heal()
    sim.holding[40000:40004] = 0x5375, 0x6E53, 1, 65000
    with pytest.raises(fm.MapError, match="no end"):
        fm.sunspec.discover(client)


def test_without_definitions(client, monkeypatch):
    monkeypatch.setattr(sunspec, "find_spec", lambda name: None)
    with pytest.raises(fm.MapError, match="pip install pysunspec2, or pass models="):
        fm.sunspec.discover(client)
