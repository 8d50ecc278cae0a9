"""The column of reasons: what is not good in each row, whatever the order in which it was found."""

import numpy as np
import pytest

from fastmodbus.samples.layout import Layout
from fastmodbus.tags import Tag

pa = pytest.importorskip("pyarrow")

from fastmodbus.samples.reasons import Reasons  # noqa: E402

TAGS = (Tag("a", "hr0"), Tag("list", "hr1[3]"), Tag("b", "hr4"), Tag("c", "hr5:f32"), Tag("end", "hr9[2]"))
LAYOUT = Layout.of_tags(TAGS)
ROWS = 9


@pytest.mark.parametrize("seed", range(5))
def test_each_reason_stands_in_its_row_under_its_name(seed):
    dice = np.random.default_rng(seed)
    shapes = [(ROWS,) if tag.address.count is None else (ROWS, tag.address.count) for tag in TAGS]
    found = [dice.choice([0, 0, 0, 1, 2, 131], shape).astype(np.uint8) for shape in shapes]
    for quality in found:
        quality[4] = 0
    reasons = Reasons(LAYOUT)
    for number in (4, 1):
        reasons.add(number, found[number])
    reasons.add_columns(np.array([3, 0, 2]), np.stack([found[3], found[0], found[2]]))
    named = [(name, found[number].reshape(ROWS, -1)[:, at])
             for number, names in enumerate(LAYOUT.elements) for at, name in enumerate(names)]  # fmt: skip
    wanted = [[(name, int(quality[row])) for name, quality in named if quality[row]] or None for row in range(ROWS)]
    assert wanted[4] is None
    assert reasons.column(ROWS).to_pylist() == wanted


def test_where_all_is_good_there_is_nothing():
    reasons = Reasons(LAYOUT)
    assert reasons.column(3).to_pylist() == [None] * 3
    reasons.add(1, np.zeros((3, 3), np.uint8))
    reasons.add_columns(np.array([], np.intp), np.zeros((0, 3), np.uint8))
    assert reasons.column(3).to_pylist() == [None] * 3
