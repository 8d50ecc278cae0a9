"""The address grammar: what it reads, how it prints, what it says when it cannot."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus.address import Address, AddressRange, parse_type, value_type

NUMBERS = ("i16", "u16", "i32", "u32", "i64", "u64", "f16", "f32", "f64", "bcd16", "bcd32")
ORDERS = {1: ["AB", "BA"], 2: ["ABCD", "CDAB", "BADC", "DCBA"], 4: ["ABCD", "CDAB", "BADC", "DCBA", "CDABGHEF"]}
# Registers and elements of every width stay inside the table when they begin below this.
LOW = st.integers(0, 60000)
COUNTS = st.one_of(st.none(), st.integers(1, 100))
UNITS = st.one_of(st.none(), st.integers(0, 255))


@st.composite
def addresses(draw):
    """Any address there can be, made from its parts."""
    unit, address, count = draw(UNITS), draw(LOW), draw(COUNTS)
    form = draw(st.sampled_from(("coil", "bit", "byte", "string", "number")))
    if form == "coil":
        return Address.of(draw(st.sampled_from(("co", "di"))), address, count=count, unit=unit)
    area = draw(st.sampled_from(("hr", "ir")))
    if form == "bit":
        return Address.of(area, address, bit=draw(st.integers(0, 15)), count=count, unit=unit)
    if form == "byte":
        kind, high = draw(st.sampled_from(("i8", "u8"))), draw(st.booleans())
        return Address.of(area, address, kind, high=high, count=count, unit=unit)
    if form == "string":
        order = draw(st.sampled_from(("AB", "BA")))
        return Address.of(area, address, f"str{draw(st.integers(1, 60))}", order=order, count=count, unit=unit)
    kind = draw(st.sampled_from(NUMBERS))
    order = draw(st.sampled_from(ORDERS[value_type(kind).registers]))
    return Address.of(area, address, kind, order=order, count=count, unit=unit)


@given(addresses())
def test_what_is_printed_is_read_back(address):
    again = Address(str(address))
    assert again == address
    assert hash(again) == hash(address)
    assert str(again) == str(address)
    assert pickle.loads(pickle.dumps(address)) == address


@given(addresses(), st.sampled_from(("ABCD", "CDAB", "BADC", "DCBA", "CDABGHEF")))
def test_a_device_order_changes_only_numbers_of_several_registers(address, order):
    plain = Address(str(address.replace(order=None)), order=order)
    if address.kind.kind in ("int", "uint", "float", "bcd") and address.kind.registers > 1:
        assert plain.order == (order if address.kind.registers == 4 else order[:4])
    else:
        assert plain.order in ("", "AB")


@pytest.mark.parametrize(
    ("text", "canonical", "registers"),
    [
        ("hr100", "hr100", 1),
        ("3/ir30:i16", "3/ir30:i16", 1),
        ("hr0x1020:u32", "hr4128:u32", 2),
        ("hr10.3", "hr10.3", 1),
        ("co5[16]", "co5[16]", 16),
        ("hr40:str16", "hr40:str16", 8),
        ("hr40:str5", "hr40:str5", 3),
        ("hr40:str5[2]", "hr40:str5[2]", 6),
        ("4x00101", "hr100", 1),
        ("4x101:f32", "hr100:f32", 2),
        ("3x00030", "ir29", 1),
        ("1x00005", "di4", 1),
        ("2/4X65536", "2/hr65535", 1),
        ("HR5:REAL@cdab[50]", "hr5:f32@CDAB[50]", 100),
        ("hr5:float32", "hr5:f32", 2),
        ("hr5:LREAL@HGFEDCBA", "hr5:f64@DCBA", 4),
        ("hr5:u64@GHEFCDAB", "hr5:u64@CDAB", 4),
        ("hr5:i16@BA", "hr5:i16@BA", 1),
        ("hr5:u16@BA", "hr5:u16@BA", 1),
        ("hr5:UINT", "hr5", 1),
        ("hr7.hi", "hr7.hi", 1),
        ("hr7:u8.hi", "hr7.hi", 1),
        ("hr7:i8", "hr7:i8", 1),
        ("hr7:i8.hi[4]", "hr7.hi:i8[4]", 4),
        ("hr10.0[16]", "hr10.0[16]", 1),
        ("hr10.12[8]", "hr10.12[8]", 2),
        ("hr3:bcd32@CDAB", "hr3:bcd32@CDAB", 2),
        ("  hr8  ", "hr8", 1),
        ("hr65534:u32", "hr65534:u32", 2),
    ],
)
def test_reads(text, canonical, registers):
    address = Address(text)
    assert str(address) == canonical
    assert address.registers == registers
    assert address == Address(canonical)


def test_parts():
    address = Address("3/hr0x10:f32@CDAB[4]")
    assert (address.unit, address.area, address.address, address.bit) == (3, "hr", 16, None)
    assert (address.type, address.order, address.count, address.width) == ("f32", "CDAB", 4, 2)
    assert (address.length, address.registers, address.end) == (4, 8, 24)
    assert Address("hr5").length == 1
    assert Address("co2").type == "bool"


def test_equal_by_meaning_and_not_by_spelling():
    assert Address("hr100:f32@ABCD") == Address("4x101:REAL")
    assert len({Address("hr100"), Address("4x00101"), Address("HR0x64:u16")}) == 1
    assert Address("hr100") != Address("hr100[1]")
    assert Address("hr100") != Address("1/hr100")
    assert Address("hr100") != "hr100"


def test_cannot_be_changed():
    address = Address("hr100")
    with pytest.raises(AttributeError, match="replace"):
        address.unit = 3
    with pytest.raises(AttributeError):
        del address.unit
    assert str(address.replace(unit=3, count=2)) == "3/hr100[2]"


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("100", ["hr100 ", "hr99 (4x00100)"]),
        ("40101", ["hr40101 ", "4x0101", "hr100"]),
        ("400101", ["4x00101 or hr100"]),
        ("30030:i16", ["hr30030:i16", "3x0030:i16 or ir29:i16"]),
        ("00005", ["hr00005", "co4"]),
        ("0x10", ["hr0x10", "hr15 (4x00016)"]),
        ("7/100", ["hr100", "hr99"]),
        ("0", ["hr0 "]),
    ],
)
def test_a_bare_number_shows_both_readings(text, readings):
    with pytest.raises(ValueError, match="bare number") as caught:
        Address(text)
    for reading in readings:
        assert reading in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hx5", "areas: co di ir hr"),
        ("h5", "did you mean 'hr'"),
        ("hr", r"cannot read '' \(character 3\)"),
        ("hr5 :u16", r"cannot read ' :u16' \(character 4\)"),
        ("hr5:u32@XY[3", r"cannot read '\[3'"),
        ("", "no area ''"),
        ("hr10:f3", "did you mean 'f32'"),
        ("hr10:str", "str16"),
        ("hr10:int", "INT is written in capitals"),
        ("hr10:byte", "BYTE is written in capitals"),
        ("hr10.16", "bit 16 is not 0 to 15"),
        ("hr10.3:u16", "a bit of a register is bool"),
        ("hr10:bool", "name the bit, hr10.0"),
        ("co4:u16", "single bits"),
        ("di4.1", "single bits"),
        ("hr5:u16@ABCD", "allowed: AB BA"),
        ("hr5:u32@CDABGHEF", "allowed: ABCD CDAB BADC DCBA"),
        ("hr5:u8@AB", "no byte order"),
        ("hr5.hi:str1", ".hi chooses the high byte"),
        ("hr5.hi:u16", ".hi chooses the high byte"),
        ("hr65535:u32", "reach beyond 65535"),
        ("hr65536", "not 0 to 65535"),
        ("hr5[0]", "at least 1"),
        ("4x0", "1 to 65536"),
        ("4x65537", "1 to 65536"),
        ("4x0x10", "cannot read|decimal"),
        ("256/hr4", "unit 256 is not 0 to 255"),
        ("hr-1", "cannot read"),
    ],
)
def test_says_what_is_wrong(text, says):
    with pytest.raises(ValueError, match=says):
        Address(text)


def test_only_text_is_an_address():
    with pytest.raises(TypeError, match="'hr100'"):
        Address(100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ir0-499", ("ir", 0, 499, None)),
        ("hr0x10-0x1f", ("hr", 16, 31, None)),
        ("hr7", ("hr", 7, 7, None)),
        ("3/co0-15", ("co", 0, 15, 3)),
        ("4x1-60", ("hr", 0, 59, None)),
        ("ir100[10]", ("ir", 100, 109, None)),
        ("2/hr65535[0x1]", ("hr", 65535, 65535, 2)),
    ],
)
def test_ranges(text, expected):
    assert AddressRange.parse(text) == expected
    assert AddressRange.parse(text).length == expected[2] - expected[1] + 1
    assert AddressRange.parse(str(AddressRange(*expected))) == expected


@pytest.mark.parametrize(
    "text", ["0-10", "hr5-", "hr9-5", "hr0-65536", "hr0:u16", "xx1-2", "300/hr1", "hr5[0]", "hr0-3[4]"]
)
def test_ranges_that_are_none(text):
    with pytest.raises(ValueError, match=r"range|unit"):
        AddressRange.parse(text)


def test_a_bare_number_is_shown_both_readings_as_a_range_too():
    with pytest.raises(ValueError, match=r"hr40101 .0-based.* hr100"):
        AddressRange.parse("40101")


def test_a_range_of_one_unit_does_not_speak_of_another():
    assert AddressRange.parse("hr0-9").applies(5, "hr")
    assert not AddressRange.parse("3/hr0-9").applies(5, "hr")
    assert not AddressRange.parse("hr0-9").applies(5, "ir")


def test_types_by_their_other_names():
    names = {
        "float32": "f32",
        "REAL": "f32",
        "INT": "i16",
        "uint64": "u64",
        "DWORD": "u32",
        "F64": "f64",
        "UINT16": "u16",
    }
    assert {name: value_type(name).name for name in names} == names
    assert parse_type("u32@CDAB") == (value_type("u32"), "CDAB")
    assert parse_type("u16") == (value_type("u16"), "AB")
    with pytest.raises(ValueError, match="allowed"):
        parse_type("u16@")
