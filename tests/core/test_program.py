"""The core's decode program, taken by itself: every kind and order against the reference, columns, what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus._core.program import FORMS, KINDS, SWAPS, UNREAD, Columns, Program
from fastmodbus.address import value_type
from fastmodbus.values.compiling import meaning_of_type, value_dtype
from reference_values import EIGHT_LETTERS, WIDTHS, decode_one, registers_of

ORDERS = {1: [""], 2: ["AB", "BA"], 4: ["ABCD", "CDAB", "BADC", "DCBA"], 8: list(EIGHT_LETTERS)}
NUMBERS = [(kind, order, high) for kind, width in WIDTHS.items() for order in ORDERS[width]
           for high in ((False, True) if width == 1 else (False,))]  # fmt: skip
RAW, FLOAT32 = FORMS["raw"], FORMS["float32"]
WORD = st.integers(0, 0xFFFF)


def meaning(kind, order="", form="float64", *, high=False, elements=None, bit=0, **settings):
    """A value's tuple."""
    plain = meaning_of_type(value_type(kind), order, form, high=high, elements=elements, bit=bit)
    return plain._replace(**settings)


class Rows:
    """A program with columns, and views of them."""

    def __init__(self, program, rows, dtypes):
        self.program, self.dtypes, self.rows = program, dtypes, rows
        self.block = np.full(program.block_size(rows), 0xA5, np.uint8)
        self.columns = Columns(program, self.block, rows)

    def run(self, words, row=0, statuses=b""):
        self.program.run(np.array(words, np.uint16), statuses, self.columns, row)

    def view(self, index, which):
        dtype, raw, count = self.dtypes[index]
        kind = (np.dtype(dtype), np.dtype(raw), np.dtype(np.uint8))[which]
        return np.ndarray((self.rows, count), kind, self.block, self.columns.offsets(index)[which])

    def values(self, index=0):
        return self.view(index, 0)

    def raw(self, index=0):
        return self.view(index, 1)

    def quality(self, index=0):
        return self.view(index, 2)


RAW_DTYPES = {
    "bcd16": "u2", "bcd32": "u4",
    **{f"{letter}{bits}": f"{letter}{bits // 8}" for letter in "iu" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"f{bits // 8}" for bits in (16, 32, 64)},
}  # fmt: skip


def one_array(kind, order, count, *, high=False, form="float64", **settings):
    """A program of one array at the beginning of its image."""
    value = meaning(kind, order, form, high=high, elements=count, **settings)
    program = Program(count * registers_of(kind), 1, [value], [(0, 0, 0, count)], members=[(0, 0, 0, count)])
    dtype = RAW_DTYPES[kind] if form == "raw" else form
    return Rows(program, 2, [(dtype, RAW_DTYPES[kind], count)])


def scattered(kind, order, count, *, high=False, form="float64", **settings):
    """The same as values of their own, which lie one register further apart."""
    step = registers_of(kind) + 1
    value = meaning(kind, order, form, high=high, **settings)
    places = [(number, number * step, 0, 1) for number in range(count)]
    program = Program(count * step, 1, [value] * count, places[::-1], members=[(0, n, 0, 1) for n in range(count)])
    dtype = RAW_DTYPES[kind] if form == "raw" else form
    return Rows(program, 2, [(dtype, RAW_DTYPES[kind], 1)] * count)


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize(("kind", "order", "high"), NUMBERS)
@given(st.data())
def test_numbers_are_the_references(kind, order, high, data):
    count, width = data.draw(st.sampled_from([1, 2, 63, 64, 65, 130])), registers_of(kind)
    words = np.frombuffer(data.draw(st.binary(min_size=2 * count * width, max_size=2 * count * width)), np.uint16)
    if kind.startswith("bcd"):
        words = words & 0x9999
    pieces = [words[at : at + width].tolist() for at in range(0, count * width, width)]
    expected = [decode_one(piece, kind, order, high=high) for piece in pieces]
    together, apart = one_array(kind, order, count, high=high), scattered(kind, order, count, high=high)
    together.run(words, 1)
    apart.run(np.column_stack([words.reshape(count, width), np.full(count, 0xFFFF, np.uint16)]).ravel(), 1)
    values = [apart.values(number)[1, 0] for number in range(count)]
    assert all(map(same, map(float, expected), together.values()[1].tolist()))
    assert all(map(same, map(float, expected), values))
    assert all(map(same, expected, together.raw()[1].tolist()))
    assert all(map(same, expected, [apart.raw(number)[1, 0].item() for number in range(count)]))
    assert not together.quality()[1].any()
    assert (together.quality()[0] == 0xA5).all(), "the other row is left alone"


@pytest.mark.parametrize(("kind", "order", "high"), NUMBERS)
def test_columns_of_the_devices_own_numbers(kind, order, high):
    words = np.random.default_rng(len(kind)).integers(0, 10, 4 * 70).astype(np.uint16)
    count = len(words) // registers_of(kind)
    for form in ("raw", "float32"):
        rows = one_array(kind, order, count, high=high, form=form)
        plain = one_array(kind, order, count, high=high)
        rows.run(words)
        plain.run(words)
        np.testing.assert_array_equal(rows.values()[0], plain.values()[0].astype(rows.values().dtype))
        np.testing.assert_array_equal(rows.raw()[0], plain.raw()[0])


def test_every_half_float_is_numpys():
    words = np.arange(65536, dtype=np.uint16)
    rows = one_array("f16", "AB", 65536, form="float32")
    rows.run(words)
    np.testing.assert_array_equal(rows.values()[0], words.view(np.float16).astype(np.float32))


@pytest.mark.parametrize("kind", ["bcd16", "bcd32"])
@given(st.lists(WORD, min_size=2, max_size=2))
def test_digits_that_are_none(kind, words):
    words = words[: registers_of(kind)]
    expected = decode_one(words, kind)
    for rows, image in ((one_array(kind, "", 1), words), (scattered(kind, "", 1), [*words, 0])):
        rows.run(image)
        assert same(rows.values()[0, 0], math.nan if expected is None else expected)
        assert rows.quality()[0, 0] == (7 if expected is None else 0)


def test_values_of_a_kind_are_one_operation():
    kinds = ["f32", "i16", "f32", "u16", "i16", "f32"]
    values = [meaning(kind, "CDAB" if kind == "f32" else "AB") for kind in kinds]
    program = Program(20, 1, values, [(number, 3 * number, 0, 1) for number in range(6)])
    assert sorted(program.operations) == [1, 2, 3]
    scaled = [meaning("i16", "AB", divide=10.0 ** (number % 4)) for number in range(1, 50)]
    program = Program(60, 1, scaled, [(number, number, 0, 1) for number in range(49)])
    assert sorted(program.operations) == [12, 37], "different factors make no difference, having none does"


@given(st.lists(WORD, min_size=4, max_size=4), st.integers(0, 15), st.integers(1, 40))
def test_bits_of_registers(words, bit, count):
    program = Program(4, 0, [meaning("bool", "", "raw", bit=bit, elements=count)], [(0, 0, 0, count)])
    rows = Rows(program, 1, [("bool", "bool", count)])
    rows.run(words)
    expected = [bool(words[(bit + n) // 16] >> (bit + n) % 16 & 1) for n in range(count)]
    assert rows.values()[0].tolist() == expected
    cut = count // 2 + 1
    if cut < count:  # in two reads, the second of which begins with the register of its first bit
        later = (bit + cut) // 16
        parts = Program(4, 0, [meaning("bool", "", "raw", bit=bit, elements=count)],
                        [(0, 0, 0, cut), (0, later, cut, count - cut)])  # fmt: skip
        split = Rows(parts, 1, [("bool", "bool", count)])
        split.run(words)
        assert split.values()[0].tolist() == expected


def test_coils_have_a_byte_each():
    coils = meaning("bool", "", "raw", elements=3)._replace(kind=KINDS.index("coil"))
    program = Program(3, 1, [coils, coils._replace(elements=1, single=True)], [(0, 1, 0, 3), (1, 5, 0, 1)])
    rows = Rows(program, 1, [("bool", "bool", 3), ("bool", "bool", 1)])
    rows.run(np.array([1, 1, 0, 1, 0, 1], np.uint8).view(np.uint16))
    assert rows.values(0)[0].tolist() == [True, False, True]
    assert rows.values(1)[0, 0]


@given(st.binary(min_size=16, max_size=16), st.integers(1, 5), st.sampled_from(["AB", "BA"]))
def test_strings(data, size, order):
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, 16, 2)]
    count = 8 // ((size + 1) // 2)
    program = Program(8, 0, [meaning(f"str{size}", order, "raw", elements=count)], [(0, 0, 0, count)])
    rows = Rows(program, 1, [(f"S{size}", "S1", count)])
    rows.run(words)
    step = registers_of(f"str{size}")
    expected = [decode_one(words[n * step : (n + 1) * step], f"str{size}", order) for n in range(count)]
    assert [one.decode("utf-8", "replace") for one in rows.values()[0].tolist()] == expected


def test_strings_that_mean_nothing():
    value = meaning("str4", "AB", "raw", missing=(b"", b"NA"))
    program = Program(6, 0, [value] * 3, [(number, 2 * number, 0, 1) for number in range(3)])
    rows = Rows(program, 1, [("S4", "S1", 1)] * 3)
    rows.run([0x4E41, 0x2020, 0x2000, 0, 0x4E42, 0])
    assert [int(rows.quality(number)[0, 0]) for number in range(3)] == [6, 6, 0]


def with_factor(exponent, *, statuses=b"", known=None, again=None):
    """A u16 in read 0, its scale factor in read 1, once more in read 2."""
    values = [meaning("u16", "AB", factor=0), meaning("i16", "AB", missing=(-32768,))]
    factor = (1, 1, 1, known)
    program = Program(3, 3, values, [(0, 0, 0, 1), (1, 1, 0, 1)], factors=[factor],
                      members=[(0, 0, 0, 1), (1, 1, 0, 1)], twins=[(1, 2, 2, 1, [(0, 0, 1)])])  # fmt: skip
    rows = Rows(program, 1, [("f8", "u2", 1), ("f8", "i2", 1)])
    rows.run([2298, exponent & 0xFFFF, (exponent if again is None else again) & 0xFFFF], 0, statuses)
    return rows.values()[0, 0], int(rows.raw()[0, 0]), int(rows.quality()[0, 0])


def test_scale_factors_that_are_read():
    assert with_factor(-1) == (229.8, 2298, 0)
    assert with_factor(2) == (229800, 2298, 0)
    assert with_factor(0) == (2298, 2298, 0)
    for exponent, quality in ((-32768, 6), (23, 7), (-23, 7), (32767, 7)):
        value, raw, found = with_factor(exponent)
        assert (math.isnan(value), raw, found) == (True, 2298, quality)
    assert with_factor(5, known=-2) == (22.98, 2298, 0)


def test_values_whose_scale_factor_changed_are_torn():
    value, raw, quality = with_factor(-1, again=-2)
    assert (math.isnan(value), raw, quality) == (True, 2298, 8)
    for statuses, expected in ((bytes([0, 0, 1]), 8), (bytes([0, 0x82, 0]), 0x82), (bytes([1, 0x82, 0]), 1)):
        value, _, quality = with_factor(-1, statuses=statuses)
        assert (math.isnan(value), quality) == (True, expected)


def test_a_factor_that_nobody_reads():
    values = [meaning("u16", "AB", factor=0), meaning("i16", "AB")]
    program = Program(1, 1, values, [(0, 0, 0, 1)], factors=[(1, 0, UNREAD, None)],
                      members=[(0, 0, 0, 1), (UNREAD, 1, 0, 1)])  # fmt: skip
    rows = Rows(program, 1, [("f8", "u2", 1), ("f8", "i2", 1)])
    rows.run([7])
    assert [int(rows.quality(number)[0, 0]) for number in (0, 1)] == [5, 5]
    assert math.isnan(rows.values(0)[0, 0])
    assert math.isnan(rows.values(1)[0, 0])
    assert (rows.raw(0)[0, 0], rows.raw(1)[0, 0]) == (7, 0)


def test_a_read_that_failed_costs_its_own_values():
    kinds = [
        ("u16", "AB", "raw"),
        ("f32", "ABCD", "float32"),
        ("i16", "AB", "float64"),
        ("bool", "", "raw"),
        ("str2", "AB", "raw"),
    ]
    values = [meaning(kind, order, form, elements=2) for kind, order, form in kinds]
    items, members, at = [], [], 0
    for number, (kind, _, _) in enumerate(kinds):
        for element in (0, 1):
            items.append((number, at, element, 1))
            members.append((element, number, element, 1))
            at += 0 if kind == "bool" else registers_of(kind)
    program = Program(at + 1, 2, values, items, members=members)
    dtypes = [("u2", "u2", 2), ("f4", "f4", 2), ("f8", "i2", 2), ("bool", "bool", 2), ("S2", "S1", 2)]
    rows = Rows(program, 1, dtypes)
    words = [0xFFFF] * (at + 1)
    words[2:6] = [0x3F80, 0, 0x3F80, 0]
    words[-2:] = [0x4142, 0x4142]
    rows.run(words, 0, bytes([0, 0x84]))
    assert [rows.quality(number)[0].tolist() for number in range(5)] == [[0, 0x84]] * 5
    assert rows.values(0)[0].tolist() == [0xFFFF, 0]
    assert str(rows.values(1)[0].tolist()) == "[1.0, nan]"
    assert str(rows.values(2)[0].tolist()) == "[-1.0, nan]"
    assert rows.raw(2)[0].tolist() == [-1, 0]
    assert rows.values(3)[0].tolist() == [True, False]
    assert rows.values(4)[0, 1] == b""


def test_objects_of_single_values():
    values = [meaning("i16", "AB"), meaning("u64", "ABCD"), meaning("i16", "AB", divide=10.0),
              meaning("str2", "AB", "raw"), meaning("bool", "", "raw", bit=1), meaning("u16", "AB", elements=1),
              meaning("i8", "", "raw"),
              meaning("f32", "ABCD", "float32"), meaning("bcd32", "ABCD")]  # fmt: skip
    places = [0, 1, 5, 6, 7, 8, 9, 10, 12]
    items = [(number, at, 0, 1) for number, at in enumerate(places)]
    program = Program(14, 1, values, items, members=[(0, number, 0, 1) for number in range(9)])
    rows = Rows(program, 1, [("u1", "u1", 1)] * 9)
    rows.run([0xFFFF] * 5 + [137, 0xC3A4, 2, 5, 0x80, 0x3FC0, 0, 0x1234, 0x5678])
    assert rows.columns.objects(0) == [-1, 2**64 - 1, 13.7, "ä", True, None, -128, 1.5, 12345678]
    rows.run([0] * 14, 0, b"\x01")
    assert str(rows.columns.objects(0)) == "[nan, nan, nan, None, None, None, None, nan, nan]"


BAD = {
    "kind": {"kind": len(KINDS)},
    "form": {"form": 3},
    "swaps": {"swaps": 8},
    "bit": {"bit": 16},
    "elements": {"elements": 0},
    "a single value of several": {"elements": 2, "single": True},
    "a bool that is a float": {"kind": KINDS.index("bit")},
    "an empty string": {"kind": KINDS.index("str"), "form": RAW},
    "a factor that is not there": {"factor": 1},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_values_that_are_none(changes):
    with pytest.raises(ValueError, match=r"no|beyond|empty"):
        Program(8, 1, [meaning("u32", "ABCD", elements=1)._replace(**changes)], [])


@pytest.mark.parametrize(
    ("item", "kind"),
    [((0, 7, 0, 1), "u32"), ((0, 0, 0, 5), "u32"), ((0, 0, 3, 2), "u32"), ((1, 0, 0, 1), "u32"), ((0, 0, 0, 0), "u32"),
     ((0, 0xFFFFFFFF, 0, 1), "u32"), ((0, 5, 0, 4), "u64"), ((0, 8, 0, 1), "u8")],
)  # fmt: skip
def test_items_outside_of_the_image_or_the_value(item, kind):
    with pytest.raises(ValueError, match=r"beyond the image|no such"):
        Program(8, 1, [meaning(kind, "" if kind == "u8" else "ABCD", elements=4)], [item])


def test_other_things_that_a_program_refuses():
    value = meaning("u16", "AB")
    bits = meaning("bool", "", "raw", bit=15, elements=2)
    coils = meaning("bool", "", "raw", elements=3)._replace(kind=KINDS.index("coil"))
    scaled = meaning("i16", "AB", divide=10.0)
    for build in (
        lambda: Program(1, 0, [bits], [(0, 0, 0, 2)]),
        lambda: Program(1, 0, [coils], [(0, 0, 0, 3)]),
        lambda: Program(1, 1, [value], [], members=[(1, 0, 0, 1)]),
        lambda: Program(1, 1, [value], [], members=[(0, 1, 0, 1)]),
        lambda: Program(1, 1, [value], [], members=[(0, 0, 1, 1)]),
        lambda: Program(1, 1, [value], [], factors=[(0, 0, 1, None)]),
        lambda: Program(1, 1, [value], [], factors=[(0, 1, 0, None)]),
        lambda: Program(1, 1, [scaled], [], factors=[(0, 0, 0, None)]),
        lambda: Program(1, 1, [value], [], twins=[(0, 1, 0, 1, [])]),
        lambda: Program(1, 1, [value], [], twins=[(0, 0, 1, 1, [])]),
        lambda: Program(1, 1, [value], [], twins=[(0, 0, 0, 1, [(1, 0, 1)])]),
    ):
        with pytest.raises(ValueError, match=r"no|beyond|empty"):
            build()


def test_images_statuses_rows_and_blocks_are_checked():
    program = Program(2, 1, [meaning("u16", "AB")], [(0, 0, 0, 1)])
    rows = Rows(program, 2, [("f8", "u2", 1)])
    for words, row, statuses in (([1], 0, b""), ([1, 2], 2, b""), ([1, 2], -1, b""), ([1, 2], 0, b"12")):
        with pytest.raises(ValueError, match=r"registers|rows|reads"):
            rows.run(words, row, statuses)
    with pytest.raises(ValueError, match="another program"):
        Program(2, 1, [meaning("u16", "AB")], []).run(np.zeros(2, np.uint16), b"", rows.columns, 0)
    with pytest.raises(ValueError, match="too small"):
        Columns(program, np.zeros(3, np.uint8), 2)
    with pytest.raises(ValueError, match="rows"):
        program.block_size(0)
    with pytest.raises(ValueError, match="another size"):
        program.run_single(np.zeros(2, np.uint16), np.zeros(2))
    with pytest.raises(ValueError, match="another size"):
        program.run_single(np.zeros(1, np.uint16), np.zeros(1))
    with pytest.raises(ValueError, match="another size"):
        program.encode(0, np.zeros(2, np.uint64), 0, None, False, np.zeros(1, np.uint16))
    with pytest.raises(ValueError, match="no number"):
        program.encode(0, np.zeros(1, np.uint64), 0, 23, False, np.zeros(1, np.uint16))
    with pytest.raises(ValueError, match="no such value"):
        program.encode(1, np.zeros(1, np.uint64), 0, None, False, np.zeros(1, np.uint16))
    with pytest.raises(ValueError, match="too long"):
        program.encode_text(0, b"a", np.zeros(1, np.uint16))


def test_a_block_stays_while_its_columns_live():
    program = Program(1, 0, [meaning("u16", "AB")], [(0, 0, 0, 1)])
    block = bytearray(program.block_size(1))
    columns = Columns(program, block, 1)
    with pytest.raises(BufferError):
        block.extend(b"more")
    del columns
    block.extend(b"more")
    assert SWAPS["host"] in (0, SWAPS["words"] | SWAPS["halves"])
    assert value_dtype(value_type("f32"), FLOAT32) == np.float32


def test_many_images_at_once():
    program = Program(2, 1, [meaning("i16", "BA"), meaning("bool", "", "raw", bit=3)], [(0, 0, 0, 1), (1, 1, 0, 1)],
                      members=[(0, 0, 0, 1), (0, 1, 0, 1)])  # fmt: skip
    rows = Rows(program, 4, [("f8", "i2", 1), ("bool", "bool", 1)])
    images = np.array([[0x0100, 8, 99], [0x0200, 0, 99], [0x0300, 8, 99]], np.uint16)
    program.run_rows(images, np.array([[0], [1], [0]], np.uint8), rows.columns)
    assert rows.quality(0).ravel().tolist() == [0, 1, 0, 0xA5], "the fourth row is left alone"
    assert rows.raw(0).ravel().tolist()[:3] == [1, 0, 3]
    assert rows.values(1).ravel().tolist()[:3] == [True, False, True]
    program.run_rows(images[::-1], np.zeros((3, 1), np.uint8), rows.columns)
    assert rows.values(0).ravel().tolist()[:3] == [3, 2, 1]
    program.run_rows(images[:0], np.zeros((0, 1), np.uint8), rows.columns)


def test_many_images_are_refused_where_they_do_not_fit():
    program = Program(2, 1, [meaning("u16", "AB")], [(0, 0, 0, 1)])
    columns = Columns(program, np.zeros(program.block_size(2), np.uint8), 2)
    images, statuses = np.zeros((2, 2), np.uint16), np.zeros((2, 1), np.uint8)
    for bad, flags, why in (
        (images[:, :1], statuses, "registers"),
        (np.zeros((2, 4), np.uint16)[:, ::2], statuses, "one after the other"),
        (images, statuses[:1], "rows of 1 reads"),
        (images, np.zeros((2, 2), np.uint8), "rows of 1 reads"),
        (np.zeros((3, 2), np.uint16), np.zeros((3, 1), np.uint8), "there are 2 rows"),
    ):
        with pytest.raises(ValueError, match=why):
            program.run_rows(bad, flags, columns)
    other = Program(2, 1, [meaning("u16", "AB")], [])
    with pytest.raises(ValueError, match="another program"):
        program.run_rows(images, statuses, Columns(other, np.zeros(other.block_size(2), np.uint8), 2))
