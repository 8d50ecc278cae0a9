"""Read plans: every value once, no rule broken, no request too many."""

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastmodbus.address import Address, AddressRange
from fastmodbus.errors import MapError
from fastmodbus.plan import ReadPlan
from fastmodbus.tags import Tag
from plan.judges import check_members, check_rules, spans, tables, tags_at


def greedy_requests(plan, size, gap):
    """The plan everybody writes first: go on while the next value is near and fits."""
    requests, start, end = 0, None, None
    for address in sorted((tag.address for tag in plan.tags), key=lambda address: (address.address, address.end)):
        if start is None or address.address - end > gap or max(end, address.end) - start > size:
            requests, start, end = requests + 1, address.address, address.end
        end = max(end, address.end)
    return requests


def best_by_force(tags, size, gap):
    """Requests, then registers, of the best of all divisions of the values into requests."""
    places = sorted({(tag.address.address, tag.address.end) for tag in tags})
    best = None
    for cuts in itertools.product((False, True), repeat=len(places) - 1):
        runs = [[places[0]]]
        for cut, place in zip(cuts, places[1:], strict=True):
            if cut:
                runs.append([])
            runs[-1].append(place)
        cost = cost_of(runs, size, gap)
        best = min((one for one in (best, cost) if one is not None), default=None)
    return best


def cost_of(runs, size, gap):
    registers = 0
    for run in runs:
        end = run[0][0]
        for start, stop in run:
            if start - end > gap:
                return None
            end = max(end, stop)
        if end - run[0][0] > size:
            return None
        registers += end - run[0][0]
    return len(runs), registers


@given(tables(), st.integers(4, 125), st.integers(0, 20))
def test_every_tag_once_within_the_limits(tags, size, gap):
    plan = ReadPlan(tags, max_registers=size, max_gap=gap)
    check_members(plan)
    check_rules(plan, size=size, gap=gap)
    assert len(plan.reads) <= greedy_requests(plan, size, gap)


@given(tables(most=7, room=30, kinds=("u16", "i32", "u64")), st.integers(4, 12), st.integers(0, 6))
def test_as_good_as_trying_everything(tags, size, gap):
    plan = ReadPlan(tags, max_registers=size, max_gap=gap)
    assert (len(plan.reads), plan.registers) == best_by_force(tags, size, gap)


@given(tables(most=7, room=40, kinds=("u16", "i32")), st.integers(4, 12), st.integers(1, 9))
def test_the_cost_of_a_request_decides_in_auto(tags, size, cost):
    plan = ReadPlan(tags, max_registers=size, max_gap="auto", request_cost=cost)
    check_members(plan)
    best = ReadPlan(tags, max_registers=size, max_gap=0)
    for gap in range(size):
        other = ReadPlan(tags, max_registers=size, max_gap=gap)
        best = min(best, other, key=lambda one: cost * len(one.reads) + one.registers)
    assert cost * len(plan.reads) + plan.registers <= cost * len(best.reads) + best.registers


@given(tables(kinds=("u16", "f32")), st.lists(st.tuples(st.integers(0, 320), st.integers(0, 90)), max_size=4),
       st.sets(st.integers(0, 310), max_size=6), st.integers(2, 125))  # fmt: skip
def test_ranges_and_holes_hold(tags, ranges, holes, size):
    within = [AddressRange("hr", first, first + more) for first, more in ranges]
    without = [AddressRange("hr", hole, hole) for hole in holes]
    legal = [tag for tag in tags if not any(tag.address.address <= hole < tag.address.end for hole in holes)]
    legal = [
        tag for tag in legal
        if not within or any(one.first <= tag.address.address and tag.address.end - 1 <= one.last for one in within)
    ]  # fmt: skip
    plan = ReadPlan(legal, max_registers=size, ranges=within, holes=without)
    check_members(plan)
    check_rules(plan, size=size, ranges=within, holes=without)
    for tag in tags:
        if tag not in legal:
            with pytest.raises(MapError, match=r"lies in the hole|lies outside of what can be read") as caught:
                ReadPlan([*legal, tag], max_registers=size, ranges=within, holes=without)
            assert caught.value.tag == tag.name


AREAS = {"hr": ("u16", "f32", "u16[30]"), "ir": ("i16",), "co": ("bool", "bool[40]"), "di": ("bool",)}


PLACES = st.tuples(
    st.sampled_from((None, 1, 2)), st.sampled_from(sorted(AREAS)), st.integers(0, 200), st.integers(0, 2)
)


@given(st.lists(PLACES, max_size=30))
def test_units_and_areas_do_not_mix(placed):
    tags = []
    for number, (unit, area, address, choice) in enumerate(placed):
        kind, bracket, count = AREAS[area][choice % len(AREAS[area])].partition("[")
        prefix = "" if unit is None else f"{unit}/"
        tags.append(Tag(f"t{number}", f"{prefix}{area}{address}:{kind}{bracket}{count}"))
    plan = ReadPlan(tags, max_registers=20, max_bits=32)
    check_members(plan)
    assert all(read.count <= (20 if read.area in ("hr", "ir") else 32) for read in plan.reads)


LONG = st.sampled_from(("u16", "f32", "u64", "str5"))


@given(st.integers(0, 40), st.integers(1, 600), LONG, st.integers(0, 12), st.integers(4, 40))
def test_long_arrays_are_split_between_elements(start, count, kind, before, size):
    array = Tag("array", f"hr{start + before}:{kind}[{count}]")
    small = [Tag(f"s{n}", f"hr{start + n}") for n in range(before)]
    after = Tag("after", f"hr{array.address.end}")
    plan = ReadPlan([*small, array, after], max_registers=size)
    check_members(plan)
    check_rules(plan, size=size)
    if array.address.registers > size:
        assert len(plan.reads) == fewest_for_array(before, array.address, size)


def fewest_for_array(before, address, size):
    """Fill each request as far as whole elements go: nothing can beat that where all values touch."""
    here, requests = 0, 0
    total = before + address.registers + 1
    while here < total:
        stop = here + size
        if here >= total - size:
            stop = total
        elif stop > before:
            stop = before + (stop - before) // address.width * address.width
            stop = min(stop, before + address.registers)
        assume(stop > here)
        here, requests = stop, requests + 1
    return requests


def test_bits_of_an_array_of_bits():
    plan = ReadPlan([Tag("bits", "hr10.3[100]")], max_registers=4)
    check_members(plan)
    assert spans(plan) == ["hr10-13", "hr14-16"]
    assert plan.reads[1].members == ((0, 0, 61, 39),)


def test_where_the_values_lie():
    plan = ReadPlan(tags_at("hr10:f32", "hr14", "hr15.3", "ir3"), unit=9)
    assert [(read.unit, read.area, read.address, read.count, read.function) for read in plan.reads] == [
        (9, "hr", 10, 6, 3), (9, "ir", 3, 1, 4),
    ]  # fmt: skip
    assert plan.reads[0].members == ((0, 0, 0, 1), (1, 4, 0, 1), (2, 5, 0, 1))
    assert plan.factors == (-1, -1, -1, -1)


def test_early_requests_are_full():
    assert spans(ReadPlan([Tag(f"t{n}", f"hr{n}") for n in range(300)])) == ["hr0-124", "hr125-249", "hr250-299"]


def test_coils_bridge_as_many_bytes_as_registers_do():
    assert spans(ReadPlan(tags_at("co0", "co129"))) == ["co0-129"]
    assert spans(ReadPlan(tags_at("co0", "co130"))) == ["co0", "co130"]
    assert spans(ReadPlan(tags_at("co0", "co130"), max_gap=0)) == ["co0", "co130"]


def test_a_request_stays_within_one_range_as_written():
    tags = tags_at("hr8", "hr12")
    assert spans(ReadPlan(tags, ranges=["hr0-9", "hr10-19"])) == ["hr8", "hr12"]
    assert spans(ReadPlan(tags, ranges=["hr0-9", "hr0-19"])) == ["hr8-12"]
    assert spans(ReadPlan(tags, ranges=["ir0-3"])) == ["hr8-12"]
    assert spans(ReadPlan(tags, ranges=["7/hr0-3"])) == ["hr8-12"]


def test_exact_reads_are_made_so():
    plan = ReadPlan(tags_at("hr3", "hr58:u32", "hr61", "hr65"), reads=["hr0-59", "hr200-259"])
    assert spans(plan) == ["hr0-59", "hr61-65"]
    assert plan.reads[0].members == ((0, 3, 0, 1), (1, 58, 0, 1))
    assert plan.without_bridges(plan.reads[0]) is plan
    assert plan.split(plan.reads[0]) is plan
    with pytest.raises(MapError, match="across the edge of the read hr0-59"):
        ReadPlan(tags_at("hr59:u32"), reads=["hr0-59"])
    with pytest.raises(MapError, match="more than 50"):
        ReadPlan(tags_at("hr5"), reads=["hr0-59"], max_registers=50)


def test_requests_do_not_run_into_exact_reads():
    assert spans(ReadPlan(tags_at("hr8", "hr12"), reads=["hr10"])) == ["hr8", "hr12"]


@pytest.mark.parametrize(
    ("text", "rules", "says"),
    [
        ("hr0:u64", {"max_registers": 3}, "takes 4 holding registers; a request may ask for 3"),
        ("hr0:u64[9]", {"max_registers": 3}, "takes 4 holding registers"),
        ("hr0:u16[9]", {"holes": ["hr4"]}, "lies in the hole hr4"),
        ("hr9:u32", {"ranges": ["hr0-9", "hr20-29"]}, "outside of what can be read: hr0-9, hr20-29"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_tag(text, rules, says):
    with pytest.raises(MapError, match=says) as caught:
        ReadPlan([Tag("it", text)], **rules)
    assert (caught.value.tag, caught.value.field) == ("it", "address")


@pytest.mark.parametrize(
    "rules", [{"max_registers": 126}, {"max_registers": 0}, {"max_bits": 2001}, {"max_gap": -1}, {"ranges": ["x"]}]
)
def test_rules_are_checked(rules):
    with pytest.raises(ValueError, match=r"must be|range"):
        ReadPlan([], **rules)


def test_nothing_to_read():
    plan = ReadPlan([])
    assert plan.reads == ()
    assert str(plan) == "0 tags in 0 requests per poll: nothing"


def test_values_travel_with_their_scale_factor():
    factor = Tag("sf", "hr100:i16")
    values = [Tag(f"t{n}", f"hr{n}") for n in range(100)] + [Tag("scaled", "hr140", scale_from="sf")]
    rest = [Tag(f"u{n}", f"hr{n}") for n in range(101, 140)] + [Tag(f"v{n}", f"hr{n}") for n in range(141, 250)]
    plan = ReadPlan([factor, *values, *rest])
    check_members(plan)
    homes = [read for read in plan.reads if {0, 101} & {member.tag for member in read.members}]
    assert len(homes) == 1
    assert not any(read.repeat for read in plan.reads)
    assert plan.factors[101] == 0


def test_a_factor_too_far_away_is_read_on_both_sides():
    tags = [Tag("sf", "hr0:i16"), Tag("near", "hr1", scale_from="sf"), Tag("far", "hr400", scale_from="sf")]
    plan = ReadPlan(tags)
    assert [(str(read), read.repeat) for read in plan.reads] == [
        ("1/hr0-1", False), ("1/hr400", False), ("1/hr0", True),
    ]  # fmt: skip
    assert "once more" in str(plan)
    # A factor behind its value goes first all the same.
    behind = ReadPlan([Tag("value", "hr0", scale_from="sf"), Tag("sf", "hr400:i16")])
    assert [str(read) for read in behind.reads] == ["1/hr400", "1/hr0", "1/hr400"]
    # Each of two reads has the other's factor: one of them must be read before and after.
    factors = [Tag("a", "hr0:i16"), Tag("b", "hr400:i16")]
    crossed = ReadPlan([*factors, Tag("va", "hr401", scale_from="a"), Tag("vb", "hr1", scale_from="b")])
    assert [str(read) for read in crossed.reads] == ["1/hr400", "1/hr0-1", "1/hr400-401", "1/hr0"]
    assert [read.repeat for read in crossed.reads] == [True, False, False, True]
    check_members(crossed)


@given(tables(kinds=("u16",), room=200), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=20))
def test_scale_factors_never_cost_a_value(tags, links):
    scaled = list(tags)
    for value, factor in links:
        if value < len(tags) and factor < len(tags) and value != factor:
            scaled[value] = tags[value].replace(scale_from=tags[factor].name)
    plan = ReadPlan(scaled, max_registers=30)
    check_members(plan)
    check_rules(plan, size=30)
    for number, factor in enumerate(plan.factors):
        if factor >= 0:
            positions = [at for at, read in enumerate(plan.reads) if any(one.tag == factor for one in read.members)]
            here = [at for at, read in enumerate(plan.reads)
                    if not read.repeat and any(one.tag == number for one in read.members)]  # fmt: skip
            assert here[0] in positions or min(positions) < here[0] < max(positions)


def test_a_factor_that_is_not_read_here_is_left_to_the_caller():
    plan = ReadPlan([Tag("value", "hr0", scale_from="elsewhere")])
    assert plan.factors == (-1,)
    assert spans(plan) == ["hr0"]


def test_after_puts_a_tag_into_a_later_request():
    tags = [Tag("log", "hr0[4]", after="head"), Tag("head", "hr4"), Tag("tail", "hr5", after="log"), Tag("x", "hr6")]
    plan = ReadPlan(tags)
    assert [(str(read), read.stage) for read in plan.reads] == [("1/hr4-6", 0), ("1/hr0-3", 1), ("1/hr5", 2)]
    assert "stage 2" in str(plan)
    with pytest.raises(MapError, match="circle"):
        ReadPlan([Tag("a", "hr0", after="b"), Tag("b", "hr1", after="a")])


def test_the_text_of_a_plan():
    plan = ReadPlan(tags_at("hr0:f32", "hr5", "co3")).hole("hr5")
    assert str(ReadPlan(plan.tags)) == (
        "3 tags in 2 requests per poll: 6 registers, 1 bit, 3 of them bridged\n"
        "  unit 1 co3              1  1 tag\n"
        "  unit 1 hr0-5            6  2 tags; bridges hr2-4"
    )
    assert str(plan).endswith("not read, holes: hr5 (hr5)")
    many = str(ReadPlan([Tag(f"t{n}", f"hr{2 * n}") for n in range(20)]))
    assert "bridges 19 gaps (19)" in many


def test_a_plan_is_a_value():
    plan = ReadPlan(tags_at("hr0", "hr2"))
    reads = plan.reads
    plan.without_bridges(reads[0])
    plan.hole("hr0")
    assert plan.reads is reads
    assert (plan.generation, plan.skipped) == (0, ())
    assert repr(plan) == "<ReadPlan: 2 tags, 1 requests, generation 0>"
    assert Address("hr0") == plan.tags[0].address
