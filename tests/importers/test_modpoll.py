"""modpoll's CSV configuration."""

import pytest

from fastmodbus.errors import MapError
from fastmodbus.importers import load_modpoll

HEAD = "device,meter,3\npoll,holding_register,40001,30,BE_BE\n"


@pytest.fixture
def load(tmp_path):
    def write(text, **options):
        path = tmp_path / "config.csv"
        path.write_text(text, encoding="utf-8")
        return load_modpoll(path, **options)

    return write


def test_a_device(load):
    meter = load(
        "# a remark\n"
        "device,meter,3,,,\n"
        "poll,holding_register,40001,30,BE_BE,\n"
        "ref,line voltage,40001,uint16,rw,V,0.1\n"
        "ref,energy,0x9c43,uint32,r,kWh\n"
        "ref,alarm,40005:3,bool,r\n"
        "ref,serial,40006,string10,r,,\n"
        "\n"
        "poll,input_register,0,10,LE_BE\n"
        "ref,t,0,int16,r,degC,0.01\n"
        "ref,p,1,float32,,W\n"
        "ref,q,4,float64,w,W\n"
        "poll,input_register,0,10,BE_LE\n"
        "ref,e,6,int64,r\n"
        "poll,input_register,0,10,LE_LE\n"
        "ref,s,6,string4,r\n"
        "poll,coil,1,16,BE_BE\n"
        "ref,low,1,bool,rw\n"
        "ref,high,2,bool8,rw\n"
        "poll,discrete_input,0,32,BE_BE\n"
        "ref,all,0,bool16,r\n"
    )
    assert meter.name == "meter"
    assert {tag.name: str(tag.address) for tag in meter} == {
        "line_voltage": "3/hr40001", "energy": "3/hr40003:u32", "alarm": "3/hr40005.3", "serial": "3/hr40006:str10",
        "t": "3/ir0:i16@BA", "p": "3/ir1:f32@BADC", "q": "3/ir4:f64@BADC", "e": "3/ir6:i64@CDAB", "s": "3/ir6:str4@BA",
        "low": "3/co1[8]", "high": "3/co9[8]", "all": "3/di0[16]",
    }  # fmt: skip
    voltage = meter["line_voltage"]
    assert (voltage.units, voltage.scale, voltage.access) == ("V", 0.1, "rw")
    assert (meter["low"].access, meter["q"].access, meter["energy"].scale) == ("rw", "r", 1)


def test_a_bool_of_a_register_is_its_first_byte(load):
    assert str(load(HEAD + "ref,b,40001,bool,r\n")["b"].address) == "3/hr40001.8[8]"


def test_several_devices(load):
    text = HEAD + "ref,v,40001,int16,r\ndevice,other,4\npoll,input_register,0,2,BE_BE\nref,v,0,int16,r\n"
    assert [(tag.name, str(tag.address)) for tag in load(text)] == [
        ("meter.v", "3/hr40001:i16"), ("other.v", "4/ir0:i16"),
    ]  # fmt: skip
    other = load(text, device="other")
    assert (other.name, [tag.name for tag in other]) == ("other", ["v"])
    with pytest.raises(MapError, match="did you mean 'other'"):
        load(text, device="ohter")


@pytest.mark.parametrize(
    ("row", "tag", "says"),
    [
        ("ref,v,40001,uint17,r", "v", "did you mean 'uint16'"),
        ("ref,v,x,uint16,r", "v", "'x'"),
        ("ref,v,40001:3,uint16,r", "v", "goes with the type bool"),
        ("ref,v,40001,bool16,r", "v", "name the bits"),
        ("ref,v,40001", "", "cells are missing"),
        ("ref,v,40001,uint16,r,V,a", "", "'a'"),
        ("reff,v", "", "rows are device, poll and ref"),
        ("poll,coils,1,2,BE_BE", "", "did you mean 'coil'"),
        ("poll,coil,1,2,BE", "", "known: be_be"),
        ("poll,coil,1,2,BE_BE\nref,v,1,uint16,r", "v", "not for single bits"),
        ("device,a,1\nref,v,1,uint16,r", "", "needs a device row and a poll row"),
    ],
)
def test_errors_say_the_line(load, row, tag, says):
    with pytest.raises(MapError, match=says) as caught:
        load(HEAD + row)
    assert caught.value.tag == tag
    assert caught.value.file.endswith(f"config.csv, line {3 + row.count(chr(10))}")


def test_no_file(tmp_path):
    with pytest.raises(MapError, match="cannot be read"):
        load_modpoll(tmp_path / "none.csv")
