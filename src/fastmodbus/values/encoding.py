"""Values to registers: what is given becomes numbers, bits or bytes, the core's program does the rest. Errors say what.

Only this package uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .._core import program as core
from .._core.program import Program
from ..address import REGISTER, ValueType

_SIGNED, _UNSIGNED = 1 << 63, 1 << 64
_NOT_FINITE, _NO_STEP = core.ENCODINGS["not finite"], core.ENCODINGS["no step"]


def is_array(value: Any) -> bool:
    """Whether a value is several."""
    return value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, (list, tuple, range))


def as_number(what: str, value: Any) -> int | float:
    """An int or a float, exactly what was given; a bool is no number here, nor is text."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.floating)):
        raise TypeError(f"{what}: {value!r} is no number")
    return float(value)


def number_array(what: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Numbers as a contiguous array of float64, int64 or uint64, one dimension."""
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{what}: the values have shape {values.shape}; one dimension is needed")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like others
            return np.ascontiguousarray(values, {"i": np.int64, "u": np.uint64, "f": np.float64}[values.dtype.kind])
    numbers = [as_number(what, value) for value in values]
    numbers = [int(one) if float(one).is_integer() and abs(one) < _UNSIGNED else one for one in numbers]
    whole = [one for one in numbers if isinstance(one, int)]
    if len(whole) < len(numbers):
        return np.array(numbers, np.float64)
    lowest, highest = min(whole), max(whole)
    if lowest >= -_SIGNED and highest < _SIGNED:
        return np.array(whole, np.int64)
    return np.array(whole, np.uint64 if lowest >= 0 and highest < _UNSIGNED else np.float64)


def encode_numbers(
    what: str, program: Program, kind: ValueType, values: Sequence[Any] | NDArray[Any], *, exponent: int | None = None,
    any_float: bool = False, limits: tuple[float, float] | None = None,
) -> NDArray[np.uint16]:  # fmt: skip
    """The registers of numbers, by the only value of a program; ``limits`` are of the type, for the message."""
    numbers = number_array(what, values)
    form = core.SOURCES[{"f": "float", "i": "signed", "u": "unsigned"}[numbers.dtype.kind]]
    out = np.zeros(len(numbers) * kind.registers, np.uint16)
    status, at = program.encode(0, numbers.view(np.uint64), form, exponent, any_float, out)
    if status:
        _refuse(what, status, values[at], kind, limits or type_limits(kind))
    return out


def type_limits(kind: ValueType) -> tuple[float, float]:
    """The lowest and highest number of a type."""
    if kind.kind == "float":
        highest = float(np.finfo(f"f{kind.bits // 8}").max)
        return -highest, highest
    if kind.kind == "bcd":
        return 0, 10 ** (kind.bits // 4) - 1
    highest = (1 << (kind.bits - (kind.kind == "int"))) - 1
    return (-highest - 1 if kind.kind == "int" else 0), highest


def _refuse(what: str, status: int, value: Any, kind: ValueType, limits: tuple[float, float]) -> NoReturn:
    if status == _NOT_FINITE:
        raise ValueError(f"{what}: {value!s} is no finite number")
    if status == _NO_STEP:
        raise ValueError(f"{what}: {value!s} is no whole number, and {kind.name} without a scale has no others")
    raise ValueError(f"{what}: {value!s} does not fit into {kind.name}; allowed are {limits[0]} to {limits[1]}")


def encode_bits(what: str, values: Any, bit: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Bools to the bits of registers, from ``bit`` of the first one upwards; and which bits these are."""
    bits = checks.bits(what, values)
    places = bit + np.arange(len(bits))
    registers, masks = np.zeros((2, int(places[-1]) // REGISTER + 1), np.uint16)
    ones = np.left_shift(1, places % REGISTER).astype(np.uint16)
    np.bitwise_or.at(masks, places // REGISTER, ones)
    np.bitwise_or.at(registers, places // REGISTER, ones * bits)
    return registers, masks


def encode_texts(
    what: str, program: Program, kind: ValueType, values: Sequence[Any] | NDArray[Any]
) -> NDArray[np.uint16]:
    """The registers of strings: printable ASCII, filled up with NUL."""
    out = np.zeros(len(values) * kind.registers, np.uint16)
    for number, value in enumerate(values):
        text = _text(what, value, kind.bits // 8)
        program.encode_text(0, text, out[number * kind.registers : (number + 1) * kind.registers])
    return out


def _text(what: str, value: Any, size: int) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{what}: {value!r} is no text")
    if not value.isascii() or "\0" in value:
        raise ValueError(f"{what}: {value!r} has NUL, or characters that are not ASCII")
    if len(value) > size:
        raise ValueError(f"{what}: {value!r} has {len(value)} characters; there is room for {size}")
    return value.encode("ascii")
