"""A tag's value to the registers or coils that are written, checked before a byte is sent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .._core import program as core
from .._core.program import Program
from ..address import BIT_AREAS, did_you_mean
from ..tags import Tag
from .compiling import meaning_of, split_scale
from .encoding import encode_bits, encode_numbers, encode_texts, is_array, number_array, type_limits

WHOLE = 0xFFFF
LOW_BYTE, HIGH_BYTE = 0x00FF, 0xFF00


class Encoded(NamedTuple):
    """What to write.

    Parameters
    ----------
    values : numpy.ndarray of uint16, or of bool for coils
        From the tag's address on.
    masks : numpy.ndarray of uint16, or None
        The bits of each register that are the tag's, where it does not have whole registers: bits and bytes. A mask
        write (Application Protocol V1.1b3, 6.16) takes ``and_mask = ~mask`` and ``or_mask = value``.
    """

    values: NDArray[Any]
    masks: NDArray[np.uint16] | None = None


@lru_cache(maxsize=1024)
def _program(tag: Tag) -> Program:
    # A scale factor is given with each value, so that none is compiled in.
    return Program(0, 0, [meaning_of(tag)._replace(elements=1)], [])


def encode_tag(tag: Tag, value: Any, *, exponent: int | None = None) -> Encoded:
    """The registers or coils of a value.

    Parameters
    ----------
    tag : Tag
        Where and what.
    value : number, bool, str, or a sequence of them for an array
        In the tag's units; a label's text stands for its number. Scaled numbers are rounded to the nearest step.
    exponent : int, optional
        The value of the tag's scale factor, for a tag that has one.

    Raises
    ------
    ValueError
        Naming the tag: beyond the type or ``write_limits``, NaN, a fraction where there is no scale, a string that is
        too long, another number of elements, an unknown label, no scale factor.
    TypeError
        Not a value of this kind.
    """
    address = tag.address
    what = f"tag {tag.name!r}" if tag.name == str(address) else f"tag {tag.name!r} ({address})"
    values = _elements(what, tag, value)
    kind = address.kind
    if kind.kind == "bool" and address.count is None:
        values = [checks.boolean(what, values[0])]
    if address.area in BIT_AREAS:
        return Encoded(checks.bits(what, values))
    if kind.kind == "bool":
        return Encoded(*encode_bits(what, values, address.bit or 0))
    if kind.kind == "str":
        return Encoded(encode_texts(what, _program(tag), kind, values))
    numbers = number_array(what, [_unlabelled(what, tag, one) for one in values])
    _check_limits(what, tag, numbers)
    registers = encode_numbers(what, _program(tag), kind, numbers, exponent=_exponent(what, tag, exponent),
                               limits=_limits(tag, exponent))  # fmt: skip
    if not kind.is_byte:
        return Encoded(registers)
    return Encoded(registers, np.full(len(registers), HIGH_BYTE if address.high else LOW_BYTE, np.uint16))


def _elements(what: str, tag: Tag, value: Any) -> Sequence[Any] | NDArray[Any]:
    """The elements to write; as many as the tag has."""
    array = is_array(value)
    if tag.address.count is None:
        if array:
            raise TypeError(f"{what}: {value!r} is an array, and the tag is a single value")
        return [value]
    if not array:
        raise TypeError(f"{what}: {value!r} is no array, and the tag has {tag.address.count} elements")
    if len(value) != tag.address.count:
        raise ValueError(f"{what}: {len(value)} values are given, and the tag has {tag.address.count} elements")
    elements: Sequence[Any] | NDArray[Any] = value
    return elements


def _unlabelled(what: str, tag: Tag, value: Any) -> Any:
    if not isinstance(value, str) or not tag.labels:
        return value
    for number, label in tag.labels.items():
        if label == value:
            return number
    raise ValueError(f"{what}: no label {value!r}{did_you_mean(value, tag.labels.values())}")


def _exponent(what: str, tag: Tag, exponent: int | None) -> int | None:
    if not tag.scale_from:
        return None
    if exponent is None:
        raise ValueError(f"{what}: the value of its scale factor {tag.scale_from!r} is needed")
    most = core.LARGEST_EXPONENT
    return checks.integer(f"{what}: the scale factor {tag.scale_from!r}", exponent, -most, most)


def _check_limits(what: str, tag: Tag, numbers: NDArray[Any]) -> None:
    if tag.write_limits is None:
        return
    low, high = tag.write_limits
    outside = np.flatnonzero(~((numbers >= low) & (numbers <= high)))
    if outside.size:
        raise ValueError(f"{what}: {numbers[outside[0]]} is not within its write limits, {low} to {high}")


def _limits(tag: Tag, exponent: int | None) -> tuple[float, float]:
    """What the type can hold, in the tag's units."""
    if tag.raw:
        return type_limits(tag.address.kind)
    multiply, divide = split_scale(tag.scale)
    power = 10.0 ** (exponent or 0)
    ends = [end * multiply / divide * power + tag.offset for end in type_limits(tag.address.kind)]
    return min(ends), max(ends)
