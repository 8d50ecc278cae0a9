"""Maps from files: everything they may hold, and errors that name file, tag and field."""

import math
import warnings

import pytest

from fastmodbus.address import Address, AddressRange
from fastmodbus.errors import MapError
from fastmodbus.maps import Limits, Map, load_map, resolve
from fastmodbus.plan import ReadPlan
from fastmodbus.tags import Tag

METER = """
format = "fastmodbus-map/1"
[device]
name = "SDM630"
order = "ABCD"
[limits]
max_registers = 80
max_gap = 8
ranges = ["ir0-499"]
in_flight = 4
[groups]
fast = "100ms"
slow = "10s"
static = "once"
[[tag]]
name = "voltage_l1"
address = "ir0:f32"
units = "V"
group = "fast"
[[tag]]
name = "state"
address = "hr10"
labels = {0 = "off", 1 = "on"}
bits = {3 = "fault"}
missing = [0xFFFF]
access = "rw"
write_limits = [0, 50]
write_with = "fc06"
after = "voltage_l1"
description = "what it does"
[[tag]]
name = "power"
address = "ir100:i16"
scale_from = "power_sf"
valid = [0, 300]
offset = 1
[[tag]]
name = "power_sf"
address = "ir101:i16"
group = "static"
"""


@pytest.fixture
def write(tmp_path):
    """Write files beside each other; the path of the last one."""

    def write_files(**texts):
        for name, text in texts.items():
            path = tmp_path / name.replace("_toml", ".toml").replace("_csv", ".csv")
            path.write_text(text, encoding="utf-8")
        return path

    return write_files


def head(text=""):
    return f'format = "fastmodbus-map/1"\n{text}'


def test_the_whole_format(write):
    meter = load_map(write(meter_toml=METER))
    assert (meter.name, meter.order, len(meter)) == ("SDM630", "ABCD", 4)
    assert meter.groups == {"fast": 0.1, "slow": 10.0, "static": math.inf}
    assert meter["voltage_l1"] == Tag("voltage_l1", "ir0:f32", units="V", group="fast")
    assert meter["state"].labels == {0: "off", 1: "on"}
    assert meter["state"].missing == (65535,)
    assert (meter["state"].write_limits, meter["state"].write_with) == ((0, 50), "fc06")
    assert [str(one) for one in meter.limits.ranges] == ["ir0-499"]
    assert (meter.limits.max_registers, meter.limits.max_bits, meter.limits.in_flight) == (80, None, 4)
    assert [tag.name for tag in meter.group("fast")] == ["voltage_l1"]
    assert "state" in meter
    assert "SDM630: 4 tags" in repr(meter)
    assert len(ReadPlan(meter, **meter.limits.for_plan()).reads) == 3


def test_a_name_that_the_map_does_not_have(write):
    with pytest.raises(KeyError, match="did you mean 'voltage_l1'"):
        load_map(write(meter_toml=METER))["voltage_11"]


def test_factors_come_along(write):
    meter = load_map(write(meter_toml=METER))
    assert [tag.name for tag in meter.with_factors([meter["power"]])] == ["power", "power_sf"]


def test_the_device_order_reaches_the_tags(write):
    text = head('[device]\norder = "CDAB"\n') + '[[tag]]\nname = "a"\naddress = "hr0:f32"\n'
    text += '[[tag]]\nname = "b"\naddress = "hr2:f32@ABCD"\n[[tag]]\nname = "c"\naddress = "hr4:u16"\n'
    addresses = [tag.address for tag in load_map(write(m_toml=text))]
    assert addresses == [Address("hr0:f32@CDAB"), Address("hr2:f32"), Address("hr4")]


def test_repeat(write):
    text = head() + '[[tag]]\nname = "ch{i:02}_t"\naddress = "hr100:f32"\nrepeat = {count = 24, step = 10}\n'
    text += 'description = "channel {i}"\nscale_from = "ch{i:02}_sf"\n'
    text += '[[tag]]\nname = "ch{i:02}_sf"\naddress = "hr102:i16"\nrepeat = {count = 24, step = 10}\n'
    channels = load_map(write(m_toml=text))
    assert len(channels) == 48
    assert channels["ch23_t"] == Tag("ch23_t", "hr330:f32", description="channel 23", scale_from="ch23_sf")


def test_repeat_may_count_from_one(write):
    text = head() + '[[tag]]\nname = "c{i}"\naddress = "hr0"\nrepeat = {count = 2, step = 1, first = 1}\n'
    assert [tag.name for tag in load_map(write(m_toml=text))] == ["c1", "c2"]


def test_include_is_the_base_that_the_file_changes(write):
    base = head('[device]\nname = "base"\norder = "CDAB"\n[limits]\nmax_registers = 60\nin_flight = 2\n')
    base += '[groups]\nfast = 1\nslow = 10\n[options]\ntimeout = "5s"\n'
    base += '[[tag]]\nname = "a"\naddress = "hr0:u32"\n[[tag]]\nname = "b"\naddress = "hr2"\n'
    top = head('include = ["base.toml"]\n[device]\nname = "top"\n[limits]\nmax_registers = 100\n[groups]\nfast = 2\n')
    top += '[[tag]]\nname = "b"\naddress = "hr9"\ngroup = "fast"\n[[tag]]\nname = "c"\naddress = "hr4:u32"\n'
    merged = load_map(write(base_toml=base, top_toml=top))
    assert (merged.name, merged.order, merged.groups) == ("top", "CDAB", {"fast": 2.0, "slow": 10.0})
    assert (merged.limits.max_registers, merged.limits.in_flight) == (100, 2)
    assert merged.options == {"timeout": 5.0}
    assert [str(tag.address) for tag in merged] == ["hr0:u32@CDAB", "hr9", "hr4:u32@CDAB"]


def test_include_in_a_circle(write):
    one = head('include = ["two.toml"]\n')
    with pytest.raises(MapError, match="includes itself") as caught:
        load_map(write(two_toml=head('include = "one.toml"\n'), one_toml=one))
    assert caught.value.field == "include"


def test_options(write):
    text = head(
        '[options]\nunit = 7\ntimeout = "500ms"\nwrite_single = "fc16"\nquirks = ["tid_zero"]\nin_flight = "auto"\n'
    )
    options = load_map(write(m_toml=text)).options
    assert options == {
        "unit": 7, "timeout": 0.5, "write_single": "fc16", "quirks": ["tid_zero"], "in_flight": "auto",
    }  # fmt: skip


TABLE = """name,address,units,scale,missing,valid,labels,bits,repeat,access,description
voltage,ir0:f32,V,,,0;300,,,,,
state,hr10,,,0xFFFF; 0xFFFE,,0=off; 1=on,3=fault,,rw,"a, b"
# a remark

ch{i},hr20:i16,degC,0.1,0x8000,"[-40, 85]",,,count=3; step=2,,
"""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables(write, separator):
    table = TABLE
    if separator == ";":
        table = (
            table.replace(";", "|").replace(",", ";").replace("0|300", '"0;300"').replace('"[-40; 85]"', '"[-40, 85]"')
        )
        table = table.replace("0xFFFF| 0xFFFE", '"0xFFFF;0xFFFE"').replace("0=off| 1=on", '"0=off;1=on"')
        table = table.replace("count=3| step=2", '"count=3;step=2"').replace('"a; b"', '"a, b"')
    elif separator == "\t":
        table = table.replace(",", "\t").replace("[-40\t", "[-40,").replace('"a\t b"', '"a, b"')
    loaded = load_map(write(table_csv="\ufeff" + table, m_toml=head('tags = "table.csv"\n')))
    assert [tag.name for tag in loaded] == ["voltage", "state", "ch0", "ch1", "ch2"]
    assert loaded["voltage"].valid == (0, 300)
    assert loaded["state"] == Tag(
        "state", "hr10", missing=(0xFFFF, 0xFFFE), labels={0: "off", 1: "on"}, bits={3: "fault"}, access="rw",
        description="a, b",
    )  # fmt: skip
    assert loaded["ch2"] == Tag("ch2", "hr24:i16", units="degC", scale=0.1, missing=[-32768], valid=(-40, 85))


def test_cells_may_hold_several_lines_and_broken_tables_say_so(write):
    table = 'name,address,description\na,hr0,"one\ntwo"\nb,hr1,\n'
    loaded = load_map(write(table_csv=table, m_toml=head('tags = "table.csv"\n')))
    assert loaded["a"].description == "one\ntwo"
    path = write(table_csv=f"name,address\na,{'x' * 200_000}\n", m_toml=head('tags = "table.csv"\n'))
    with pytest.raises(MapError, match=r"line \d: is not CSV"):
        load_map(path)


def test_a_thousand_rows_come_in_order(write):
    table = "name,address\n" + "".join(f"t{n},hr{n}\n" for n in range(1000))
    loaded = load_map(write(table_csv=table, m_toml=head('tags = ["table.csv"]\n')))
    assert [tag.address.address for tag in loaded] == list(range(1000))


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ("name,adress\nt,hr0\n", "", "unknown column 'adress'; did you mean 'address'"),
        ("name\nt\n", "", "'address' is missing"),
        ("name,address,name\nt,hr0,t\n", "", "stands twice"),
        ('name,address,scale\nt,hr0,"0,1"\n', "scale", "decimal sign is a point"),
        ("name,address,labels\nt,hr0,off\n", "labels", "not number=name"),
        ("name,address,access\nt,hr0,w\n", "access", "enum value"),
        ("name,address\nt,hr0:f3\n", "address", "did you mean 'f32'"),
        ("name,address\nt,hr0,x\n", "", "3 cells in a table of 2"),
        ("name,address\nt,\n", "", "'address' is missing"),
        ("name,address,valid\nt,hr0,3;1\n", "valid", "above high"),
    ],
)
def test_tables_say_line_tag_and_field(write, row, field, says):
    path = write(table_csv=row, m_toml=head('tags = "table.csv"\n'))
    with pytest.raises(MapError, match=says) as caught:
        load_map(path)
    assert "table.csv" in caught.value.file
    assert caught.value.field == field
    if field:
        assert caught.value.tag == "t"
        assert caught.value.file.endswith("line 2")


@pytest.mark.parametrize(
    ("text", "tag", "field", "says"),
    [
        ('name = "a"\nadress = "hr0"', "a", "", "unknown field 'adress'; did you mean 'address'"),
        ('name = "a"', "a", "", "'address' is missing"),
        ('address = "hr0"', "number 1", "", "'name' is missing"),
        ('name = "a"\naddress = 100', "a", "address", "Expected `str`"),
        ('name = "a"\naddress = "100"', "a", "address", "bare number"),
        ('name = "a"\naddress = "hr0"\ngroup = "fats"', "a", "group", "did you mean 'fast'"),
        ('name = "a"\naddress = "hr0"\nscale_from = "b"', "a", "scale_from", "no tag 'b'"),
        ('name = "a"\naddress = "hr0"\nafter = "b"', "a", "after", "no tag 'b'"),
        ('name = "a"\naddress = "hr0"\nafter = "a"', "a", "after", "circle"),
        ('name = "a"\naddress = "hr0"\nvalid = [1]', "a", "valid", "length 2"),
        ('name = "a"\naddress = "hr0"\nrepeat = {count = 2}', "a", "repeat", "'step' is missing"),
        ('name = "a"\naddress = "hr0"\nrepeat = {count = 2, stop = 1}', "a", "repeat", "did you mean 'step'"),
        ('name = "a"\naddress = "hr0"\nrepeat = {count = 2, step = 1}', "a", "repeat", r"needs \{i\}"),
        ('name = "a{i}"\naddress = "hr65535"\nrepeat = {count = 2, step = 1}', "a1", "repeat", "not 0 to 65535"),
        ('name = "a"\naddress = "hr0"\naccess = "w"', "a", "access", "enum value 'w'; the texts allowed: r rw"),
        ('name = "a"\naddress = "hr0"\n[[tag]]\nname = "a"\naddress = "hr1"', "a", "name", "stands twice"),
    ],
)
def test_errors_say_file_tag_and_field(write, text, tag, field, says):
    path = write(m_toml=head("[groups]\nfast = 1\n[[tag]]\n") + text)
    with pytest.raises(MapError, match=says) as caught:
        load_map(path)
    assert (caught.value.file, caught.value.tag, caught.value.field) == (str(path), tag, field)
    assert str(caught.value).startswith(f"{path}: tag {tag!r}: ")


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("[limits]\nmax_regs = 3", "limits", "did you mean 'max_registers'"),
        ('[options]\nquirks = ["x"]', "options.quirks[0]", "'x'; the texts allowed: tid_zero unit_zero"),
        ("[limits]\nmax_registers = 126", "limits.max_registers", "<= 125"),
        ('[limits]\nmax_gap = "big"', "limits.max_gap", "big|auto"),
        ('[limits]\nranges = ["ir0-x"]', "limits.ranges", "not a range"),
        ('[groups]\nfast = "soon"', "groups", "'soon'"),
        ("[groups]\nfast = -1", "groups", "-1"),
        ('[options]\ntimeout = "soon"', "options", "'soon'"),
        ("[options]\ntimeuot = 3", "options", "did you mean 'timeout'"),
        ('[device]\norder = "ACBD"', "device.order", "ABCD CDAB"),
        ("[devise]", "", "did you mean 'device'"),
    ],
)
def test_errors_outside_of_tags(write, text, field, says):
    path = write(m_toml=head(text))
    with pytest.raises(MapError, match=says) as caught:
        load_map(path)
    assert (caught.value.file, caught.value.field) == (str(path), field)


def test_files_that_are_no_maps(write, tmp_path):
    with pytest.raises(MapError, match="cannot be read"):
        load_map(tmp_path / "none.toml")
    with pytest.raises(MapError, match="not TOML"):
        load_map(write(a_toml="[[["))
    with pytest.raises(MapError, match="format"):
        load_map(write(b_toml='format = "fastmodbus-map/2"'))
    with pytest.raises(MapError, match="'format' is missing"):
        load_map(write(c_toml=""))
    (tmp_path / "d.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MapError, match="not UTF-8"):
        load_map(tmp_path / "d.toml")


def test_a_scale_factor_is_a_single_integer():
    for address in ("hr1:f32", "hr1[2]", "hr1.0"):
        with pytest.raises(MapError, match="single, unscaled integer"):
            Map("m", (Tag("a", "hr0", scale_from="b"), Tag("b", address)))


def test_names_win_over_addresses_and_the_loader_warns(write):
    path = write(m_toml=head('[[tag]]\nname = "co2"\naddress = "hr5"\n'))
    with pytest.warns(UserWarning, match=r"Address\('co2'\)"):
        loaded = load_map(path)
    assert loaded.resolve("co2") == (loaded["co2"],)
    assert resolve("co2") == (Tag("co2", "co2"),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_map(write(n_toml=METER))


def test_what_a_text_means(write):
    meter = load_map(write(meter_toml=METER))
    assert [tag.name for tag in meter.resolve("power*")] == ["power", "power_sf"]
    assert meter.resolve("hr100:f32@CDAB[50]") == (Tag("hr100:f32@CDAB[50]", "hr100:f32@CDAB[50]"),)
    with pytest.raises(ValueError, match="no tag is called 'stat'; did you mean 'state'"):
        meter.resolve("stat")
    with pytest.raises(ValueError, match="bare number"):
        resolve("100")


def test_of_two_limits_the_smaller_wins():
    def spans(*texts):
        return tuple(AddressRange.parse(text) for text in texts)

    device = Limits(80, max_gap="auto", ranges=spans("ir0-499", "hr0-99"), holes=spans("hr7"), in_flight=4)
    other = Limits(100, 64, max_gap=3, ranges=spans("ir100-600", "3/co0-9"), holes=spans("hr8"))
    both = device.narrowed(other)
    assert (both.max_registers, both.max_bits, both.max_gap, both.in_flight) == (80, 64, 3, 4)
    assert [str(one) for one in both.ranges] == ["ir100-499", "hr0-99", "3/co0-9"]
    assert [str(one) for one in both.holes] == ["hr7", "hr8"]
    assert device.narrowed(Limits()) == device
    assert Limits(max_gap="auto").narrowed(Limits()).max_gap == "auto"
