"""The reference decoder itself: against known frames, numpy, and its own encoder."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_values import EIGHT_LETTERS, FLOATS, WIDTHS, decode, decode_one, encode_one, quality, scaled, wire_bytes

ORDERS = {1: [""], 2: ["AB", "BA"], 4: ["ABCD", "CDAB", "BADC", "DCBA"], 8: list(EIGHT_LETTERS)}


@pytest.mark.parametrize(
    ("words", "kind", "order", "value"),
    [
        ([0x4365, 0xCCCD], "f32", "ABCD", 229.8000030517578),
        ([0xCCCD, 0x4365], "f32", "CDAB", 229.8000030517578),
        ([0x6543, 0xCDCC], "f32", "BADC", 229.8000030517578),
        ([0xCDCC, 0x6543], "f32", "DCBA", 229.8000030517578),
        ([0x0123, 0x4567, 0x89AB, 0xCDEF], "u64", "ABCD", 0x0123456789ABCDEF),
        ([0xCDEF, 0x89AB, 0x4567, 0x0123], "u64", "CDAB", 0x0123456789ABCDEF),
        ([0x2301, 0x6745, 0xAB89, 0xEFCD], "u64", "BADC", 0x0123456789ABCDEF),
        ([0xEFCD, 0xAB89, 0x6745, 0x2301], "u64", "DCBA", 0x0123456789ABCDEF),
        ([0x4567, 0x0123, 0xCDEF, 0x89AB], "u64", "CDABGHEF", 0x0123456789ABCDEF),
        ([0x8000], "i16", "AB", -32768),
        ([0x0080], "i16", "BA", -32768),
        ([0x1234], "bcd16", "AB", 1234),
        ([0x5678, 0x1234], "bcd32", "CDAB", 12345678),
        ([0x12A4], "bcd16", "AB", None),
        ([0x3C00], "f16", "AB", 1.0),
        ([0x12FF], "i8", "", -1),
        ([0x4142, 0x4300], "str4", "AB", "ABC"),
        ([0x4241, 0x2043], "str4", "BA", "ABC"),
        ([0x4142, 0x4344], "str3", "AB", "ABC"),
    ],
)
def test_known_values(words, kind, order, value):
    assert decode_one(words, kind, order) == value


def test_bytes_bits_and_arrays():
    assert decode_one([0xFE01], "i8", high=True) == -2
    assert decode_one([0x0008], "bool", bit=3) is True
    assert decode([0x8000, 0x0001], "bool", bit=14, count=4) == [False, True, True, False]
    assert decode([1, 2, 3], "u16", count=3) == [1, 2, 3]
    assert decode([0, 1, 2, 3], "u32", "CDAB", count=2) == [0x10000, 0x30002]


@given(st.sampled_from(sorted(WIDTHS)), st.binary(min_size=8, max_size=8), st.data())
def test_encoding_is_the_inverse(kind, noise, data):
    order = data.draw(st.sampled_from(ORDERS[WIDTHS[kind]]))
    raw = noise[: WIDTHS[kind]]
    if kind in FLOATS:
        value = float(np.frombuffer(raw, FLOATS[kind])[0])
        back = decode_one(encode_one(value, kind, order), kind, order)
        assert back == value or (math.isnan(back) and math.isnan(value))
    else:
        value = int.from_bytes(raw, "big", signed=kind[0] == "i")
        if kind.startswith("bcd"):
            value %= 10 ** (2 * len(raw))
        assert decode_one(encode_one(value, kind, order), kind, order) == value


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_the_plain_order_is_numpys_big_endian(words):
    for kind, dtype in (("u16", ">u2"), ("i32", ">i4"), ("u64", ">u8"), ("i64", ">i8")):
        assert decode(words, kind, count=8 // WIDTHS[kind]) == np.frombuffer(wire_bytes(words), dtype).tolist()


def test_scaling_divides_by_powers_of_ten():
    assert 137 * 0.1 != 13.7
    assert scaled(137, scale=0.1) == 13.7
    assert scaled(2298, exponent=-1) == 229.8
    assert scaled(5, scale=0.5, offset=-1) == 1.5
    assert scaled(3, exponent=2) == 300


def test_quality():
    assert quality(0xFFFF, 0xFFFF, missing=[0xFFFF]) == "MISSING"
    assert quality(math.nan, math.nan, missing=[math.nan]) == "MISSING"
    assert quality(400, 400, valid=(0, 300)) == "RANGE"
    assert quality(300, 300, valid=(0, 300)) == "GOOD"
