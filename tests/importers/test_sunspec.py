"""SunSpec models: the real definitions of the pysunspec2 package, laid out and decoded beside that package itself."""

import math
import random
from pathlib import Path

import pytest

from fastmodbus.errors import MapError
from fastmodbus.importers import SunSpecModel, load_sunspec, sunspec_map
from fastmodbus.importers.sunspec import read_definition
from fastmodbus.plan import ReadPlan
from reference_values import decode, quality, scaled, words_of

device = pytest.importorskip("sunspec2.device", reason="needs the SunSpec models: pip install pysunspec2")
MODELS = Path(device.__file__).parent / "models" / "json"
FILES = sorted(MODELS.glob("model_*.json"), key=lambda path: int(path.stem.removeprefix("model_")))


BASE = 102  # where the model under test begins


def model_file(number):
    return MODELS / f"model_{number}.json"


def counted(group, repeats):
    """How often every repeated group of a definition is there, by all the names that may be asked for."""
    counts = {group.name: repeats}
    if isinstance(group.count, str):
        counts[group.count] = repeats
    for inner in group.groups:
        counts |= counted(inner, repeats)
    return counts


def points_of(group, path):
    """Every point of pysunspec2's model but the padding, by the name that its tag has."""
    for point in group.points.values():
        if point.pdef["type"] != "pad":
            yield f"{path}.{point.pdef['name']}", point
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for number, one in enumerate(inner, 1):
                yield from points_of(one, f"{path}.{name}{number}")
        else:
            yield from points_of(inner, f"{path}.{name}")


INTEGERS = {"int16": (-0x7FFF, 0x7FFF), "int32": (-0x7FFFFFFF, 0x7FFFFFFF), "int64": (-(2**63) + 1, 2**63 - 1)}
UNSIGNED = {"16": 0xFFFE, "32": 0xFFFFFFFE, "64": 2**64 - 2}


def some_value(point, chance):
    kind = point.pdef["type"]
    if kind == "sunssf":
        return chance.randint(-10, 10)
    if kind in INTEGERS:
        return chance.randint(*INTEGERS[kind])
    if kind == "string":
        return "ab " * (2 * point.len // 3)
    if kind in ("float32", "float64"):
        return chance.randint(-1000, 1000) / 8
    if kind == "eui48":
        return "01:23:45:67:89:AB"
    if kind == "ipv6addr":
        return "00112233:44556677:8899AABB:CCDDEEFF"
    return chance.randint(1, UNSIGNED.get(kind[-2:], 0xFFFE)) if kind != "ipaddr" else chance.randint(1, 2**32 - 1)


def their_model(path, definition, counts):
    """The model as this package lays it out, and pysunspec2's, of the same length and counts."""
    both = load_sunspec([path, model_file(1)], base=BASE - 2, counts=counts)
    size = max(both[name].address.address for name in ("common.ID", "common_2.ID") if name in both) - BASE
    mine = load_sunspec(path, base=BASE - 2, counts=counts)
    data = bytearray(2 * size)
    for name, count in counts.items():
        point = f"{definition.group.name}.{name}"
        if point in mine:
            at = 2 * (mine[point].address.address - BASE)
            data[at : at + 2] = count.to_bytes(2, "big")
    return mine, device.Model(model_id=definition.id, model_len=size - 2, data=bytes(data))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_published_model_lies_and_reads_as_pysunspec2_has_it(path):
    definition = read_definition(path)
    counts = counted(definition.group, 2)
    mine, theirs = their_model(path, definition, counts)
    points = dict(points_of(theirs, definition.group.name))
    assert {tag.name: tag.address.address - BASE for tag in mine} == {name: one.offset for name, one in points.items()}
    assert not theirs.error_info
    chance = random.Random(definition.id)
    for point in points.values():
        if point.pdef["name"] not in ("ID", "L", *counts):
            point.set_value(some_value(point, chance))
    words = words_of(theirs.get_mb())
    assert len(words) == theirs.len
    for tag in mine:
        check_value(tag, mine, words, points[tag.name])


def check_value(tag, mine, words, point):
    kind = point.pdef["type"]
    raw = raw_value(tag, words)
    if kind == "eui48":
        assert f"{raw:012X}" == point.value.replace(":", "")
    elif kind == "ipv6addr":
        assert "".join(f"{word:04X}" for word in raw) == point.value.replace(":", "")
    elif kind == "string":
        assert raw == point.value.rstrip(" \0")
    else:
        exponent = raw_value(mine[tag.scale_from], words) if tag.scale_from else 0
        assert scaled(raw, scale=tag.scale, exponent=exponent) == pytest.approx(point.cvalue, rel=1e-12)
        assert quality(raw, raw, missing=tag.missing) == "GOOD" or kind.startswith(("acc", "count")), tag


def raw_value(tag, words):
    address = tag.address
    return decode(words[address.address - BASE :], address.type, address.order, count=address.count)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_not_implemented_reads_as_missing(path):
    definition = read_definition(path)
    counts = counted(definition.group, 1)
    mine, theirs = their_model(path, definition, counts)
    for point in dict(points_of(theirs, "")).values():
        point.set_value(None)
    words = words_of(theirs.get_mb())
    for tag in mine:
        if tag.address.type != "u16" or tag.address.count is None:
            raw = raw_value(tag, words)
            assert quality(raw, raw, missing=tag.missing) == "MISSING", tag


def test_an_inverter():
    inverter = load_sunspec([model_file(1), model_file(103), model_file(160)], counts={"module": 3})
    named = ("common.ID", "common.Mn", "inverter_three_phase.A", "inverter_three_phase.W")
    assert [str(inverter[name].address) for name in named] == ["hr40002", "hr40004:str32", "hr40072", "hr40084:i16"]
    power = inverter["inverter_three_phase.W"]
    assert (power.scale_from, power.units, power.missing) == ("inverter_three_phase.W_SF", "W", (-32768,))
    module = inverter["mppt.module3.DCA"]
    assert (module.scale_from, str(module.address)) == ("mppt.DCA_SF", "hr40181")
    assert inverter["inverter_three_phase.St"].labels[4] == "MPPT"
    assert inverter["inverter_three_phase.Evt1"].bits[0] == "GROUND_FAULT"
    assert inverter.groups == {"static": math.inf}
    assert {"common.Mn", "inverter_three_phase.ID"} <= {tag.name for tag in inverter.group("static")}
    assert len(ReadPlan([tag for tag in inverter if tag.name.startswith("inverter_three_phase.")]).reads) == 1


def test_a_length_settles_one_count():
    definition = read_definition(model_file(160))
    loaded = sunspec_map([SunSpecModel(definition, 40070, 8 + 5 * 20)])
    assert [tag.name for tag in loaded if tag.name.endswith(".DCA")] == [f"mppt.module{n}.DCA" for n in range(1, 6)]
    with pytest.raises(MapError, match="no count of module makes it 109 registers"):
        sunspec_map([SunSpecModel(definition, 40070, 109)])


def test_counts_that_are_not_known_are_asked_for():
    with pytest.raises(MapError, match=r"SunSpec model 705: .*: NCrv, NPt; pass counts="):
        load_sunspec(model_file(705))
    with pytest.raises(MapError, match="not known: module;"):
        load_sunspec(model_file(160))
    curves = load_sunspec(model_file(705), counts={"NPt": 9, "705.NCrv": 3, "705.NPt": 4})
    assert "DERVoltVar.Crv3.Pt4.Var" in curves
    assert "DERVoltVar.Crv3.Pt5.Var" not in curves
    assert curves["DERVoltVar.Crv3.Pt4.Var"].access == "rw"
    assert curves["DERVoltVar.Crv3.Pt4.Var"].scale_from == "DERVoltVar.DeptRef_SF"


def test_two_models_of_one_kind():
    definition = read_definition(model_file(103))
    loaded = sunspec_map([SunSpecModel(definition, 40070), SunSpecModel(definition, 40122)])
    assert str(loaded["inverter_three_phase_2.A"].address) == "hr40124"
    assert loaded["inverter_three_phase_2.A"].scale_from == "inverter_three_phase_2.A_SF"


def test_files_that_are_no_models(tmp_path):
    bad = tmp_path / "model_1.json"
    with pytest.raises(MapError, match="cannot be read"):
        load_sunspec(bad)
    bad.write_text("{}")
    with pytest.raises(MapError, match="no SunSpec model"):
        load_sunspec(bad)
    for point, says in (
        ('{"name": "x", "type": "int17", "size": 1}', "unknown type 'int17'"),
        ('{"name": "x", "type": "int16", "size": 1, "sf": "y"}', "no scale factor 'y'"),
    ):
        bad.write_text(f'{{"id": 1, "group": {{"name": "g", "points": [{point}]}}}}')
        with pytest.raises(MapError, match=says):
            load_sunspec(bad)
    with pytest.raises(MapError, match="65535"):
        load_sunspec(model_file(1), base=65530)
