"""Columns and records: where columns lie, which objects are made of them, and the dicts of these."""

import numpy as np
import pytest

from fastmodbus._core.program import Columns, Program, Record
from fastmodbus.address import value_type
from fastmodbus.values.compiling import meaning_of_type


def meaning(kind, order):
    """A value's tuple."""
    return meaning_of_type(value_type(kind), order, "float64")


def test_columns_never_lie_a_page_apart():
    program = Program(2, 0, [meaning("f64", "ABCD")] * 4, [])
    for rows in (64, 512, 1024, 4096):
        columns = Columns(program, np.empty(program.block_size(rows), np.uint8), rows)
        starts = [columns.offsets(number)[0] for number in range(4)]
        assert all(8 * rows <= step < 8 * rows + 128 for step in np.diff(starts))
        assert all(step % 4096 for step in np.diff(starts))


def test_a_record_makes_a_dict_of_its_own_each_time():
    record = Record(["a", "b", "c"])
    first = record.of([1, "x", None])
    assert list(first.items()) == [("a", 1), ("b", "x"), ("c", None)]
    first["a"] = first["d"] = 5
    assert record.of([1, 2.5, None, 4]) == {"a": 1, "b": 2.5, "c": None}
    assert record.of([True, 2.5, 0]) == {"a": True, "b": 2.5, "c": 0}
    assert first == {"a": 5, "b": "x", "c": None, "d": 5}
    with pytest.raises(ValueError, match="too few values"):
        record.of([1])


def test_objects_of_values_that_did_not_change_are_the_same():
    kinds = [("u16", "AB"), ("f32", "ABCD"), ("i64", "ABCD")]
    program = Program(7, 1, [meaning(*kind) for kind in kinds], [(0, 0, 0, 1), (1, 1, 0, 1), (2, 3, 0, 1)])
    columns = Columns(program, np.zeros(program.block_size(2), np.uint8), 2)

    def read(*words, row=None):
        row = columns.spare_row if row is None else row
        program.run(np.array(words, np.uint16), b"", columns, row)
        return columns.objects(row)

    first = read(1000, 0x4366, 0, 1, 2, 3, 4)
    again = read(1000, 0x4366, 0, 1, 2, 3, 4)
    assert all(one is other for one, other in zip(first, again, strict=True))
    other = read(1001, 0x4366, 0, 1, 2, 3, 5)
    assert (other[0], other[2]) == (1001, first[2] + 1)
    assert other[1] is first[1]
    kept = other.copy()
    other.clear()
    assert read(1001, 0x4366, 0, 1, 2, 3, 5) == kept
    # A row that was decoded again is no measure: neither by itself nor for the other one.
    row = 1 - columns.spare_row
    program.run(np.array([7, 0, 0, 0, 0, 0, 7], np.uint16), b"", columns, row)
    assert read(7, 0, 0, 0, 0, 0, 7) == [7, 0.0, 7]
    row = 1 - columns.spare_row
    assert read(8, 0, 0, 0, 0, 0, 8, row=row) == [8, 0.0, 8]
    program.run_rows(np.full((2, 7), 9, np.uint16), np.zeros((2, 1), np.uint8), columns)
    assert columns.objects(columns.spare_row)[0] == 9
