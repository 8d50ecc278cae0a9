"""`Samples`: the rows of one device and group as columns, with the reason where a value is missing.

What polls and recordings hand out. Plain values; the exports, which know other libraries, are in modules of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from ..quality import GOOD, Quality
from ..tags import Tag
from .columns import Decoded, Held, Index, Named, Source, Timing, joined, joined_timing, nothing, taken
from .layout import Layout, layout_of
from .rows import Rows
from .statistics import SampleStatistics

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import xarray

Instant = str | datetime | np.datetime64


class Samples(dict[str, NDArray[Any]]):
    """Rows of one device and group: ``"time"`` first, then an array for each tag. It is a dict, and is not changed.

    ``run["time"]`` is datetime64[ns], UTC: the instants of the grid. ``run["kwh"]`` has one row for each of them, shape
    (rows,), or (rows, n) for an array. Numbers are float64 (f16 and f32 float32), NaN where there is none; bools, text,
    and numbers with names for them or for their bits stay what they are, and are False, empty or 0 where there is none.
    The dtype follows from the tag, never from the data.

    Attributes
    ----------
    device, group : str
        Whose rows these are.
    period : float
        Seconds between two rows; 0 for back to back, infinite for what is read once.
    row : numpy.ndarray of int64
        The number of each row since polling began. Rows that were dropped leave a gap here.
    layout, source
        Where columns come from; for the exports.
    """

    __slots__ = ("_due", "_timing", "device", "group", "layout", "period", "row", "source")

    def __init__(
        self,
        layout: Layout,
        source: Source,
        time: NDArray[np.datetime64],
        *,
        due: NDArray[np.int64],
        row: NDArray[np.int64],
        timing: Timing,
        device: str,
        group: str,
        period: float,
    ) -> None:
        values = (np.ascontiguousarray(source.values(number)) for number in range(len(layout.tags)))
        super().__init__({"time": time, **dict(zip(layout.names, values, strict=True))})
        self.layout, self.source, self._due, self._timing = layout, source, due, timing
        self.row, self.device, self.group, self.period = row, device, group, period

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Decode what a poll brought in. The arrays belong to the Samples alone."""
        layout, count, due = layout_of(rows.decoder, rows.keys), len(rows.due), np.array(rows.due, np.int64)
        return cls(
            layout,
            _decoded(rows) if count else nothing(layout.tags),
            (due + rows.anchor).view("M8[ns]"),
            due=due,
            row=np.arange(rows.first_row, rows.first_row + count),
            timing=Timing(np.array(rows.sent, np.int64), np.array(rows.received, np.int64), layout.reads),
            device=rows.device,
            group=rows.group,
            period=rows.period,
        )

    # What is known

    @property
    def rows(self) -> int:
        """How many rows there are. (``len(run)`` counts columns, as in any dict of columns.)"""
        return len(self.row)

    @property
    def first_row(self) -> int:
        """The number of the first row since polling began; 0 if there is none."""
        return int(self.row[0]) if len(self.row) else 0

    @property
    def t(self) -> NDArray[np.float64]:
        """Monotonic seconds of the rows' instants, float64: steps of the wall clock are not in it."""
        return np.asarray(self._due / 1e9)

    @property
    def anchor(self) -> NDArray[np.int64]:
        """What was added to the monotonic clock for the time of day of each row, int64, in ns."""
        return np.asarray(self["time"].view(np.int64) - self._due)

    @property
    def meta(self) -> Mapping[str, Tag]:
        """The `Tag` of each column: ``.units``, ``.address``, ``.description`` and so on."""
        return Named(self.layout.index, self.layout.tags.__getitem__)

    @property
    def raw(self) -> Mapping[str, NDArray[Any]]:
        """The device's own numbers; 0 or NaN where nothing came.

        Files keep scaled values of columns with a scale: after loading their own numbers are a KeyError.
        """
        return Named(self.layout.index, self._raw)

    @property
    def quality(self) -> Mapping[str, NDArray[np.uint8]]:
        """A `Quality` for each value, uint8."""
        return Named(self.layout.index, self.source.quality)

    @property
    def ok(self) -> Mapping[str, NDArray[np.bool_]]:
        """Where the quality is GOOD, bool."""
        return Named(self.layout.index, lambda number: np.asarray(self.source.quality(number) == GOOD))

    @property
    def sent(self) -> Mapping[str, NDArray[np.datetime64]]:
        """When the request for each value went, datetime64[ns]; NaT where none did."""
        return Named(self.layout.index, lambda number: self._clock(self._timing.first_sent(number)))

    @property
    def received(self) -> Mapping[str, NDArray[np.datetime64]]:
        """When the answer with each value came, datetime64[ns]; NaT where none did."""
        return Named(self.layout.index, lambda number: self._clock(self._timing.last_received(number)))

    @property
    def stats(self) -> SampleStatistics:
        """What these rows are worth, in numbers: counts by quality, lateness, round trips."""
        return SampleStatistics.of(self.row, self.qualities, self._due, self._timing)

    @property
    def qualities(self) -> Mapping[Quality, int]:
        """How many values have each quality that there is."""
        if self.source.good:
            return {Quality.GOOD: self.rows * self.layout.width} if self.rows and self.layout.width else {}
        counts = self.source.counts()
        return {Quality(int(number)): int(counts[number]) for number in np.flatnonzero(counts)}

    def _raw(self, number: int) -> NDArray[Any]:
        found = self.source.raw(number)
        if found is None:
            raise KeyError(f"{self.layout.names[number]!r}: the device's own numbers were not kept, only scaled ones")
        return found

    def _clock(self, monotonic: NDArray[np.int64]) -> NDArray[np.datetime64]:
        return np.where(monotonic == 0, np.datetime64("NaT", "ns"), (monotonic + self.anchor).view("M8[ns]"))

    # Parts and sums

    def isel(self, index: int | slice | NDArray[Any] | list[int]) -> Self:
        """Some of the rows, by their position: a number, a slice, positions, or a mask."""
        if isinstance(index, slice):
            return self._taken(index)
        found = np.atleast_1d(np.asarray(index))
        return self._taken(found if found.size else found.astype(np.intp))

    def sel(self, start: Instant | None = None, stop: Instant | None = None) -> Self:
        """The rows from ``start`` on and before ``stop``: ISO text, datetime, datetime64; UTC if no zone is named."""
        time = self["time"]
        within = np.ones(self.rows, bool)
        if start is not None:
            within &= time >= instant("start", start)
        if stop is not None:
            within &= time < instant("stop", stop)
        return self._taken(within)

    def _taken(self, index: Index) -> Self:
        return type(self)(
            self.layout,
            taken(self.source, len(self.layout.tags), index),
            self["time"][index],
            due=self._due[index],
            row=self.row[index],
            timing=self._timing.taken(index),
            device=self.device,
            group=self.group,
            period=self.period,
        )

    # To other libraries

    def to_pandas(self, tz: str | None = "UTC", nullable: bool = False) -> pandas.DataFrame:
        """A DataFrame, with the time as its index; arrays become the columns ``name[0]``, ``name[1]`` ...

        Parameters
        ----------
        tz : str, optional
            The zone in which times are shown; None for UTC without saying so.
        nullable : bool
            Integers stay integers, and what is missing is NA in every column. Otherwise numbers are floats, NaN where
            there are none, and only what has no NaN is nullable: bools, text, numbers with names.
        """
        from .frames import to_pandas

        return to_pandas(self, tz, nullable)

    def to_xarray(self, quality: bool = True) -> xarray.Dataset:
        """A Dataset along ``time`` with the attributes of the CF conventions; ``.to_netcdf()`` writes it.

        Parameters
        ----------
        quality : bool
            With a variable ``name_quality`` beside each.
        """
        from .datasets import to_dataset

        return to_dataset(self, quality)

    def to_arrow(self) -> pyarrow.RecordBatch:
        """A RecordBatch as it stands in files: ``time``, the columns with real nulls, ``_row`` and ``_quality``.

        Integers without a scale stay integers. ``_quality`` is null for a row that is good throughout; else it maps
        what is not good, by name, to its `Quality`.
        """
        from .arrow import to_batch

        return to_batch(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow PyCapsule interface: what `to_arrow` gives, for any library that takes Arrow."""
        import pyarrow

        return pyarrow.Table.from_batches([self.to_arrow()]).__arrow_c_stream__(requested_schema)

    def to_parquet(self, path: str | PathLike[str], compression: str = "zstd") -> None:
        """Write a Parquet file; `fastmodbus.load` reads it, as everything does that knows Parquet."""
        from .arrow import write_parquet

        write_parquet(self, path, compression)

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write a CSV file: UTC times, one column for each element; a missing value is an empty field."""
        from .text import write_csv

        write_csv(self, path)

    def __repr__(self) -> str:
        from .text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from .text import as_html

        return as_html(self)

    # A dict that stays as it is

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        held = taken(self.source, len(self.layout.tags), slice(None))
        state = {name: getattr(self, name) for name in ("row", "device", "group", "period")}
        return _restored, (type(self), self.layout, held, self["time"], self._due, self._timing, state)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("Samples cannot be changed; dict(samples) is a dict of the same arrays that can")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse


def _decoded(rows: Rows) -> Decoded:
    table = rows.decoder.table(len(rows.due))
    rows.decoder.run_rows(rows.images, rows.statuses, table)
    keys = rows.keys
    return Decoded(table, tuple(range(len(rows.decoder.plan.tags)) if keys is None else keys.values()))


def _restored(
    kind: type[Samples],
    layout: Layout,
    held: Held,
    time: NDArray[np.datetime64],
    due: NDArray[np.int64],
    timing: Timing,
    state: dict[str, Any],
) -> Samples:
    return kind(layout, held, time, due=due, timing=timing, **state)


def instant(name: str, value: Instant) -> np.datetime64:
    """A point in time as the time column has it: UTC.

    Parameters
    ----------
    name : str
        What errors call it.
    value : str, datetime or numpy.datetime64
        ISO 8601 text, or a datetime; without a zone it is UTC.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"{name} is {value!r}; a time is written 2026-11-21T14:30:00, UTC or with +01:00"
            ) from None
    if isinstance(value, datetime):
        value = np.datetime64(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
    if not isinstance(value, np.datetime64):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; it must be text, datetime or datetime64")
    found: np.datetime64 = np.array([value], "M8[ns]")[0]
    return found


def concat(parts: Iterable[Samples]) -> Samples:
    """Join Samples of one device and group, one after the other.

    Parameters
    ----------
    parts : iterable of Samples
        At least one; in the order of time, as chunks come.

    Raises
    ------
    ValueError
        Nothing to join, or Samples that differ in device, group, period or columns.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("concat needs at least one Samples")
    first = parts[0]
    for part in parts[1:]:
        _check_alike(first, part)
    return type(first)(
        first.layout,
        joined([part.source for part in parts], len(first.layout.tags)),
        np.concatenate([part["time"] for part in parts]),
        due=np.concatenate([part._due for part in parts]),
        row=np.concatenate([part.row for part in parts]),
        timing=joined_timing([part._timing for part in parts]),
        device=first.device,
        group=first.group,
        period=first.period,
    )


def _check_alike(one: Samples, other: Samples) -> None:
    for name in ("device", "group", "period"):
        if getattr(one, name) != getattr(other, name):
            raise ValueError(f"concat: {name} is {getattr(one, name)!r} in one and {getattr(other, name)!r} in another")
    if not one.layout.fits(other.layout):
        different = {*one.layout.tags} ^ {*other.layout.tags}
        names = ", ".join(sorted({tag.name for tag in different})) or "their order"
        raise ValueError(f"concat: the columns differ in {names}")
