"""Decoders of read plans, and tags to write: against the reference, and SunSpec's real models."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus.errors import MapError
from fastmodbus.importers import load_sunspec
from fastmodbus.plan import ReadPlan
from fastmodbus.quality import Quality, quality_of
from fastmodbus.spec import Status
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder, encode, encode_tag
from reference_values import WIDTHS
from reference_values import decode as reference
from reference_values import quality as reference_quality
from reference_values import scaled as reference_scaled

ORDERS = {
    1: [""],
    2: ["AB", "BA"],
    4: ["ABCD", "CDAB", "BADC", "DCBA"],
    8: ["ABCD", "CDAB", "BADC", "DCBA", "CDABGHEF"],
}
KINDS = [(kind, order) for kind, width in WIDTHS.items() for order in ORDERS[width]]


def words_of(*values):
    return np.array(values, np.uint16)


class Device:
    """Registers and coils that a plan's reads are answered from."""

    def __init__(self, seed=0):
        chance = np.random.default_rng(seed)
        self.registers = {area: chance.integers(0, 65536, 65536).astype(np.uint16) for area in ("hr", "ir")}
        self.coils = {area: chance.integers(0, 2, 65536).astype(bool) for area in ("co", "di")}

    def area(self, name):
        return self.coils[name] if name in self.coils else self.registers[name]

    def answer(self, decoder):
        image = decoder.image()
        for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True):
            target[:] = self.area(read.area)[read.address : read.end]
        return image


def expected_raw(device, address):
    """What the reference has at an address: a value, or a list."""
    words = device.area(address.area)[address.address : address.end].tolist()
    if address.area in ("co", "di"):
        return words if address.count else words[0]
    return reference(words, address.type, address.order, bit=address.bit, high=address.high, count=address.count)


@st.composite
def tags(draw, number):
    area = draw(st.sampled_from(["hr", "hr", "hr", "ir", "co", "di"]))
    at = draw(st.integers(0, 300))
    array = draw(st.sampled_from(["", "", "", "[1]", "[3]", "[90]"]))
    name = f"t{number}"
    if area in ("co", "di"):
        return Tag(name, f"{area}{at}{array}")
    what = draw(st.sampled_from(["number", "number", "number", "bit", "text"]))
    if what == "bit":
        return Tag(name, f"{area}{at}.{draw(st.integers(0, 15))}{array}")
    if what == "text":
        return Tag(name, f"{area}{at}:str{draw(st.integers(1, 9))}@{draw(st.sampled_from(['AB', 'BA']))}{array}")
    kind, order = draw(st.sampled_from([one for one in KINDS if not one[0].startswith("bcd")]))
    text = f"{area}{at}:{kind}" + (f"@{order}" if order else "") + array
    settings = {}
    if draw(st.booleans()):
        settings |= {
            "scale": draw(st.sampled_from([0.1, 0.01, 0.5, 10, -1])),
            "offset": draw(st.sampled_from([0, -40])),
        }
    if draw(st.booleans()):
        settings["valid"] = draw(st.sampled_from([(0, 30000), (-1e9, 1e9)]))
    return Tag(name, text, **settings)


def some_missing(tag, device, draw):
    """The tag with what the device says now among its missing values, sometimes."""
    found = expected_raw(device, tag.address)
    if tag.address.kind.kind in ("bool", "str") or draw(st.booleans()):
        return tag
    one = found[0] if isinstance(found, list) else found
    return tag if isinstance(one, float) and not math.isfinite(one) else tag.replace(missing=[one, 1])


def expected(tag, raw, factor=0):
    """Value and quality of one element, by the reference."""
    if isinstance(raw, (bool, str)):
        return raw, Quality.GOOD
    value = reference_scaled(float(raw), scale=tag.scale, offset=tag.offset, exponent=factor)
    found = Quality[reference_quality(raw, value, missing=tag.missing, valid=tag.valid)]
    return (value if found == Quality.GOOD else math.nan), found


def same(found, wanted):
    if isinstance(wanted, float) and isinstance(found, np.float32):
        with np.errstate(over="ignore"):
            wanted = np.float32(wanted)
    return found == wanted or (is_nan(found) and is_nan(wanted))


def is_nan(value):
    return isinstance(value, (float, np.floating)) and math.isnan(value)


@given(st.data())
def test_a_plans_values_are_the_references(data):
    device = Device(data.draw(st.integers(0, 5)))
    wanted = [data.draw(tags(number)) for number in range(data.draw(st.integers(1, 25)))]
    wanted = [some_missing(tag, device, data.draw) for tag in wanted]
    decoder = Decoder(ReadPlan(wanted, max_registers=data.draw(st.sampled_from([20, 125])), max_bits=64))
    table = decoder.table(3)
    image = device.answer(decoder)
    decoder.run(image, table, 1)
    objects = decoder.values(image)
    for number, tag in enumerate(wanted):
        raw = expected_raw(device, tag.address)
        raws = raw if isinstance(raw, list) else [raw]
        values, qualities = zip(*(expected(tag, one) for one in raws), strict=True)
        assert table.values(number).shape == ((3,) if tag.address.count is None else (3, tag.address.count))
        found = np.atleast_1d(table.values(number)[1])
        assert all(map(same, found, values)), tag
        assert np.atleast_1d(table.quality(number)[1]).tolist() == list(qualities), tag
        if not isinstance(raws[0], (bool, str)):
            assert all(map(same, np.atleast_1d(table.raw(number)[1]), raws)) or tag.address.kind.kind == "float", tag
        if tag.address.count is None and qualities[0] == Quality.GOOD:
            exact = tag.raw and isinstance(raw, int)
            found_object = np.float32(objects[number]) if tag.address.type in ("f16", "f32") else objects[number]
            assert same(found_object, raw if exact else values[0]), tag
        elif tag.address.count is None:
            assert is_nan(objects[number]), tag


def test_dtypes_are_the_plans():
    wanted = {
        "u16": ({}, "f8", "u2"), "f32": ({}, "f4", "f4"), "f16": ({}, "f4", "f2"), "f64": ({}, "f8", "f8"),
        "i64": ({}, "f8", "i8"), "f32@CDAB": ({"scale": 0.1}, "f4", "f4"), "bcd32": ({}, "f8", "u4"),
        "str6": ({}, "U6", "U6"), "u8": ({"labels": {0: "off", 1: "on"}}, "u1", "u1"),
        "u32": ({"bits": {3: "fault"}}, "u4", "u4"),
    }  # fmt: skip
    plan = ReadPlan([Tag(kind, f"hr{8 * at}:{kind}", **how[0]) for at, (kind, how) in enumerate(wanted.items())])
    table = Decoder(plan).table(2)
    for number, (kind, (_, value, raw)) in enumerate(wanted.items()):
        assert (table.values(number).dtype, table.raw(number).dtype) == (np.dtype(value), np.dtype(raw)), kind
    with pytest.raises(ValueError, match="at least one row"):
        Decoder(plan).table(0)


def decoder_of(*tags, words, **options):
    """A decoder, and its image when every holding register from 0 on is given."""
    decoder = Decoder(ReadPlan(tags), **options)
    image = decoder.image()
    for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True):
        target[:] = words[read.address : read.end]
    return decoder, image


def test_labels_bits_and_integers_as_objects():
    labels = {0: "off", 1: "on"}
    found = [Tag("mode", "hr0", labels=labels), Tag("other", "hr1", labels=labels), Tag("flags", "hr2", bits={0: "a"}),
             Tag("none", "hr3", labels=labels, missing=0xFFFF), Tag("tens", "hr4:i16", scale=0.1),
             Tag("plain", "hr5[2]"), Tag("limited", "hr5[2]", valid=(0, 6))]  # fmt: skip
    decoder, image = decoder_of(*found, words=words_of(1, 7, 5, 0xFFFF, 137, 6, 7))
    *singles, plain, limited = decoder.values(image)
    assert singles == ["on", 7, 5, None, 13.7]
    assert (plain.tolist(), plain.dtype) == ([6, 7], np.uint16)
    assert str(limited.tolist()) == "[6.0, nan]"
    failed = decoder.values(image, bytes([Quality.TIMEOUT]))
    assert failed[:4] == [None] * 4
    assert all(map(math.isnan, [failed[4], *failed[5], *failed[6]]))


def test_a_missing_float_is_met_in_its_own_precision():
    tag = Tag("t", "hr0:f32", missing=[-9999.9, math.nan])
    decoder, image = decoder_of(tag, words=encode(-9999.9, "f32"))
    assert math.isnan(decoder.values(image)[0])
    decoder, image = decoder_of(tag, words=words_of(0x7FC0, 0))
    table = decoder.table()
    decoder.run(image, table)
    assert table.quality(0).tolist() == [Quality.MISSING]


def test_missing_text():
    decoder, image = decoder_of(Tag("t", "hr0:str4", missing="N/A "), words=words_of(0x4E2F, 0x4120))
    assert decoder.values(image) == [None]


FAR = [Tag("sf", "hr0:i16", missing=0x8000), Tag("near", "hr1", scale_from="sf"), Tag("far", "hr400", scale_from="sf"),
       Tag("long", "hr500[150]", scale_from="sf")]  # fmt: skip


def test_scale_factors_and_torn_values():
    decoder, _ = decoder_of(*FAR, words=np.zeros(1000, np.uint16))
    assert [read.repeat for read in decoder.plan.reads].count(True) == 1
    image, table = decoder.image(), decoder.table(2)
    for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True):
        target[:] = 2298
        if read.address == 0:
            target[0] = 0xFFFF
    decoder.run(image, table, 0)
    assert [table.values(number)[0].max() for number in (1, 2, 3)] == [229.8] * 3
    again = next(number for number, read in enumerate(decoder.plan.reads) if read.repeat)
    decoder.targets(image)[again][0] = 0xFFFE
    decoder.run(image, table, 1)
    assert table.quality(1).tolist() == [Quality.GOOD, Quality.GOOD], "it came in one request with its factor"
    assert table.quality(2).tolist() == [Quality.GOOD, Quality.TORN]
    assert (table.quality(3)[1] == Quality.TORN).all()
    assert math.isnan(table.values(2)[1])
    assert table.raw(2).tolist() == [2298, 2298]


def test_a_scale_factor_that_does_not_come_costs_its_values():
    decoder, _ = decoder_of(*FAR, words=np.zeros(1000, np.uint16))
    image, table = decoder.image(), decoder.table()
    first = [number for number, read in enumerate(decoder.plan.reads) if read.address == 0 and not read.repeat]
    statuses = bytearray(len(decoder.plan.reads))
    statuses[first[0]] = Quality.TIMEOUT
    decoder.run(image, table, 0, bytes(statuses))
    assert [int(table.quality(number).min()) for number in range(4)] == [Quality.TIMEOUT] * 4


def test_scale_factors_from_elsewhere():
    value = Tag("value", "hr0", scale_from="elsewhere")
    decoder, image = decoder_of(value, words=words_of(2298), factors={"elsewhere": -1})
    assert decoder.values(image) == [229.8]
    with pytest.raises(MapError, match="tag 'value': scale_from: 'elsewhere' is not read, nor is its value given"):
        Decoder(ReadPlan([value]))
    with pytest.raises(MapError, match="single, unscaled integer"):
        Decoder(ReadPlan([value, Tag("elsewhere", "hr1:f32")]))


def test_holes_are_suspended():
    tags = [Tag("sf", "hr0:i16"), Tag("value", "hr1", scale_from="sf"), Tag("other", "hr2[2]")]
    decoder = Decoder(ReadPlan(tags).hole("sf").hole("other"))
    table = decoder.table()
    decoder.run(np.full(decoder.registers, 7, np.uint16), table)
    assert [int(table.quality(number).min()) for number in range(3)] == [Quality.SUSPENDED] * 3
    assert (table.raw(1)[0], math.isnan(table.values(1)[0])) == (7, True)


def test_qualities():
    assert Quality(0x82).name == "EXCEPTION_02"
    assert (Quality(0x82).exception, Quality.TORN.exception) == (2, None)
    for value in (9, 0x7F, 256, -1):
        with pytest.raises(ValueError, match=str(value)):
            Quality(value)
    found = {status.name: quality_of(status, 2) for status in Status}
    assert (found["OK"], found["EXCEPTION"], found["TIMEOUT"], found["LOST"]) == (0, 0x82, 1, 2)
    assert (found["PROTOCOL"], found["CANCELLED"], found["SUSPENDED"]) == (3, 4, 5)


def test_a_sunspec_inverter_of_the_real_models():
    device = pytest.importorskip("sunspec2.device", reason="needs the SunSpec models: pip install pysunspec2")
    folder = Path(device.__file__).parent / "models" / "json"
    inverter = load_sunspec([folder / f"model_{number}.json" for number in (1, 103, 160)], counts={"module": 3})
    theirs = device.Model(model_id=103, model_len=50, data=bytes(104))
    written = {"W_SF": 1, "W": 1234, "A_SF": -2, "A": 2231, "PhVphA": 2298, "V_SF": -1, "TmpCab": -5, "Tmp_SF": 0,
               "St": 4, "WH": 123456789, "WH_SF": -3, "Hz": 49987, "Hz_SF": -3}  # fmt: skip
    for point in theirs.points.values():
        if point.pdef["name"] not in ("ID", "L"):
            point.set_value(written.get(point.pdef["name"]))
    words = np.full(65536, 0xFFFF, np.uint16)
    words[40070 : 40070 + theirs.len] = np.frombuffer(theirs.get_mb(), ">u2")
    tags = [tag for tag in inverter if tag.name.startswith("inverter_three_phase.")]
    decoder, image = decoder_of(*tags, words=words)
    found = {tag.name.partition(".")[2]: value for tag, value in zip(tags, decoder.values(image), strict=True)}
    for name in written:
        if not name.endswith("_SF") and name != "St":
            assert found[name] == pytest.approx(theirs.points[name].cvalue, rel=1e-15), name
    assert (found["W"], found["A"], found["PhVphA"], found["St"]) == (12340, 22.31, 229.8, "MPPT")
    assert math.isnan(found["DCA"])


# --------------------------------------------------------------------------------------------------------- writing


def test_tags_to_registers():
    assert encode_tag(Tag("t", "hr40:f32@CDAB"), 21.5).values.tolist() == [0, 0x41AC]
    assert encode_tag(Tag("t", "hr4:i16", scale=0.1), 21.46).values.tolist() == [215]
    assert encode_tag(Tag("t", "hr4:i16", scale=5), -12).values.tolist() == [0x10000 - 2]
    assert encode_tag(Tag("t", "hr4:u8", scale=0.5, offset=-40), 20).values.tolist() == [120]
    assert encode_tag(Tag("t", "hr4:u16[3]", scale=0.01), [0.07, 1, np.float32(2)]).values.tolist() == [7, 100, 200]
    assert encode_tag(Tag("t", "hr4", scale_from="sf"), 229.8, exponent=-1).values.tolist() == [2298]
    assert encode_tag(Tag("t", "hr4:str4"), "AB").values.tolist() == [0x4142, 0]
    assert encode_tag(Tag("t", "hr4", labels={3: "auto"}), "auto").values.tolist() == [3]
    assert encode_tag(Tag("t", "hr4", labels={3: "auto"}), 7).values.tolist() == [7]
    coil = encode_tag(Tag("t", "co4"), True)
    assert (coil.values.dtype, coil.values.tolist(), coil.masks) == (np.bool_, [True], None)
    assert encode_tag(Tag("t", "co4[2]"), [0, 1]).values.tolist() == [False, True]


def test_parts_of_registers_come_with_their_masks():
    def both(tag, value):
        found = encode_tag(tag, value)
        return found.values.tolist(), found.masks.tolist()

    assert both(Tag("t", "hr4.3"), True) == ([8], [8])
    assert both(Tag("t", "hr4.3"), False) == ([0], [8])
    assert both(Tag("t", "hr4.14[4]"), [1, 0, 1, 1]) == ([0x4000, 3], [0xC000, 3])
    assert both(Tag("t", "hr4:i8"), -1) == ([0xFF], [0xFF])
    assert both(Tag("t", "hr4.hi"), 0x12) == ([0x1200], [0xFF00])
    assert encode_tag(Tag("t", "hr4"), 1).masks is None


@pytest.mark.parametrize(
    ("tag", "value", "error", "says"),
    [
        (Tag("p", "hr4:i16", scale=0.1), 3276.8, ValueError,
         r"tag 'p' \(hr4:i16\): 3276.8 does not fit into i16; allowed are -3276.8 to 3276.7"),
        (Tag("p", "hr4:i16", scale=0.1), math.nan, ValueError, r"tag 'p' \(hr4:i16\): nan is no finite number"),
        (Tag("p", "hr4:f32"), math.nan, ValueError, "nan is no finite number"),
        (Tag("p", "hr4:f32", scale=1e-3), 1e308, ValueError, "does not fit into f32"),
        (Tag("p", "hr4"), 1.5, ValueError, "1.5 is no whole number"),
        (Tag("p", "hr4"), "auto", TypeError, "'auto' is no number"),
        (Tag("p", "hr4", labels={3: "auto"}), "aut", ValueError, "no label 'aut'; did you mean 'auto'"),
        (Tag("p", "hr4", write_limits=(0, 50)), 51, ValueError, "51 is not within its write limits, 0 to 50"),
        (Tag("p", "hr4[2]", write_limits=(0, 50)), [1, -1], ValueError, "-1 is not within its write limits"),
        (Tag("p", "hr4:f32", write_limits=(0, 50)), math.nan, ValueError, "nan is not within its write limits"),
        (Tag("p", "hr4", scale_from="sf"), 1, ValueError, "the value of its scale factor 'sf' is needed"),
        (Tag("p", "hr4[2]"), 1, TypeError, "1 is no array, and the tag has 2 elements"),
        (Tag("p", "hr4[2]"), [1], ValueError, "1 values are given, and the tag has 2 elements"),
        (Tag("p", "hr4"), [1], TypeError, "is an array, and the tag is a single value"),
        (Tag("p", "hr4:str2"), "ABC", ValueError, "room for 2"),
        (Tag("p", "hr4:str2"), 5, TypeError, "no text"),
        (Tag("p", "co4"), 2, ValueError, "allowed are 0 to 1"),
        (Tag("hr4", "hr4"), -1, ValueError, "^tag 'hr4': -1 does not fit into u16; allowed are 0 to 65535"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(tag, value, error, says):
    with pytest.raises(error, match=says):
        encode_tag(tag, value)


def test_a_scale_factor_of_no_use():
    with pytest.raises(ValueError, match=r"the scale factor 'sf' is -32768; allowed are -22 to 22"):
        encode_tag(Tag("p", "hr4", scale_from="sf"), 1, exponent=-32768)


@given(
    st.integers(-32768, 32767),
    st.sampled_from([0.1, 0.01, 0.001, 1, 10, 0.5]),
    st.integers(-10, 10),
    st.integers(-40, 40),
)
def test_what_is_written_reads_back(raw, scale, exponent, offset):
    tag = Tag("t", "hr0:i16", scale=scale, offset=offset * scale, scale_from="sf")
    decoder, image = decoder_of(tag, words=words_of(raw & 0xFFFF), factors={"sf": exponent})
    value = decoder.values(image)[0]
    if abs(offset) < 1e9 * 10.0**exponent:  # else the offset drowns the number
        assert struct.pack(">H", encode_tag(tag, value, exponent=exponent).values[0]) == struct.pack(">h", raw)
