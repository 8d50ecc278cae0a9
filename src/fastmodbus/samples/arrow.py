"""Samples to Arrow and back. This is the format of files: it is versioned, and what was once written stays readable.

A table has ``time`` (timestamp[ns, UTC]), one column for each tag, ``_row`` (int64, the number of the row) and
``_quality``: null for a row that is good throughout, else a map from the names of what is not good to its `Quality`.
Integers whose tag has no scale are the device's own, other numbers are scaled; arrays are fixed-size lists; what is not
good is null. The schema's metadata say the rest, as JSON: ``fastmodbus`` whose rows these are, ``fastmodbus.tags`` the
settings of the tags.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..quality import GOOD
from ..tags import Tag
from ..values import column_dtype, raw_column_dtype
from .columns import Decoded, Held, Timing
from .elements import is_whole
from .layout import Layout
from .reasons import Reasons

if TYPE_CHECKING:
    import pyarrow

    from .table import Samples

FORMAT = "fastmodbus-samples/1"
KEY, TAGS = b"fastmodbus", b"fastmodbus.tags"
TIME, ROW, QUALITY = "time", "_row", "_quality"
# Times and row numbers grow steadily: their differences are small, and often the same.
_STEADY = (TIME, ROW)


# ------------------------------------------------------------------------------------------------ schema


def schema_of(samples: Samples, names: Mapping[str, str] = MappingProxyType({}), **more: Any) -> pyarrow.Schema:
    """The schema of some Samples, with ``more`` in its metadata; ``names`` has columns called unlike their tag."""
    fields = samples.layout.exports.get("arrow")
    if fields is None:
        fields = samples.layout.exports["arrow"] = _fields(samples.layout)
    for tag, name in names.items():
        index = fields.get_field_index(tag)
        fields = fields.set(index, fields.field(index).with_name(name))
    anchor = int(samples.anchor[:1].sum())
    about = {
        "format": FORMAT,
        "version": __version__,
        "device": samples.device,
        "group": samples.group,
        "period": samples.period if math.isfinite(samples.period) else None,  # JSON has no infinity
        "anchor": anchor,
        "plan": samples.layout.requests,
        **({"columns": dict(names)} if names else {}),
        **more,
    }
    return fields.with_metadata({KEY: _json(about), TAGS: _json([_tag_to_json(tag) for tag in samples.layout.tags])})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _fields(layout: Layout) -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(TIME, pa.timestamp("ns", tz="UTC"), nullable=False),
            *(pa.field(tag.name, _type(tag), metadata=_field_metadata(tag)) for tag in layout.tags),
            pa.field(ROW, pa.int64(), nullable=False),
            pa.field(QUALITY, pa.map_(pa.string(), pa.uint8())),
        ]
    )


def _dtype(tag: Tag) -> np.dtype[Any]:
    """What a column of the table holds."""
    return raw_column_dtype(tag) if is_whole(tag) else column_dtype(tag)


def _type(tag: Tag) -> pyarrow.DataType:
    import pyarrow as pa

    dtype = _dtype(tag)
    element = pa.string() if dtype.kind == "U" else pa.from_numpy_dtype(dtype)
    return element if tag.address.count is None else pa.list_(element, tag.address.count)


def _field_metadata(tag: Tag) -> dict[str, str]:
    found = {"address": str(tag.address), "units": tag.units, "description": tag.description}
    return {key: value for key, value in found.items() if value}


def _tag_to_json(tag: Tag) -> dict[str, Any]:
    settings = tag.settings()
    settings["address"] = str(tag.address)
    if tag.address.kind.kind == "float" and tag.missing:
        settings["missing"] = [repr(one) for one in tag.missing]  # JSON has no nan
    return settings


def _tag_from_json(settings: dict[str, Any]) -> Tag:
    tag = Tag(**{name: value for name, value in settings.items() if name != "missing"})
    missing = settings.get("missing", ())
    return tag.replace(missing=[float(one) for one in missing] if tag.address.kind.kind == "float" else missing)


# ------------------------------------------------------------------------------------------------ to Arrow


def to_batch(samples: Samples, schema: pyarrow.Schema | None = None) -> pyarrow.RecordBatch:
    """A RecordBatch of all rows, which shares memory with the Samples where it can."""
    import pyarrow as pa

    schema = schema or schema_of(samples)
    reasons = Reasons(samples.layout)
    if isinstance(samples.source, Decoded):
        columns = _decoded_columns(samples, samples.source, schema, reasons)
    else:
        types = schema.types[1:-2]
        columns = [_column_of(samples, number, type, reasons) for number, type in enumerate(types)]
    time = pa.array(samples[TIME].view(np.int64)).view(schema.field(TIME).type)
    return pa.RecordBatch.from_arrays(
        [time, *columns, pa.array(samples.row), reasons.column(samples.rows)], schema=schema
    )


def _column_of(samples: Samples, number: int, type: Any, reasons: Reasons) -> Any:
    tag, quality = samples.layout.tags[number], samples.source.quality(number)
    data = samples.source.raw(number) if is_whole(tag) else samples[tag.name]
    assert data is not None, "whole numbers are what is kept"
    if not quality.any():
        return _array(data, None, type)
    reasons.add(number, quality)
    return _array(data, quality == GOOD, type)


def _decoded_columns(samples: Samples, source: Decoded, schema: pyarrow.Schema, reasons: Reasons) -> list[Any]:
    """Columns from the block that they were decoded into, as they lie there.

    Recordings have many columns of few rows, so what is done for each column is what counts.
    """
    import pyarrow as pa

    key = f"places of {samples.rows} rows"
    places = samples.layout.exports.get(key)
    if places is None:
        places = samples.layout.exports[key] = _Places(samples, source, schema)
    block, rows, make = pa.py_buffer(source.table.block), samples.rows, pa.Array.from_buffers
    valid = {} if source.good else places.valid(source, reasons)
    return [
        _column_of(samples, number, type, reasons) if number in places.slow
        else make(type, rows, [valid.get(number), block.slice(start, size)])
        for number, (type, start, size) in enumerate(places.columns)
    ]  # fmt: skip


class _Places:
    """Where in the block of a decoded table, with so many rows, columns and qualities lie."""

    def __init__(self, samples: Samples, source: Decoded, schema: pyarrow.Schema) -> None:
        self.columns: list[tuple[Any, int, int]] = []
        self.slow: set[int] = set()  # what Arrow keeps otherwise
        fast, starts = [], []
        for number, (tag, type) in enumerate(zip(samples.layout.tags, schema.types[1:], strict=False)):
            dtype, (values, raw, quality) = _dtype(tag), source.table.places(source.numbers[number])
            self.columns.append((type, raw if is_whole(tag) else values, samples.rows * dtype.itemsize))
            if dtype.kind in "bU" or tag.address.count is not None:
                self.slow.add(number)
            else:
                fast.append(number)
                starts.append(quality)
        self._fast = np.array(fast, np.intp)
        self._qualities = np.array(starts, np.intp)[:, None] + np.arange(samples.rows)

    def valid(self, source: Decoded, reasons: Reasons) -> dict[int, Any]:
        """What is good in the columns that are not good throughout, as bits; the reasons are noted."""
        import pyarrow as pa

        quality = source.table.block[self._qualities]
        poor = np.flatnonzero(quality.any(axis=1))
        numbers, quality = self._fast[poor], quality[poor]
        reasons.add_columns(numbers, quality)
        bits = np.packbits(quality == GOOD, axis=1, bitorder="little")
        room = -bits.shape[1] % 8  # so that each begins where Arrow likes it
        buffer = pa.py_buffer(np.pad(bits, ((0, 0), (0, room))))
        size = bits.shape[1] + room
        return {number: buffer.slice(size * at, size) for at, number in enumerate(numbers.tolist())}


def _array(data: NDArray[Any], good: NDArray[np.bool_] | None, type: Any) -> Any:
    """An array of Arrow; ``good`` is None where everything is."""
    import pyarrow as pa

    if data.ndim > 1:
        flat = _array(data.ravel(), None if good is None else good.ravel(), type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=type)
    if data.dtype.kind in "bU":
        return pa.array(data, type=type, mask=None if good is None else ~good)
    valid = None if good is None else pa.py_buffer(np.packbits(good, bitorder="little"))
    return pa.Array.from_buffers(type, len(data), [valid, pa.py_buffer(np.ascontiguousarray(data))])


def write_parquet(samples: Samples, path: str | PathLike[str], compression: str) -> None:
    """Write a Parquet file; see `Samples.to_parquet`."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_batches([samples.to_arrow()])
    parquet.write_table(table, path, **parquet_options(table.schema, compression))


def parquet_options(schema: pyarrow.Schema, compression: str) -> dict[str, Any]:
    """How Parquet files are written."""
    return {
        "compression": compression,
        "use_dictionary": [name for name in schema.names if name not in _STEADY],
        "column_encoding": dict.fromkeys(_STEADY, "DELTA_BINARY_PACKED"),
    }


# ------------------------------------------------------------------------------------------------ from Arrow


def about_of(schema: pyarrow.Schema) -> dict[str, Any]:
    """What the metadata say.

    Raises
    ------
    ValueError
        No table of ours, or a later format.
    """
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        raise ValueError("the table has no metadata of fastmodbus; it was written by something else")
    about: dict[str, Any] = json.loads(text)
    if about.get("format") != FORMAT:
        raise ValueError(f"the table's format is {about.get('format')!r}; this version reads {FORMAT}")
    return about


def from_table(table: pyarrow.Table) -> Samples:
    """The Samples that a table has."""
    from .table import Samples

    about = about_of(table.schema)
    layout = _layout(table.schema.metadata[TAGS], tuple(about["plan"]))
    time = _numpy(table.column(TIME).cast("int64")).view("M8[ns]")
    quality = _qualities(table, layout)
    names = about.get("columns", {})
    columns = [
        _column(table.column(names.get(tag.name, tag.name)), tag, bad)
        for tag, bad in zip(layout.tags, quality, strict=True)
    ]
    return Samples(
        layout,
        Held([values for values, _ in columns], [raw for _, raw in columns], quality),
        time,
        due=time.view(np.int64) - about["anchor"],
        row=_numpy(table.column(ROW)),
        timing=Timing.unknown(len(time), len(layout.tags)),
        device=about["device"],
        group=about["group"],
        period=math.inf if about["period"] is None else about["period"],
    )


@lru_cache(maxsize=64)
def _layout(tags: bytes, requests: tuple[str, ...]) -> Layout:
    """The layout of a table; the files of a recording share it."""
    return Layout.of_tags(map(_tag_from_json, json.loads(tags)), requests)


def _numpy(column: Any) -> NDArray[Any]:
    """An array of one's own, that can be written to."""
    return np.array(column.to_numpy())


def _column(column: Any, tag: Tag, quality: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Values and the device's own numbers."""
    dtype = _dtype(tag)
    if tag.address.count is not None:
        column = _flat(column)
    blank = {"U": "", "b": False, "f": np.nan}.get(dtype.kind, 0)
    stored = np.array(column.fill_null(blank).to_numpy()).astype(dtype, copy=False).reshape(quality.shape)
    if dtype == column_dtype(tag):
        return stored, stored.astype(raw_column_dtype(tag), copy=False) if tag.raw or dtype.kind != "f" else None
    return np.where(quality == GOOD, stored, np.nan), stored


def _flat(column: Any) -> Any:
    """The elements of a column of fixed-size lists."""
    import pyarrow as pa

    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)


def _qualities(table: pyarrow.Table, layout: Layout) -> list[NDArray[np.uint8]]:
    """The qualities of all columns: GOOD but where ``_quality`` says otherwise."""
    widths = [len(names) for names in layout.elements]
    starts = np.concatenate([[0], np.cumsum(widths)])
    found = np.zeros((table.num_rows, int(starts[-1])), np.uint8)
    place = {name: number for number, name in enumerate(name for names in layout.elements for name in names)}
    at = 0
    for chunk in table.column(QUALITY).chunks:
        _place(chunk, place, found[at : at + len(chunk)])
        at += len(chunk)
    arrays = (
        np.ascontiguousarray(found[:, start : start + width]) for start, width in zip(starts, widths, strict=False)
    )
    return [
        array[:, 0].copy() if tag.address.count is None else array
        for tag, array in zip(layout.tags, arrays, strict=True)
    ]


def _place(chunk: Any, place: dict[str, int], found: NDArray[np.uint8]) -> None:
    """Put the entries of a chunk's maps where they belong."""
    import pyarrow.compute as pc

    entries = chunk.cast(_list_type(chunk.type)).flatten()
    rows = pc.list_parent_indices(chunk.cast(_list_type(chunk.type))).to_numpy()
    names = entries.field(0).dictionary_encode()
    columns = np.array([place[name] for name in names.dictionary.to_pylist()], np.intp)
    found[rows, columns[names.indices.to_numpy()]] = entries.field(1).to_numpy()


def _list_type(type: Any) -> Any:
    import pyarrow as pa

    return pa.list_(pa.struct([pa.field("key", type.key_type, False), pa.field("value", type.item_type)]))
