"""From types, orders and tags to the plain numbers of the core's decode programs. Only this package uses it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._core import program as core
from ..address import BIT_AREAS, Address, ValueType
from ..tags import Number, Tag

BYTES, WORDS, HALVES = (core.SWAPS[name] for name in ("bytes", "words", "halves"))
# Against ABCD, the registers in the order of the wire.
_SWAPS = {
    "": 0, "AB": 0, "BA": BYTES, "ABCD": 0, "CDAB": WORDS | HALVES, "BADC": BYTES, "DCBA": BYTES | WORDS | HALVES,
    "CDABGHEF": WORDS,
}  # fmt: skip
_RAW_DTYPES = {
    "bool": "bool", "u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "bcd16": "u2", "bcd32": "u4",
    "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8", "f16": "f2", "f32": "f4", "f64": "f8",
}  # fmt: skip


class Meaning(NamedTuple):
    """A value as the core takes it, in the order of its tuples; see ``Program`` in the core's stub."""

    kind: int
    form: int
    swaps: int
    bit: int = 0
    elements: int = 1
    single: bool = True
    text_size: int = 0
    multiply: float = 1.0
    divide: float = 1.0
    offset: float = 0.0
    limits: tuple[float, float] | None = None
    factor: int = -1
    missing: tuple[int | float | bytes, ...] = ()


def raw_dtype(kind: ValueType) -> np.dtype[Any]:
    """The dtype of the device's own numbers; bytes for strings."""
    return np.dtype(f"S{kind.bits // 8}" if kind.kind == "str" else _RAW_DTYPES[kind.name])


def value_dtype(kind: ValueType, form: int) -> np.dtype[Any]:
    """The dtype of a column of values."""
    return raw_dtype(kind) if form == core.FORMS["raw"] else np.dtype("f8" if form == core.FORMS["float64"] else "f4")


def column_dtype(tag: Tag) -> np.dtype[Any]:
    """The dtype of a tag's column of values; text has room for all that may come."""
    kind = tag.address.kind
    return np.dtype(f"U{kind.bits // 8}") if kind.kind == "str" else value_dtype(kind, core.FORMS[form_of(tag)])


def raw_column_dtype(tag: Tag) -> np.dtype[Any]:
    """The dtype of a column of the device's own numbers; for bools and text that of the values."""
    kind = tag.address.kind
    return column_dtype(tag) if kind.kind in ("bool", "str") else raw_dtype(kind)


def meaning_of_type(
    kind: ValueType, order: str, form: str, *, bit: int = 0, high: bool = False, elements: int | None = None
) -> Meaning:
    """A type and nothing else: no scale, no name."""
    name = "str" if kind.kind == "str" else "bit" if kind.kind == "bool" else kind.name
    swaps = BYTES if high else _SWAPS[order]
    if kind.registers > 1 and kind.kind != "str":
        swaps ^= core.SWAPS["host"]
    return Meaning(core.KINDS.index(name), core.FORMS[form], swaps, bit, elements or 1, elements is None,
                   kind.bits // 8 if kind.kind == "str" else 0)  # fmt: skip


def form_of(tag: Tag) -> str:
    """What the column of a tag holds: fixed by the tag, never by the data."""
    kind = tag.address.kind
    if kind.kind in ("bool", "str") or (tag.raw and (tag.labels or tag.bits)):
        return "raw"
    return "float32" if kind.kind == "float" and kind.bits <= 32 else "float64"


def meaning_of(tag: Tag, factor: int = -1) -> Meaning:
    """A tag with its scaling and checks; ``factor`` is the number of its scale factor in the program."""
    address = tag.address
    plain = meaning_of_type(address.kind, address.order, form_of(tag), bit=address.bit or 0, high=address.high,
                            elements=address.count)  # fmt: skip
    if address.area in BIT_AREAS:
        return plain._replace(kind=core.KINDS.index("coil"))
    multiply, divide = split_scale(tag.scale)
    limits = None if tag.valid is None else (float(tag.valid[0]), float(tag.valid[1]))
    return plain._replace(multiply=multiply, divide=divide, offset=float(tag.offset), limits=limits, factor=factor,
                          missing=tuple(_missing(address, one) for one in tag.missing))  # fmt: skip


def split_scale(scale: Number) -> tuple[float, float]:
    """Multiplier and divisor: 0.1 divides by 10, so that 137 becomes 13.7 and not 13.700000000000001."""
    if 0 < scale < 1:
        inverse = round(1 / scale)
        if 1 / inverse == scale and str(inverse).strip("0") == "1":
            return 1.0, float(inverse)
    return float(scale), 1.0


def _missing(address: Address, value: Number | str) -> int | float | bytes:
    """A missing value as it arrives: text without the blanks that are cut off, a float in its own precision."""
    if isinstance(value, str):
        return value.split("\0")[0].rstrip(" ").encode()
    if address.kind.kind != "float":
        return int(value)
    try:
        return float(np.dtype(_RAW_DTYPES[address.type]).type(value))
    except OverflowError:
        return float(value)
