"""Where the columns of a Samples come from: a decoded table, or arrays at hand; and when their reads went and came.

Only this package uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..tags import Tag
from ..values import Table, column_dtype, raw_column_dtype

Index = slice | NDArray[Any]
T = TypeVar("T")
CODES = 256


class Source(Protocol):
    """Arrays by the number of a column. Their first axis has the rows.

    ``good`` says whether everything is, ``counts`` how many values have each quality.
    """

    def values(self, number: int, /) -> NDArray[Any]: ...
    def raw(self, number: int, /) -> NDArray[Any] | None: ...
    def quality(self, number: int, /) -> NDArray[np.uint8]: ...
    @property
    def good(self) -> bool: ...
    def counts(self) -> NDArray[np.int64]: ...


class Decoded:
    """Columns of a decoded table; ``numbers`` says which value of it each column is."""

    __slots__ = ("good", "numbers", "table")

    def __init__(self, table: Table, numbers: Sequence[int]) -> None:
        self.table, self.numbers, self.good = table, numbers, not table.qualities.any()

    def values(self, number: int) -> NDArray[Any]:
        return self.table.values(self.numbers[number])

    def raw(self, number: int) -> NDArray[Any] | None:
        return self.table.raw(self.numbers[number])

    def quality(self, number: int) -> NDArray[np.uint8]:
        return self.table.quality(self.numbers[number])

    def counts(self) -> NDArray[np.int64]:
        qualities = self.table.qualities
        if sorted(self.numbers) != list(range(len(self.table.decoder.plan.tags))):
            return _counts(map(self.quality, range(len(self.numbers))))
        found = np.bincount(qualities[qualities != 0], minlength=CODES)
        found[0] = self.table.rows * sum(tag.address.length for tag in self.table.decoder.plan.tags) - found.sum()
        return found


class Held:
    """Arrays at hand. ``raw`` has None where the device's own numbers were not kept."""

    __slots__ = ("_quality", "_raw", "_values")

    def __init__(
        self,
        values: Sequence[NDArray[Any]],
        raw: Sequence[NDArray[Any] | None],
        quality: Sequence[NDArray[np.uint8]],
    ) -> None:
        self._values, self._raw, self._quality = values, raw, quality

    def values(self, number: int) -> NDArray[Any]:
        return self._values[number]

    def raw(self, number: int) -> NDArray[Any] | None:
        return self._raw[number]

    def quality(self, number: int) -> NDArray[np.uint8]:
        return self._quality[number]

    @property
    def good(self) -> bool:
        return not any(quality.any() for quality in self._quality)

    def counts(self) -> NDArray[np.int64]:
        return _counts(self._quality)


def _counts(qualities: Iterable[NDArray[np.uint8]]) -> NDArray[np.int64]:
    found = np.zeros(CODES, np.int64)
    for quality in qualities:
        found += np.bincount(quality.ravel(), minlength=CODES)
    return found


def nothing(tags: Sequence[Tag]) -> Held:
    """Columns without rows."""
    shapes = [(0,) if tag.address.count is None else (0, tag.address.count) for tag in tags]
    pairs = list(zip(tags, shapes, strict=True))
    return Held(
        [np.zeros(shape, column_dtype(tag)) for tag, shape in pairs],
        [np.zeros(shape, raw_column_dtype(tag)) for tag, shape in pairs],
        [np.zeros(shape, np.uint8) for shape in shapes],
    )


def taken(source: Source, columns: int, index: Index) -> Held:
    """Some of the rows."""
    numbers = range(columns)
    raw = map(source.raw, numbers)
    return Held(
        [source.values(number)[index] for number in numbers],
        [None if one is None else one[index] for one in raw],
        [source.quality(number)[index] for number in numbers],
    )


def joined(sources: Sequence[Source], columns: int) -> Held:
    """The rows of several, one after the other."""
    numbers = range(columns)
    return Held(
        [np.concatenate([one.values(number) for one in sources]) for number in numbers],
        [_joined_raw([one.raw(number) for one in sources]) for number in numbers],
        [np.concatenate([one.quality(number) for one in sources]) for number in numbers],
    )


def _joined_raw(arrays: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    known = [one for one in arrays if one is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


class Named(Mapping[str, T]):
    """Something for each column, made when it is asked for."""

    __slots__ = ("_make", "_numbers")

    def __init__(self, numbers: Mapping[str, int], make: Callable[[int], T]) -> None:
        self._numbers, self._make = numbers, make

    def __getitem__(self, name: str) -> T:
        return self._make(self._numbers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """When the requests of each row went and were answered.

    Parameters
    ----------
    sent, received : numpy.ndarray of int64, shape (rows, n)
        Monotonic ns, 0 where there was none.
    which : tuple of tuple of int
        For each column the numbers, below n, of the requests that brought it.
    """

    sent: NDArray[np.int64]
    received: NDArray[np.int64]
    which: tuple[tuple[int, ...], ...]

    @classmethod
    def unknown(cls, rows: int, columns: int) -> Timing:
        """Nothing is known."""
        nothing = np.zeros((rows, 0), np.int64)
        return cls(nothing, nothing, ((),) * columns)

    def first_sent(self, number: int) -> NDArray[np.int64]:
        """When the first of a column's requests went; 0 where none did."""
        times = self.sent[:, list(self.which[number])]
        never = np.iinfo(np.int64).max
        found = np.where(times == 0, never, times).min(axis=1, initial=never)
        return np.where(found == never, 0, found)

    def last_received(self, number: int) -> NDArray[np.int64]:
        """When a column was there in full; 0 where it never was."""
        which = list(self.which[number])
        times = self.received[:, which]
        if not which:
            return np.zeros(len(times), np.int64)
        return np.where((times == 0).any(axis=1), 0, times.max(axis=1))

    def taken(self, index: Index) -> Timing:
        """Some of the rows."""
        return Timing(self.sent[index], self.received[index], self.which)

    def by_column(self) -> Timing:
        """The same with a request of its own for each column, so that timings of different plans fit together."""
        numbers = range(len(self.which))
        empty = np.zeros((len(self.sent), 0), np.int64)
        return Timing(
            np.stack([self.first_sent(number) for number in numbers], axis=1) if self.which else empty,
            np.stack([self.last_received(number) for number in numbers], axis=1) if self.which else empty,
            tuple((number,) for number in numbers),
        )


def joined_timing(parts: Sequence[Timing]) -> Timing:
    """The timings one after the other."""
    if any(part.which != parts[0].which or part.sent.shape[1] != parts[0].sent.shape[1] for part in parts):
        parts = [part.by_column() for part in parts]
    return Timing(
        np.concatenate([part.sent for part in parts]), np.concatenate([part.received for part in parts]), parts[0].which
    )
