"""The core's encoding of numbers: every kind and order against the reference, and what does not fit."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus._core.program import ENCODINGS, SOURCES, Program
from fastmodbus.address import value_type
from fastmodbus.values.compiling import meaning_of_type
from reference_values import EIGHT_LETTERS, WIDTHS, decode_one, encode_one, registers_of

ORDERS = {1: [""], 2: ["AB", "BA"], 4: ["ABCD", "CDAB", "BADC", "DCBA"], 8: list(EIGHT_LETTERS)}
NUMBERS = [(kind, order, high) for kind, width in WIDTHS.items() for order in ORDERS[width]
           for high in ((False, True) if width == 1 else (False,))]  # fmt: skip


def meaning(kind, order="", form="float64", *, high=False, elements=None, bit=0, **settings):
    """A value's tuple."""
    plain = meaning_of_type(value_type(kind), order, form, high=high, elements=elements, bit=bit)
    return plain._replace(**settings)


def encode(kind, order, numbers, source, *, high=False, exponent=None, any_float=True, **settings):
    program = Program(0, 0, [meaning(kind, order, "float64", high=high, **settings)], [])
    out = np.zeros(len(numbers) * registers_of(kind), np.uint16)
    found = program.encode(0, numbers.view(np.uint64), SOURCES[source], exponent, any_float, out)
    return found, out.tolist()


@pytest.mark.parametrize(("kind", "order", "high"), [one for one in NUMBERS if one[0][0] in "iu"])
@given(st.integers(-(2**65), 2**65) | st.integers(-300, 300) | st.integers(-70000, 70000))
def test_whole_numbers_are_encoded_or_refused(kind, order, high, number):
    try:
        expected = encode_one(number, kind, order, high=high)
    except OverflowError:
        expected = None
    sources = [("signed", np.int64), ("unsigned", np.uint64), ("float", np.float64)]
    for source, dtype in sources:
        if dtype is not np.float64 and not np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
            continue
        if dtype is np.float64 and int(float(number)) != number:
            continue
        (status, at), words = encode(kind, order, np.array([0, number], dtype), source, high=high)
        if expected is None:
            assert (status, at) == (ENCODINGS["out of range"], 1)
        else:
            assert (status, at, words[registers_of(kind) :]) == (0, 2, expected)


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("kind", ["bcd16", "bcd32"])
@given(st.integers(-1, 10**8))
def test_decimal_digits_are_encoded_or_refused(kind, order, number):
    order = order if kind == "bcd32" else "BA" if order[0] == "B" else "AB"
    (status, _), words = encode(kind, order, np.array([number]), "signed")
    if 0 <= number < 10 ** (2 * WIDTHS[kind]):
        assert words == encode_one(number, kind, order)
    else:
        assert status == ENCODINGS["out of range"]


@pytest.mark.parametrize(("kind", "order", "high"), [one for one in NUMBERS if one[0][0] == "f"])
@given(st.floats() | st.floats(-70000, 70000) | st.floats(-1e-4, 1e-4))
def test_floats_are_encoded_as_struct_does(kind, order, high, number):
    try:
        expected = encode_one(number, kind, order)
    except OverflowError:
        expected = None
    (status, _), words = encode(kind, order, np.array([number]), "float", high=high)
    if expected is None:
        assert status == ENCODINGS["out of range"]
    elif math.isnan(number):
        assert math.isnan(decode_one(words, kind, order))
    else:
        assert words == expected
    refused, _ = encode(kind, order, np.array([number]), "float", any_float=False)
    assert refused[0] == (ENCODINGS["not finite"] if not math.isfinite(number) else status)


def test_every_half_float_comes_back():
    halves = np.arange(65536, dtype=np.uint16)
    numbers = halves.view(np.float16)
    found, words = encode("f16", "AB", numbers.astype(np.float64), "float")
    assert found == (0, 65536)
    np.testing.assert_array_equal(np.array(words, np.uint16).view(np.float16), numbers)
    between = np.nextafter((numbers[:31743].astype(float) + numbers[1:31744].astype(float)) / 2, np.inf)
    assert encode("f16", "AB", between, "float")[1] == list(range(1, 31744)), "just above the middle: the upper one"


@pytest.mark.parametrize("number", [2.0**63, -(2.0**63), 2.0**64, 1e300, -1e300, 0.5, -0.5])
def test_doubles_at_the_edges_of_integers(number):
    for kind in ("i64", "u64", "i32", "u8", "bcd32"):
        (status, _), words = encode(kind, "" if kind == "u8" else "ABCD", np.array([number]), "float")
        if number % 1:
            assert status == ENCODINGS["no step"]
        elif (kind == "u64" and number == 2.0**63) or (kind == "i64" and number == -(2.0**63)):
            assert words == [0x8000, 0, 0, 0]
        else:
            assert status == ENCODINGS["out of range"]


@given(
    st.integers(-32768, 32767), st.sampled_from([1.0, 10.0, 100.0, 1000.0]), st.integers(-10, 10), st.integers(-50, 50)
)
def test_scaling_there_and_back(raw, divide, exponent, offset):
    power = 10.0**exponent if exponent >= 0 else 1.0
    value = raw / divide * power / (10.0**-exponent if exponent < 0 else 1.0) + offset
    (status, _), words = encode(
        "i16", "AB", np.array([value]), "float", exponent=exponent, divide=divide, offset=float(offset)
    )
    back = struct.unpack(">h", words[0].to_bytes(2, "big"))[0]
    smallest_step = 10.0**exponent / divide
    if abs(offset) < 1e9 * smallest_step:  # else the offset drowns the number
        assert (status, back) == (0, raw)
