"""What one more request costs, from how long reads took."""

import pytest

from fastmodbus.maps import Limits, Map
from fastmodbus.naming import Names
from fastmodbus.naming.cost import LEAST, MOST, TIMES, RequestCost, differs
from fastmodbus.tags import Tag

SHAPES = [(1, 10), (2, 20), (3, 100), (1, 125), (8, 64)]


def measured(request, register, shapes=SHAPES, disturbed=()):
    cost = RequestCost()
    for number in range(TIMES):
        for shape in shapes:
            ns = request * shape[0] + register * shape[1]
            cost.note(*shape, int(ns * (9 if number in disturbed else 1)))
    return cost.value()


@pytest.mark.parametrize(("request_ns", "register_ns", "expected"), [
    (20_000_000, 2_000_000, 10), (5_000_000, 1_000_000, 5), (1_000_000, 100, MOST), (1_000, 1_000_000, LEAST),
    (1_000_000, 0, MOST),
])  # fmt: skip
def test_the_cost_is_that_of_the_device(request_ns, register_ns, expected):
    assert measured(request_ns, register_ns) == pytest.approx(expected, rel=1e-3)


def test_a_disturbance_does_not_count():
    assert measured(20_000_000, 2_000_000, disturbed=(0, 2)) == pytest.approx(10, rel=1e-3)


def test_what_cannot_be_told_is_none():
    assert RequestCost().value() is None
    assert measured(10, 1, shapes=[(1, 10)]) is None
    assert measured(10_000_000, 1_000_000, shapes=[(1, 10), (2, 20), (4, 40)]) is None
    cost = RequestCost()
    for shape in SHAPES:
        cost.note(*shape, 1_000_000)
    assert cost.value() is None


def test_the_newest_shapes_are_kept():
    cost = RequestCost()
    for number in range(1000):
        cost.note(number, number, 1000)
    assert len(cost._best) == 16


def test_the_same_measured_anew_is_no_other():
    assert not differs(9, 8)
    assert not differs(8, 9.9)
    assert differs(11, 8)
    assert differs(2, 8)


@pytest.mark.parametrize(("max_gap", "reads"), [("auto", ["3/hr0-20"]), (8, ["3/hr0", "3/hr20"])])
def test_plans_bridge_what_costs_less_than_a_request_where_they_may(max_gap, reads):
    tags = Tag("a", "hr0"), Tag("b", "hr20")
    names = Names(Map("device", tags, limits=Limits(max_gap=max_gap)), unit=3, max_registers=125, max_bits=2000)
    assert len(names.selection(None).plan.reads) == 2
    for _ in range(TIMES):
        names.took(names.plan(tags), 2 * 40_000_000 + 2 * 1_000_000, 1.0)
        names.took(names.plan([Tag("c", "hr0[50]")]), 40_000_000 + 50 * 1_000_000, 1.0)
    assert [str(read) for read in names.selection(None).plan.reads] == reads
