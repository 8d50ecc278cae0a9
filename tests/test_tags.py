"""Tags: what they accept, what they refuse and with which words."""

import math
import pickle

import pytest

from fastmodbus.address import Address
from fastmodbus.errors import MapError
from fastmodbus.tags import Tag


def test_a_full_tag():
    tag = Tag(
        "t", "hr0:i16", units="degC", group="slow", scale=0.1, offset=-40, scale_from="sf", missing=[0x8000],
        valid=[-40, 85], labels={"0": "off", 1: "on"}, bits={3: "fault"}, access="rw", write_limits=[0, 50],
        write_with="fc16", after="head", description="outside",
    )  # fmt: skip
    assert tag.address == Address("hr0:i16")
    assert tag.missing == (-32768,)
    assert tag.valid == (-40, 85)
    assert dict(tag.labels) == {0: "off", 1: "on"}
    assert not tag.raw
    assert Tag("t", "hr0").raw


def test_equal_hashable_and_picklable():
    one = Tag("t", "hr0:f32", missing=[math.nan], labels={}, scale=0.5)
    assert one == Tag("t", Address("hr0:REAL"), missing=[float("nan")], scale=0.5)
    assert pickle.loads(pickle.dumps(one)) == one
    assert {one: 1}[pickle.loads(pickle.dumps(one))] == 1
    assert one != one.replace(scale=2)


def test_cannot_be_changed():
    tag = Tag("t", "hr0", labels={0: "off"})
    with pytest.raises(AttributeError):
        tag.name = "u"
    with pytest.raises(TypeError):
        tag.labels[1] = "on"
    assert tag.replace(name="u").labels == {0: "off"}


def test_repr_makes_the_tag_again():
    tag = Tag("t", "hr0:f32@CDAB[3]", scale=0.1, labels={}, valid=(0, 1))
    assert eval(repr(tag), {"Tag": Tag}) == tag


@pytest.mark.parametrize(
    ("address", "given", "kept"),
    [
        ("hr0", [0xFFFF], (65535,)),
        ("hr0", 0xFFFF, (65535,)),
        ("hr0:i16", [0x8000, -1], (-32768, -1)),
        ("hr0:i64", [-(2**63)], (-(2**63),)),
        ("hr0:bcd16", [9999], (9999,)),
        ("hr0:f32", [-999], (-999.0,)),
        ("hr0:str4", [""], ("",)),
    ],
)
def test_missing_values_are_kept_as_the_type_has_them(address, given, kept):
    assert Tag("t", address, missing=given).missing == kept


@pytest.mark.parametrize(
    ("address", "settings", "field", "says"),
    [
        ("hr0:f3", {}, "address", "did you mean 'f32'"),
        ("100", {}, "address", "bare number"),
        ("hr0", {"scale": 0}, "scale", "not be 0"),
        ("hr0", {"scale": math.inf}, "scale", "finite"),
        ("hr0", {"scale": "x"}, "scale", "a number"),
        ("hr0", {"scale": True}, "scale", "a number"),
        ("co0", {"scale": 2}, "scale", "means nothing for bool"),
        ("hr0:str4", {"offset": 2}, "offset", "means nothing for str4"),
        ("hr0", {"scale_from": "t"}, "scale_from", "its own"),
        ("hr0", {"missing": [70000]}, "missing", r"0 to 65535"),
        ("hr0:i16", {"missing": [-40000]}, "missing", r"-32768 to 32767"),
        ("hr0", {"missing": [1.5]}, "missing", "no value of u16"),
        ("hr0", {"missing": [math.inf]}, "missing", "no value of u16"),
        ("hr0", {"missing": ["x"]}, "missing", "must be numbers"),
        ("hr0:str4", {"missing": [0]}, "missing", "must be text"),
        ("co0", {"missing": [0]}, "missing", "means nothing for bool"),
        ("hr0", {"valid": [3, 1]}, "valid", "above high"),
        ("hr0", {"valid": [3]}, "valid", r"\[low, high\]"),
        ("hr0", {"valid": [0, math.nan]}, "valid", "finite"),
        ("hr0", {"labels": {"x": "off"}}, "labels", "number = name"),
        ("hr0", {"labels": [1]}, "labels", "number = name"),
        ("hr0:f32", {"labels": {0: "off"}}, "labels", "means nothing"),
        ("hr0", {"bits": {16: "x"}}, "bits", "0 to 15"),
        ("hr0:f32", {"bits": {0: "x"}}, "bits", "means nothing"),
        ("hr0", {"access": "w"}, "access", "'r' or 'rw'"),
        ("ir0", {"access": "rw"}, "access", "only be read"),
        ("hr0:f32", {"write_with": "fc06"}, "write_with", "one register"),
        ("hr0", {"write_with": "fc05"}, "write_with", "'fc06' or 'fc16'"),
        ("co0", {"write_with": "fc06"}, "write_with", "holding registers"),
        ("hr0", {"write_limits": [2, 1]}, "write_limits", "above high"),
        ("hr0", {"units": 3}, "units", "must be text"),
    ],
)
def test_refuses(address, settings, field, says):
    with pytest.raises(MapError, match=says) as caught:
        Tag("t", address, **settings)
    assert (caught.value.tag, caught.value.field) == ("t", field)
    assert str(caught.value).startswith(f"tag 't': {field}: ")


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "time"])
def test_names_that_cannot_be(name):
    with pytest.raises(MapError, match="name"):
        Tag(name, "hr0")


def test_a_name_is_text():
    with pytest.raises(TypeError, match="name"):
        Tag(3, "hr0")
