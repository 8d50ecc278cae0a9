"""Selections: what a text, a list or a mapping means, and which plans are remembered for it."""

import pytest

from fastmodbus.address import Address
from fastmodbus.maps import Limits, Map
from fastmodbus.naming import Names
from fastmodbus.naming.names import KEPT, REST
from fastmodbus.tags import Tag

POWER = Tag("power", "ir0:i16", scale_from="sf", access="r")
FACTOR = Tag("sf", "ir1:i16")
LEVEL = Tag("level", "hr5", access="rw")
MAP = Map("device", (POWER, FACTOR, LEVEL), limits=Limits(max_registers=20, max_gap=0))


@pytest.fixture
def names():
    return Names(MAP, unit=3, max_registers=100, max_bits=2000)


def test_keys_are_the_texts_as_they_were_given(names):
    assert names.tags("level") == {"level": LEVEL}
    assert names.tags("*e*") == {"power": POWER, "level": LEVEL}
    assert list(names.tags(["HR7", Address("hr0x10"), Tag("x", "co1")])) == ["HR7", "hr16", "x"]
    assert names.tags({"a": "level", 5: POWER}) == {"a": LEVEL, "5": POWER}
    assert names.tags(None) == MAP.by_name
    assert names.tags(tag for tag in ["level"]) == {"level": LEVEL}


def test_scale_factors_are_read_and_not_shown(names):
    selection = names.selection("power")
    assert selection.plan.tags == (POWER, FACTOR)
    assert (selection.keys, selection.single) == ({"power": 0}, True)
    assert selection.result([7.0, -1]) == 7.0
    assert names.selection(["power"]).result([7.0, -1]) == {"power": 7.0}


def test_one_tag_under_two_keys_is_read_once(names):
    selection = names.selection({"a": "level", "b": "level"})
    assert (len(selection.plan.tags), selection.result([4])) == (1, {"a": 4, "b": 4})


def test_the_smaller_limit_counts(names):
    assert [read.count for read in names.plan([Tag("a", "hr0[30]")]).reads] == [20, 10]
    assert len(names.plan([Tag("a", "hr0"), Tag("b", "hr2")]).reads) == 2
    assert names.plan([LEVEL]).reads[0].unit == 3


def test_selections_are_remembered_up_to_a_number(names):
    first = names.selection("hr0")
    assert names.selection("hr0") is first
    assert names.selection(["hr0"]) is not first
    assert names.selection(["hr0"]) is names.selection(("hr0",))
    for number in range(1, KEPT + 1):
        names.selection(f"hr{number}")
    assert names.selection("hr0") is not first
    assert names.selection(tag for tag in ["hr0"]) is not names.selection(tag for tag in ["hr0"])


def test_what_was_learnt_rests_and_is_forgotten(names):
    learnt = names.selection(["hr0", "hr1"]).plan.hole(1).learnt
    names.learn(learnt, names.learnt, 100.0)
    assert names.selection(["hr0", "hr1"]).plan.skipped == (1,)
    names.freshen(100.0 + REST)
    assert names.learnt is learnt
    names.freshen(101.0 + REST)
    assert names.selection(["hr0", "hr1"]).plan.skipped == ()


def test_a_hole_is_told_once(names):
    holes = Tag("a", "hr0"), Tag("b", "hr1"), Tag("a", "hr2")
    assert names.unsaid(holes[:1]) == [holes[0]]
    assert names.unsaid(holes) == [holes[1], holes[2]]


def test_what_may_be_written(names):
    assert names.writable("level") is LEVEL
    assert names.writable("hr0").address == Address("hr0")
    for key, says in (("power", "only coils and holding"), ("*", "3 tags"), ("ir0", "cannot be written")):
        with pytest.raises(ValueError, match=says):
            names.writable(key)
