"""Checks of arguments by themselves: what they let through and as what; what they refuse is in test_bad_inputs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmodbus import checks
from untouched import refused


class Indexed:
    """An integer by its `__index__` alone."""

    def __index__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "Indexed()"


@pytest.mark.parametrize("value", [7, np.int8(7), np.uint64(7), Indexed(), np.array(7)], ids=repr)
def test_integers_become_python_ints(value: Any) -> None:
    found = checks.integer("it", value, 0, 10)
    assert found == 7
    assert type(found) is int


@given(st.integers(), st.integers(), st.integers())
def test_integers_are_let_through_exactly_inside_their_range(value: int, low: int, high: int) -> None:
    if low <= value <= high:
        assert checks.integer("it", value, low, high) == value
    else:
        with refused(ValueError, "it", value, low, high):
            checks.integer("it", value, low, high)


@given(st.integers(-10, 70000), st.integers(-10, 70000))
def test_spans_stay_inside_the_table(address: int, count: int) -> None:
    if 0 <= address <= 65535 and count >= 1 and address + count <= 65536:
        assert checks.span(address, count) == (address, count)
    else:
        with pytest.raises(ValueError, match="allowed"):
            checks.span(address, count)


@given(st.lists(st.integers(-5, 70000), min_size=1, max_size=20), st.sampled_from(["list", "int64", ">i4", "float64"]))
def test_registers_never_wrap(values: list[int], kind: str) -> None:
    given_values: Any = values if kind == "list" else np.array(values, kind)
    if kind == "float64":
        with refused(TypeError, "values", "float64"):
            checks.registers("values", given_values)
    elif all(0 <= value <= 65535 for value in values):
        found = checks.registers("values", given_values)
        assert found.tolist() == values
        assert found.dtype == np.uint16
        assert found.dtype.isnative
        assert found.flags.c_contiguous
    else:
        first = next(i for i, value in enumerate(values) if not 0 <= value <= 65535)
        with refused(ValueError, f"values[{first}]", values[first], "0 to 65535"):
            checks.registers("values", given_values)


@pytest.mark.parametrize("dtype", [bool, object, "U1", "datetime64[s]", complex])
def test_registers_of_other_dtypes(dtype: Any) -> None:
    with refused(TypeError, "values", str(np.dtype(dtype)), "0 to 65535"):
        checks.registers("values", np.ones(2, dtype) if dtype not in ("U1", "datetime64[s]") else np.empty(2, dtype))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_bits(values: list[bool]) -> None:
    for given_values in (values, tuple(values), np.array(values), np.array(values, np.int64), map(int, values)):
        found = checks.bits("values", given_values)
        assert found.tolist() == values
        assert found.dtype == bool


def test_a_good_target_is_returned_as_it_is() -> None:
    out = np.zeros(3, np.uint16)
    assert checks.target(out, 3, np.dtype(np.uint16)) is out
    inner = np.zeros((2, 3), bool)[1]
    assert checks.target(inner, 3, np.dtype(bool)) is inner


def test_records() -> None:
    assert checks.records([(1, 2, 3), [4, 5, 6]], "triples") == [(1, 2, 3), (4, 5, 6)]
    assert checks.records(iter([(1, 2, "x")]), "triples") == [(1, 2, "x")]
    with refused(TypeError, "records[1]", (4, 5), "a sequence of triples"):
        checks.records([(1, 2, 3), (4, 5)], "triples")
