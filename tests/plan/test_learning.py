"""What a plan learns from refusals: it becomes finer, leaves out what is not there, and can be kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus.plan import ReadPlan
from fastmodbus.tags import Tag
from plan.judges import check_members, check_rules, spans, tables, tags_at


def test_a_refused_read_loses_its_bridges_then_halves_then_has_culprits():
    plan = ReadPlan(tags_at("hr0", "hr2", "hr3", "hr4", "hr5"))
    assert spans(plan) == ["hr0-5"]
    plan = plan.without_bridges(plan.reads[0])
    assert spans(plan) == ["hr0", "hr2-5"]
    assert plan.without_bridges(plan.reads[1]) is plan
    assert plan.culprits(plan.reads[1]) == ()
    plan = plan.split(plan.reads[1])
    assert spans(plan) == ["hr0", "hr2-3", "hr4-5"]
    plan = plan.split(plan.reads[2])
    assert spans(plan) == ["hr0", "hr2-3", "hr4", "hr5"]
    assert plan.split(plan.reads[2]) is plan
    assert plan.culprits(plan.reads[2]) == (3,)
    plan = plan.hole(3)
    assert spans(plan) == ["hr0", "hr2-3", "hr5"]
    assert plan.skipped == (3,)
    assert plan.generation == 4


def test_a_hole_leaves_what_overlaps_it_alone():
    tags = tags_at("hr0[10]", "hr2", "hr2.5", "hr12")
    plan = ReadPlan(tags)
    bad = plan.without_bridges(plan.reads[0])
    assert bad.culprits(bad.reads[0]) == (0,)
    plan = bad.hole(*bad.culprits(bad.reads[0]))
    assert spans(plan) == ["hr2", "hr12"]
    assert plan.culprits(plan.reads[0]) == (1, 2)


def refuses(bad, size):
    """A device that refuses what is too long or touches a bad register."""
    return lambda read: read.count > size or any(read.address <= one < read.end for one in bad)


def taught(plan, refused):
    """What an owner of the plan does with a device: until nothing is refused any more."""
    for _ in range(2000):
        wrong = next((read for read in plan.reads if refused(read)), None)
        if wrong is None:
            return plan
        after = plan.without_bridges(wrong)
        after = plan.split(wrong) if after is plan else after
        plan = plan.hole(*plan.culprits(wrong)) if after is plan else after
    raise AssertionError("no end to it")


@given(tables(), st.sets(st.integers(0, 310), max_size=5), st.integers(5, 125))
def test_a_device_with_holes_costs_only_the_values_in_them(tags, bad, size):
    plan = taught(ReadPlan(tags), refuses(bad, size))
    check_members(plan)
    check_rules(plan, size=size)
    hit = {
        number for number, tag in enumerate(tags) if any(tag.address.address <= one < tag.address.end for one in bad)
    }
    assert set(plan.skipped) == hit
    again = ReadPlan(tags).load(plan.save())
    assert again.reads == plan.reads
    assert again.learnt == plan.learnt


def test_a_device_with_a_smaller_limit_is_learnt():
    tags = [Tag(f"t{n}", f"hr{n}") for n in range(250)]
    plan = taught(ReadPlan(tags), refuses((), 60))
    assert plan.skipped == ()
    assert len(plan.reads) <= 8
    fresh = ReadPlan(tags).load(plan.save())
    assert not any(read.count > 60 for read in fresh.reads)


def test_what_was_learnt_can_be_forgotten():
    plan = ReadPlan(tags_at("hr0", "hr2", "hr4"))
    taught_plan = taught(plan, refuses({2}, 125))
    assert taught_plan.forget("hr2").skipped == ()
    assert taught_plan.forget().reads == plan.reads
    with pytest.raises(ValueError, match="no tag 'x'"):
        plan.forget("x")


def test_saved_facts_are_json_and_checked():
    plan = ReadPlan(tags_at("hr0", "hr5:f32"), max_gap="auto").measured(2.5).hole("hr5:f32")
    saved = json.loads(plan.save())
    assert saved["holes"] == {"hr5:f32": "hr5:f32"}
    assert saved["request_cost"] == 2.5
    moved = ReadPlan([Tag("hr5:f32", "hr7:f32")]).load(plan.save())
    assert moved.skipped == ()
    for text in ("", "{", '{"format": "fastmodbus-learnt/2"}', '{"hole": {}}'):
        with pytest.raises(ValueError, match="learnt facts"):
            plan.load(text)


def test_a_measured_request_cost_changes_what_is_bridged():
    plan = ReadPlan(tags_at("hr0", "hr5"), max_gap="auto")
    assert spans(plan) == ["hr0-5"]
    assert spans(plan.measured(3)) == ["hr0", "hr5"]
    assert spans(plan.measured(4)) == ["hr0-5"]


def test_bridging_a_refused_gap_is_over_for_later_plans_too():
    plan = ReadPlan(tags_at("hr0", "hr3"))
    saved = plan.without_bridges(plan.reads[0]).save()
    assert spans(ReadPlan(tags_at("hr0", "hr3", "hr5")).load(saved)) == ["hr0", "hr3-5"]
