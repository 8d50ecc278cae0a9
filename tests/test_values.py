"""``decode`` and ``encode`` of registers: against the reference, numpy, and what makers publish."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus._core.codec import decode_rtu
from fastmodbus.address import Address
from fastmodbus.values import decode, encode
from reference_values import WIDTHS
from reference_values import decode as reference

ORDERS = {
    1: [""],
    2: ["AB", "BA"],
    4: ["ABCD", "CDAB", "BADC", "DCBA"],
    8: ["ABCD", "CDAB", "BADC", "DCBA", "CDABGHEF"],
}
KINDS = [(kind, order) for kind, width in WIDTHS.items() for order in ORDERS[width]]


def words_of(*values):
    return np.array(values, np.uint16)


# ------------------------------------------------------------------------------------------------ decode and encode

# What makers print in their manuals: the registers of a value, and the value.
PUBLISHED = [
    ("Eastron SDM320Y", [0x4366, 0x3334], "f32", 230.2),
    ("Eastron SDM320Y", [0x42C8, 0x0000], "f32", 100.0),
    ("Bender COM461MT", [0x4145, 0x70A4], "f32", 12.34),
    ("Phoenix Contact EMpro", [0x5678, 0x1234], "u32@CDAB", 305419896),
    ("Phoenix Contact EMpro", [0xE979, 0x42F6], "f32@CDAB", 123.456),
    ("Phoenix Contact EMpro", [0x1234], "u16", 4660),
    ("Phoenix Contact EMpro", [0x0001], "u8", 1),
    ("JUMO 701061", [0x8000, 0x4409], "f32@CDAB", 550.0),
]


@pytest.mark.parametrize(("words", "kind", "value"), [one[1:] for one in PUBLISHED], ids=[one[0] for one in PUBLISHED])
def test_values_that_makers_publish(words, kind, value):
    assert decode(words, kind) == pytest.approx(value, rel=1e-6)
    assert decode(encode(value, kind), kind) == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize(
    ("frame", "kind", "value"),
    [("01 04 04 43 66 33 34 1B 38", "f32", 230.2), ("01 03 04 42 C8 00 00 6F B5", "f32", 100),
     ("14 03 04 80 00 44 09 64 34", "f32@CDAB", 550)],
)  # fmt: skip
def test_answers_that_makers_publish(frame, kind, value):
    _, pdu = decode_rtu(bytes.fromhex(frame))
    words = np.frombuffer(pdu[2:], ">u2").astype(np.uint16)
    assert decode(words, kind) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(("kind", "order"), KINDS)
@given(data=st.data())
def test_decode_is_the_reference_and_encode_its_inverse(kind, order, data):
    count, width = data.draw(st.integers(1, 70)), max(1, WIDTHS[kind] // 2)
    words = np.frombuffer(data.draw(st.binary(min_size=2 * count * width, max_size=2 * count * width)), np.uint16)
    if kind.startswith("bcd"):
        words = words & 0x7777
    name = f"{kind}@{order}" if order else kind
    expected = reference(words.tolist(), kind, order, count=count)
    found = decode(words, f"{name}[]")
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))
    np.testing.assert_array_equal(decode(words, f"{name}[{count}]"), found)
    one = decode(words[:width], name)
    assert one == expected[0] or math.isnan(one)
    assert type(one) is (float if kind[0] == "f" else int)
    back = encode(found, name)
    if kind in ("f16", "f32", "f64"):
        np.testing.assert_array_equal(decode(back, f"{name}[]"), found)
    else:
        assert back.tolist() == (words if WIDTHS[kind] > 1 else words & 0xFF).tolist()


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("kind", ["u4", "i4", "f4", "u8", "i8", "f8"])
def test_orders_are_those_of_numpys_views(kind, order):
    size = int(kind[1])
    wire = np.random.default_rng(1).integers(0, 256, 60 * size, np.uint8)
    words = wire.view(">u2").astype(np.uint16)
    registers = wire.reshape(-1, size // 2, 2)
    if order in ("CDAB", "DCBA"):
        registers = registers[:, ::-1]
    if order in ("BADC", "DCBA"):
        registers = registers[:, :, ::-1]
    expected = np.ascontiguousarray(registers).reshape(-1).view(f">{kind}")
    found = decode(words, f"{kind[0]}{8 * size}@{order}[]")
    np.testing.assert_array_equal(found, expected.astype(f"={kind}"))
    assert found.dtype.isnative


def test_dtypes_and_shapes():
    words = np.zeros(8, np.uint16)
    dtypes = {"f16[8]": "f4", "f32[4]": "f4", "f64[2]": "f8", "bcd16[8]": "u2", "bcd32[4]": "u4", "i8.hi[8]": "i1",
              "u64[]": "u8", "bool[128]": "?", "str6[]": "U6", "str16[1]": "U16"}  # fmt: skip
    for kind, dtype in dtypes.items():
        if kind != "str6[]":
            assert decode(words, kind).dtype == np.dtype(dtype), kind
    assert decode(words[:6], "str6[]").tolist() == ["", ""]
    assert decode([0xFF01], "i8.hi") == -1
    assert decode([4], "hr7.2") is True
    assert decode([0x4142], Address("hr3:str2")) == "AB"
    assert decode(words_of(1, 2, 3, 4)[::2], "u16[]").tolist() == [1, 3]
    assert decode([5], "bool[]").tolist() == [True, False, True] + 13 * [False]
    assert decode(np.array([1, 2], ">u2"), "u32") == 0x10002


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        (words_of(1, 2, 3, 4), "f32", r"words has 4 registers, and one f32 takes 2; write f32\[2\] or f32\[\] for an"),
        (words_of(1), "f32", "words has 1 registers; f32 takes 2"),
        (words_of(1, 2, 3), "f32[]", r"words has 3 registers; f32\[\] takes a multiple of 2"),
        (words_of(1, 2, 3), "f32[2]", r"words has 3 registers; f32\[2\] takes 4"),
        (words_of(1), "f33", "unknown type 'f33'"),
        (words_of(1), "u16@ABCD", "unknown order 'ABCD' for u16"),
        (words_of(1), "bool", "a register is no bool"),
        (words_of(1), "u16.hi", "for i8 and u8 only"),
        (words_of(1), "u16[0]", "no array"),
        (words_of(1), "u 16", "cannot read the type 'u 16'"),
        (words_of(1), "co3", "a bit of its own"),
        (words_of(0x12, 0x12A4), "bcd16[]", r"words\[1\] has the digits 12A4; bcd16 has decimal ones only"),
        ([70000], "u16", r"words\[0\] is 70000"),
        ([], "u16[]", "words"),
        (np.zeros((2, 2), np.uint16), "u16[]", "one dimension"),
    ],
)
def test_what_decode_refuses(words, kind, says):
    with pytest.raises(ValueError, match=says):
        decode(words, kind)


def test_arguments_of_the_wrong_kind():
    for call in (
        lambda: decode(7, "u16"),
        lambda: decode([1], 16),
        lambda: encode("7", "u16"),
        lambda: encode(True, "u16"),
        lambda: encode(np.array([True]), "u16"),
        lambda: encode(None, "f32"),
        lambda: encode(7, "str4"),
        lambda: encode([1j], "f64"),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        (65536, "u16", "65536 does not fit into u16; allowed are 0 to 65535"),
        ([1, -32769], "i16", "-32769 does not fit into i16; allowed are -32768 to 32767"),
        (2**64, "u64", "does not fit into u64"),
        (np.array([70000]), "u16", "70000 does not fit"),
        (21.5, "i16", "21.5 is no whole number, and i16 without a scale has no others"),
        (math.nan, "i32", "nan is no finite number"),
        (math.inf, "u32", "inf is no finite number"),
        (4e38, "f32", "does not fit into f32; allowed are -3.4"),
        (65520, "f16", "does not fit into f16; allowed are -65504.0 to 65504.0"),
        (10000, "bcd16", "10000 does not fit into bcd16; allowed are 0 to 9999"),
        (-1, "bcd32", "-1 does not fit"),
        ("ABCDE", "str4", "'ABCDE' has 5 characters; there is room for 4"),
        ("Ä", "str4", "not ASCII"),
        ("A\0B", "str4", "NUL"),
        ([1, 2], "u16[3]", r"values has 2 elements; u16\[3\] takes 3"),
        ([], "u16", "values is empty"),
        (np.zeros((2, 2)), "f32", "one dimension"),
        ([2], "bool[1]", "allowed are 0 to 1"),
    ],
)
def test_what_encode_refuses(value, kind, says):
    with pytest.raises(ValueError, match=says):
        encode(value, kind)


def test_encode_takes_what_means_the_same():
    assert encode([1, 2.0, np.int8(3), np.float32(4)], "u16").tolist() == [1, 2, 3, 4]
    assert encode([2**63, 1], "u64").tolist() == [0x8000, 0, 0, 0, 0, 0, 0, 1]
    assert encode([-(2**63), 2**63 - 1], "i64[2]").tolist() == [0x8000, 0, 0, 0, 0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF]
    assert encode(range(3), "u16").tolist() == [0, 1, 2]
    assert encode(np.float32(1.5), "f32@CDAB").tolist() == [0, 0x3FC0]
    assert encode([math.inf, -math.inf], "f16").tolist() == [0x7C00, 0xFC00]
    assert encode("AB", "str5").tolist() == [0x4142, 0, 0]
    assert encode(["A", "B"], "str2@BA").tolist() == [0x0041, 0x0042]
    assert encode([True, False, True], "bool[]").tolist() == [5]
    assert encode([True, True], "hr0.15[2]").tolist() == [0x8000, 1]
    assert encode([0x12, 0xFF], "u8.hi").tolist() == [0x1200, 0xFF00]
