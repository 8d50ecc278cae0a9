"""The column ``_quality`` of an Arrow table: for each row the reasons of what is not good in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

    from .layout import Layout


class Reasons:
    """What is not good, collected bit by bit in any order.

    A device that is off makes as many reasons as values, so nothing is done in Python for each.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rows: list[NDArray[np.intp]] = []
        self._elements: list[NDArray[np.intp]] = []
        self._codes: list[NDArray[np.uint8]] = []

    def add(self, number: int, quality: NDArray[np.uint8]) -> None:
        """The qualities of one column, shape (rows,) or (rows, elements)."""
        flat = quality.reshape(len(quality), -1)
        rows, elements = np.nonzero(flat)
        self._add(rows, self._firsts[number] + elements, flat[rows, elements])

    def add_columns(self, numbers: NDArray[np.intp], quality: NDArray[np.uint8]) -> None:
        """The qualities of columns without arrays, shape (columns, rows)."""
        columns, rows = np.nonzero(quality)
        self._add(rows, self._firsts[numbers[columns]], quality[columns, rows])

    def _add(self, rows: NDArray[np.intp], elements: NDArray[np.intp], codes: NDArray[np.uint8]) -> None:
        self._rows.append(rows)
        self._elements.append(elements)
        self._codes.append(codes)

    @property
    def _firsts(self) -> NDArray[np.intp]:
        """For each column the number of its first element among those of all."""
        known: NDArray[np.intp] | None = self._layout.exports.get("first elements")
        if known is None:
            ends = np.cumsum([len(names) for names in self._layout.elements], dtype=np.intp)
            known = self._layout.exports["first elements"] = np.concatenate([np.zeros(1, np.intp), ends])
        return known

    def _names(self) -> pyarrow.Array:
        import pyarrow as pa

        known = self._layout.exports.get("names of elements")
        if known is None:
            names = [name for names in self._layout.elements for name in names]
            known = self._layout.exports["names of elements"] = pa.array(names, pa.string())
        return known

    def column(self, rows: int) -> Any:
        """The column: null for a row that is good throughout, else a map in the order of the columns."""
        import pyarrow as pa

        type = pa.map_(pa.string(), pa.uint8())
        if not self._rows:
            return pa.nulls(rows, type)
        where, elements = np.concatenate(self._rows), np.concatenate(self._elements)
        order = np.lexsort((elements, where))
        counts = np.bincount(where, minlength=rows)
        offsets = np.zeros(rows + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        return pa.MapArray.from_arrays(
            pa.array(offsets, mask=np.append(counts == 0, False)),
            self._names().take(pa.array(elements[order])),
            pa.array(np.concatenate(self._codes)[order]),
            type=type,
        )
