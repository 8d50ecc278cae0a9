"""What users write for addresses and values, and what they are told when it cannot be meant."""

import pytest

from fastmodbus.cli.outcome import UsageError
from fastmodbus.cli.ranges import Range, parse_assignment, parse_range


@pytest.mark.parametrize(
    ("text", "area", "address", "count"),
    [
        ("hr100", "hr", 100, 1),
        ("hr100-110", "hr", 100, 11),
        ("ir100[10]", "ir", 100, 10),
        ("co0-65535", "co", 0, 65536),
        ("DI0x10", "di", 16, 1),
        ("hr0x10-0x1F", "hr", 16, 16),
        ("hr65535[0x1]", "hr", 65535, 1),
        ("hr007", "hr", 7, 1),
    ],
)
def test_ranges(text: str, area: str, address: int, count: int) -> None:
    assert parse_range(text) == Range(text, area, address, count)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a range"),
        ("hr", "is not a range"),
        ("xx5", "is not a range"),
        ("hr-5", "is not a range"),
        ("hr5:f32", "is not a range"),
        ("hr9-3", "addresses go up"),
        ("hr65536", "0 to 65535"),
        ("hr65535[2]", "0 to 65535"),
        ("hr5[0]", "addresses go up"),
        ("100", "hr100"),
    ],
)
def test_no_ranges(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "reading", "other"),
    [
        ("40001", "hr0", "hr40001"),
        ("30010", "ir9", "hr30010"),
        ("10001", "di0", "hr10001"),
        ("00001", "co0", "hr00001"),
    ],
)
def test_a_bare_reference_is_shown_both_readings(text: str, reading: str, other: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_range(text)
    assert f"as {other} (0-based" in str(raised.value)
    assert reading in str(raised.value)


@pytest.mark.parametrize(
    ("text", "area", "address", "values"),
    [
        ("hr40=7", "hr", 40, [7]),
        ("hr40 = 0xFFFF", "hr", 40, [65535]),
        ("hr100=1,2,3", "hr", 100, [1, 2, 3]),
        ("hr100-101=1,2", "hr", 100, [1, 2]),
        ("hr100[2]=1,2", "hr", 100, [1, 2]),
        ("co3=on", "co", 3, [True]),
        ("co8=1,off,TRUE", "co", 8, [True, False, True]),
    ],
)
def test_assignments(text: str, area: str, address: int, values: list[int]) -> None:
    assignment = parse_assignment(text)
    assert (assignment.target.area, assignment.target.address, assignment.values) == (area, address, values)
    assert assignment.target.count == len(values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hr40", "assigns nothing"),
        ("hr40=", "0 to 65535"),
        ("hr40=65536", "0 to 65535"),
        ("hr40=-1", "0 to 65535"),
        ("hr40=1.5", "0 to 65535"),
        ("hr40=on", "0 to 65535"),
        ("co3=2", "on or off"),
        ("ir0=1", "input registers cannot be written"),
        ("di0=1", "discrete inputs cannot be written"),
        ("hr0-2=1,2", "2 values for 3 addresses"),
        ("hr0[1]=1,2", "2 values for 1 addresses"),
        ("hr65535=1,2", "past the last address"),
    ],
)
def test_no_assignments(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_assignment(text)
