"""What holds for every plan, and tables of tags to plan for."""

from hypothesis import strategies as st

from fastmodbus.tags import Tag

KINDS = ("u16", "i32", "f32", "u64", "str5", "u16[3]")


def tags_at(*texts, **settings):
    return [Tag(text, text, **settings) for text in texts]


def spans(plan):
    return [str(read).partition("/")[2] for read in plan.reads]


@st.composite
def tables(draw, *, most=40, room=300, kinds=KINDS):
    """Tags of one table, as a plan would get them."""
    placed = draw(st.lists(st.tuples(st.integers(0, room), st.sampled_from(kinds)), min_size=1, max_size=most))
    return [Tag(f"t{n}", f"hr{address}:{kind}") for n, (address, kind) in enumerate(placed)]


def check_members(plan):
    """Every element of every tag is read exactly once, where its read says that it lies."""
    seen = {number: [] for number in range(len(plan.tags)) if number not in plan.skipped}
    for read in plan.reads:
        for member in read.members:
            tag = plan.tags[member.tag].address
            start = read.address + member.offset
            skipped = member.first * tag.width if tag.bit is None else (tag.bit + member.first) // 16
            assert start == tag.address + skipped
            assert tag.area == read.area
            assert read.unit == (1 if tag.unit is None else tag.unit)
            if tag.bit is None:
                end = start + member.elements * tag.width
            else:
                end = tag.address + (tag.bit + member.first + member.elements - 1) // 16 + 1
            assert read.address <= start < end <= read.end
            if not read.repeat:
                seen[member.tag] += range(member.first, member.first + member.elements)
    assert seen == {number: list(range(plan.tags[number].address.length)) for number in seen}


def check_rules(plan, *, size=125, gap=8, ranges=(), holes=()):
    for read in plan.reads:
        assert 1 <= read.count <= size
        assert not ranges or any(one.first <= read.address and read.end - 1 <= one.last for one in ranges)
        assert not any(one.first < read.end and read.address <= one.last for one in holes)
        assert all(bridge.last - bridge.first < gap for bridge in plan.bridges(read))
