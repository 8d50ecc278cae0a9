"""The messages of an Arrow stream, for recordings: many columns of few rows, again and again.

Of rows that are all good one message differs from the next in its values alone. Arrow makes the first message of so
many rows; the next ones are copies of it with other values. Where these lie is asked of Arrow, and what does not come
out as Arrow has it, to the byte, is left to Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..values import column_dtype, raw_column_dtype
from .arrow import to_batch
from .columns import Decoded
from .elements import is_whole

if TYPE_CHECKING:
    import pyarrow

    from .table import Samples

_MOST = 8  # templates of a layout: numbers of rows that come again
_RUN = 8  # columns at equal distances that are copied together; of fewer, each piece by itself costs less
_Place = tuple[int, int, int]  # of a column's values: where from, bytes, where to


def message_of(samples: Samples, schema: pyarrow.Schema) -> Any:
    """The rows as a message of a stream of that schema: bytes of some kind."""
    if not isinstance(samples.source, Decoded) or not samples.source.good:
        return to_batch(samples, schema).serialize()
    known = samples.layout.exports.setdefault("messages", {})
    template = known.get(samples.rows)
    if template is not None:
        return template.filled(samples)
    made = to_batch(samples, schema).serialize()
    if samples.rows not in known and len(known) < _MOST:
        known[samples.rows] = _Template.of(samples, made, schema)
    return made


class _Template:
    """A message of so many good rows, and where its values come from."""

    def __init__(self, message: NDArray[np.uint8], time: int, row: int) -> None:
        self._message, self._time, self._row = message, time, row
        self._bits: list[tuple[int, int, int, int]] = []  # where from, how many, where to, bytes
        self._places: list[_Place] = []
        self._runs: list[list[_Place]] = []
        self._unit = 8
        self._from = self._to = np.zeros(0, np.intp)

    @classmethod
    def of(cls, samples: Samples, made: pyarrow.Buffer, schema: pyarrow.Schema) -> Self | None:
        """The template that a message makes; None where one cannot be made of it."""
        import pyarrow as pa

        assert isinstance(samples.source, Decoded)
        batch = pa.ipc.read_record_batch(made, schema)
        starts = [_start(column, made.address) for column in batch.columns[:-1]]
        if None in starts or batch.columns[-1].null_count != samples.rows:
            return None
        found = cls(np.array(np.frombuffer(made, np.uint8)), starts[0] or 0, starts[-1] or 0)
        for number, (tag, to) in enumerate(zip(samples.layout.tags, starts[1:-1], strict=True)):
            dtype, (values, raw, _) = column_dtype(tag), samples.source.table.places(samples.source.numbers[number])
            if is_whole(tag):
                dtype, values = raw_column_dtype(tag), raw
            found._add(dtype, values, samples.rows * tag.address.length, to or 0)
        found._index()
        return found if bytes(found.filled(samples)) == bytes(made) else None

    def _add(self, dtype: np.dtype[Any], start: int, count: int, to: int) -> None:
        if dtype.kind == "b":
            self._bits.append((start, count, to, (count + 7) // 8))
        else:
            self._places.append((start, count * dtype.itemsize, to))

    def _index(self) -> None:
        """Find the columns that can be copied together; the others are gathered and scattered in the largest pieces."""
        runs = _runs(self._places)
        self._runs = [run for run in runs if len(run) >= _RUN]
        places = [place for run in runs if len(run) < _RUN for place in run]
        self._unit = gcd(8, len(self._message), *(number for place in places for number in place))
        self._from, self._to = (
            np.concatenate([np.zeros(0, np.intp), *(self._units(place[at], place[1]) for place in places)])
            for at in (0, 2)
        )

    def _units(self, start: int, size: int) -> NDArray[np.intp]:
        return np.arange(start // self._unit, (start + size) // self._unit)

    def filled(self, samples: Samples) -> NDArray[np.uint8]:
        """The message with the values of these rows."""
        assert isinstance(samples.source, Decoded)
        block, message, unit = samples.source.table.block, self._message.copy(), np.dtype(f"u{self._unit}")
        for run in self._runs:
            _columns(message, run, 2)[:] = _columns(block, run, 0)
        if len(self._to):
            message.view(unit)[self._to] = block[: len(block) // self._unit * self._unit].view(unit)[self._from]
        for start, count, to, size in self._bits:
            message[to : to + size] = np.packbits(block[start : start + count], bitorder="little")
        for values, to in ((samples["time"], self._time), (samples.row, self._row)):
            message[to : to + 8 * samples.rows] = np.ascontiguousarray(values).view(np.uint8)
        return message


def _runs(places: list[_Place]) -> list[list[_Place]]:
    """Columns of one size at equal distances, in what they are read from and in what they are written to."""
    found: list[list[_Place]] = []
    for place in sorted(places, key=itemgetter(1)):
        run = found[-1] if found else []
        if not run or run[0][1] != place[1] or (len(run) > 1 and _step(run[-1], place) != _step(run[0], run[1])):
            found.append([place])
        else:
            run.append(place)
    return found


def _step(place: _Place, following: _Place) -> tuple[int, int]:
    return following[0] - place[0], following[2] - place[2]


def _columns(data: NDArray[np.uint8], run: list[_Place], at: int) -> NDArray[np.uint8]:
    """The bytes of a run's columns, one after the other, where they lie."""
    return np.ndarray((len(run), run[0][1]), np.uint8, data, run[0][at], (run[1][at] - run[0][at], 1))


def _start(column: Any, base: int) -> int | None:
    """Where the values of a column without nulls begin; None for one of another form."""
    import pyarrow as pa

    if column.null_count:
        return None
    if pa.types.is_fixed_size_list(column.type):
        return _start(column.values, base)
    if not pa.types.is_primitive(column.type):
        return None
    return int(column.buffers()[1].address - base)


# ------------------------------------------------------------------------------------------------ many at once


def merged(messages: NDArray[np.uint8], schema: pyarrow.Schema, most: int) -> Iterator[pyarrow.RecordBatch]:
    """The rows of messages of one size, in few batches where they are alike but for their values.

    Parameters
    ----------
    messages : numpy.ndarray of uint8, shape (messages, bytes)
    schema : pyarrow.Schema
    most : int
        Rows of a batch that is made of several messages.
    """
    import pyarrow as pa

    at = 0
    while at < len(messages):
        batch, count = pa.ipc.read_record_batch(pa.py_buffer(messages[at]), schema), 1
        if batch.num_rows and all(_can_be_joined(column) for column in batch.columns):
            count = _alike(messages[at : at + max(1, most // batch.num_rows)])
        if count > 1:
            columns = [_joined(column, messages[at : at + count]) for column in batch.columns]
            batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        yield batch
        at += count


def _can_be_joined(column: Any) -> bool:
    """Whether the columns of messages like this one can be put together without Arrow."""
    return column.null_count == len(column) or _start(column, 0) is not None


def _alike(messages: NDArray[np.uint8]) -> int:
    """How many, from the first on, have its head: its number of rows, places, and counts of nulls."""
    size = 8 + int(messages[0, 4:8].copy().view("<i4")[0])
    head = messages[0, :size].tobytes()
    return next((number for number, other in enumerate(messages) if other[:size].tobytes() != head), len(messages))


def _joined(column: Any, messages: NDArray[np.uint8]) -> Any:
    """A column of all messages, given that of the first."""
    import pyarrow as pa

    rows, type = len(column) * len(messages), column.type
    if column.null_count == len(column):
        return pa.nulls(rows, type)
    start = _start(column, messages[0].ctypes.data)
    assert start is not None  # or it cannot be joined
    if pa.types.is_fixed_size_list(type):
        return pa.FixedSizeListArray.from_arrays(_joined(column.values, messages), type=type)
    if pa.types.is_boolean(type):
        bits = messages[:, start : start + (len(column) + 7) // 8]
        return pa.array(np.unpackbits(bits, axis=1, bitorder="little")[:, : len(column)].ravel().astype(bool))
    values = messages[:, start : start + len(column) * type.bit_width // 8]
    return pa.Array.from_buffers(type, rows, [None, pa.py_buffer(np.ascontiguousarray(values))])
