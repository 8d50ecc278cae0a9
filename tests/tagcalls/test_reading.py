"""What reading by name asks for, request by request, and what it remembers: without a socket."""

import math

import pytest

from fastmodbus import errors
from fastmodbus.maps import Map
from fastmodbus.naming import Names
from fastmodbus.naming import names as names_module
from fastmodbus.plan import Learnt
from fastmodbus.tagcalls import plan_of, read, write
from fastmodbus.tags import Tag
from simulated import Device
from unwired import Wireless, call

HOLDING = 3


@pytest.fixture
def wire():
    return Wireless(Device())


def names_of(wire, tags=(), **groups):
    made = Map("device", tuple(tags), groups) if tags else None
    return Names(made, unit=1, max_registers=125, max_bits=2000, connections=lambda: wire.connections)


def spans(wire):
    """Addresses and counts of the reads of holding registers since the last call."""
    asked = [bytes.fromhex(text) for text in wire.asked()]
    return [(int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")) for pdu in asked]


def refuse(wire, start, stop, code=2, times=-1):
    wire.device.bank.refuse(HOLDING, start, stop, code, times)


# ------------------------------------------------------------------------------------------------ what was learnt


def test_what_one_selection_learnt_serves_the_others(wire):
    names = names_of(wire)
    refuse(wire, 3, 4)
    with pytest.raises(errors.IllegalDataAddress):
        wire.run(read(call(), names, ["hr1", "hr3", "hr5"]))
    wire.asked()
    assert math.isnan(wire.run(read(call(), names, ["hr1", "hr3"]))["hr3"])
    assert wire.run(read(call(), names, ["hr2", "hr4"])) == {"hr2": 6, "hr4": 12}
    assert spans(wire) == [(1, 1), (2, 1), (4, 1)]


def test_facts_of_an_earlier_day(wire):
    names = names_of(wire)
    names.learn(Learnt(holes={"hr3": "hr3", "hr5": "hr7"}), names.learnt, 0.0)
    assert plan_of(names, ["hr1", "hr3"]).skipped == (1,)
    assert plan_of(names, ["hr5"]).skipped == ()


def test_what_was_learnt_rests_from_the_first_fact_on(wire, monkeypatch):
    names = names_of(wire)
    names.learn(Learnt(holes={"hr3": "hr3"}, request_cost=2.0), names.learnt, 100.0)
    names.learn(Learnt(holes={"hr3": "hr3", "hr4": "hr4"}, request_cost=2.0), names.learnt, 600.0)
    names.freshen(100.0 + names_module.REST)
    assert set(names.learnt.holes) == {"hr3", "hr4"}
    names.freshen(101.0 + names_module.REST)
    assert names.learnt == Learnt(request_cost=2.0)


def test_fresh_tries_again_what_was_refused(wire):
    names = names_of(wire)
    refuse(wire, 3, 4)
    with pytest.raises(errors.IllegalDataAddress):
        wire.run(read(call(), names, ["hr3", "hr9"]))
    wire.device.bank.refuse_nothing()
    assert math.isnan(wire.run(read(call(), names, ["hr3", "hr9"]))["hr3"])
    assert wire.run(read(call(), names, ["hr3", "hr9"], True)) == {"hr3": 9, "hr9": 27}
    assert wire.run(read(call(), names, ["hr3", "hr9"])) == {"hr3": 9, "hr9": 27}


def test_a_hole_costs_no_bridge_that_was_learnt_before(wire):
    names = names_of(wire)
    refuse(wire, 12, 13)
    assert wire.run(read(call(), names, ["hr10", "hr14"])) == {"hr10": 30, "hr14": 42}
    before = names.learnt.unbridged
    assert before
    refuse(wire, 20, 21)
    with pytest.raises(errors.IllegalDataAddress):
        wire.run(read(call(), names, ["hr20", "hr21"]))
    assert names.learnt.unbridged == before


# ------------------------------------------------------------------------------------------------ what never changes

CONSTANTS = [
    Tag("serial", "hr0:u16[3]", group="static"),
    Tag("sf", "hr10:i16", group="static"),
    Tag("power", "hr11", scale_from="sf"),
    Tag("level", "hr100"),
]


def constant_names(wire, tags=CONSTANTS):
    wire.device.holding[10:12] = 2, 7
    return names_of(wire, tags, static=math.inf)


def test_what_never_changes_is_read_once(wire):
    names = constant_names(wire)
    first = wire.run(read(call(), names, None))
    assert spans(wire) == [(0, 12), (100, 1)]
    second = wire.run(read(call(), names, None))
    assert spans(wire) == [(11, 1), (100, 1)]
    for found in (first, second):
        assert list(found) == ["serial", "sf", "power", "level"]
        assert (found["serial"].tolist(), found["sf"], found["power"], found["level"]) == ([0, 3, 6], 2, 700.0, 300)
    assert [str(one) for one in plan_of(names, None).reads] == ["1/hr11", "1/hr100"]


def test_a_caller_cannot_change_what_is_known(wire):
    names = constant_names(wire)
    for _ in range(3):
        found = wire.run(read(call(), names, None))["serial"]
        assert found.tolist() == [0, 3, 6]
        found[:] = 0


def test_a_single_value_that_is_known_needs_no_request(wire):
    names = constant_names(wire)
    assert [wire.run(read(call(), names, "sf")) for _ in range(2)] == [2, 2]
    assert wire.run(read(call(), names, "power")) == 700.0
    assert wire.run(read(call(), names, ["power"])) == {"power": 700.0}
    assert spans(wire) == [(10, 1), (11, 1), (11, 1)]


def test_each_connection_reads_them_anew(wire):
    names = constant_names(wire)
    wire.run(read(call(), names, None))
    wire.device.holding[10] = 1
    wire.lose()
    wire.asked()
    assert wire.run(read(call(), names, "power")) == 70.0
    assert spans(wire) == [(10, 2)]


def test_a_connection_lost_within_the_read_reads_them_anew(wire):
    names = constant_names(wire)
    wire.run(read(call(), names, None))
    wire.asked()
    steps = read(call(), names, "power")
    batch = next(steps)  # of the value alone: its factor is known
    wire.lose()
    wire.device.holding[10] = 1

    def rest():
        yield batch
        return (yield from steps)

    assert wire.run(rest()) == 70.0
    assert spans(wire) == [(11, 1), (10, 2)]


def test_fresh_reads_them_anew(wire):
    names = constant_names(wire)
    wire.run(read(call(), names, None))
    wire.device.holding[10] = 0
    assert wire.run(read(call(), names, None))["power"] == 700.0
    assert wire.run(read(call(), names, None, True))["power"] == 7.0
    assert wire.run(read(call(), names, None))["power"] == 7.0


def test_what_is_written_is_read_anew(wire):
    tags = [Tag("name", "hr0:str4", group="static", access="rw"), Tag("sf", "hr10:i16", group="static")]
    names = constant_names(wire, tags)
    wire.run(read(call(), names, None))
    wire.run(write(call(), names, {"hr50": 1}, False))
    wire.asked()
    wire.run(read(call(), names, None))
    assert spans(wire) == []
    wire.run(write(call(), names, {"name": "abc"}, False))
    assert wire.run(read(call(), names, None)) == {"name": "abc", "sf": 2}
    wire.run(write(call(), names, {"hr10": 0}, False))
    assert wire.run(read(call(), names, None))["sf"] == 0


def test_a_scale_factor_without_a_value_stays_without(wire):
    tags = [Tag("sf", "hr10:i16", group="static", missing=[0x8000]), Tag("power", "hr11", scale_from="sf")]
    names = constant_names(wire, tags)
    wire.device.holding[10] = 0x8000
    for _ in range(2):
        found = wire.run(read(call(), names, None))
        assert math.isnan(found["sf"])
        assert math.isnan(found["power"])
    assert spans(wire) == [(10, 2), (11, 1)]


@pytest.mark.parametrize(("kind", "registers"), [("i16", [0x7FFF]), ("u32", [0xFFFF, 0xFFFF]), ("i16", [400])])
def test_a_factor_out_of_range_is_so_every_time(wire, kind, registers):
    tags = [Tag("sf", f"hr10:{kind}", group="static"), Tag("power", "hr20", scale_from="sf")]
    names = constant_names(wire, tags)
    wire.device.holding[10 : 10 + len(registers)] = registers
    first, second = (wire.run(read(call(), names, ["power"])) for _ in range(2))
    assert math.isnan(first["power"])
    assert math.isnan(second["power"])


def test_a_failure_leaves_nothing_behind(wire):
    names = constant_names(wire)
    refuse(wire, 10, 11, code=6)
    with pytest.raises(errors.DeviceBusy) as caught:
        wire.run(read(call(), names, None))
    assert caught.value.partial["level"] == 300
    wire.device.bank.refuse_nothing()
    wire.asked()
    assert wire.run(read(call(), names, None))["power"] == 700.0
    assert spans(wire) == [(0, 12), (100, 1)]
    refuse(wire, 100, 101, code=6)
    with pytest.raises(errors.DeviceBusy) as caught:
        wire.run(read(call(), names, None))
    assert caught.value.partial["power"] == 700.0
    assert caught.value.partial["serial"].tolist() == [0, 3, 6]


def test_a_constant_that_is_a_hole_is_one_of_the_known_ones(wire):
    names = constant_names(wire)
    refuse(wire, 0, 3)
    with pytest.raises(errors.IllegalDataAddress):
        wire.run(read(call(), names, None))
    wire.run(read(call(), names, None))
    wire.asked()
    found = wire.run(read(call(), names, None))
    assert spans(wire) == [(11, 1), (100, 1)]
    assert all(math.isnan(one) for one in found["serial"])


def test_without_a_map_nothing_is_constant(wire):
    names = names_of(wire)
    tag = Tag("x", "hr1", group="static")
    assert [wire.run(read(call(), names, tag)) for _ in range(2)] == [3, 3]
    assert len(spans(wire)) == 2


# ------------------------------------------------------------------------------------------------ what is remembered


def test_lists_are_told_apart_by_what_they_hold(wire):
    names = names_of(wire)
    wanted = ["hr1", "hr2"]
    assert wire.run(read(call(), names, wanted)) == {"hr1": 3, "hr2": 6}
    wanted[0] = "hr3"
    assert wire.run(read(call(), names, wanted)) == {"hr3": 9, "hr2": 6}
    assert list(wire.run(read(call(), names, ["hr2", "hr3"]))) == ["hr2", "hr3"]
    with pytest.raises(TypeError, match="5"):
        wire.run(read(call(), names, ["hr2", 5]))


def test_tags_that_differ_in_anything_are_other_selections(wire):
    names = names_of(wire)
    assert wire.run(read(call(), names, [Tag("x", "hr1", scale=0.1)])) == {"x": 0.3}
    assert wire.run(read(call(), names, [Tag("x", "hr1", labels={3: "on"})])) == {"x": "on"}
    assert wire.run(read(call(), names, {"y": Tag("x", "hr1")})) == {"y": 3}
