"""Types and byte orders of values, by their own names, numpy's and those of IEC 61131-3."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple


class ValueType(NamedTuple):
    """What one value is made of.

    ``kind`` is one of bool, int, uint, float, bcd, str; ``bits`` counts the bits that carry the value, ``registers``
    the registers that one element takes.
    """

    name: str
    kind: str
    bits: int
    registers: int

    @property
    def swappable(self) -> bool:
        """Whether the value fills whole registers, so that a byte order means something."""
        return self.kind != "bool" and not self.is_byte

    @property
    def is_byte(self) -> bool:
        """Whether the value is one of the two bytes of a register."""
        return self.bits == BYTE and self.kind != "str"


BYTE, REGISTER = 8, 16
_SIZES = {"int": (8, 16, 32, 64), "uint": (8, 16, 32, 64), "float": (16, 32, 64)}
_TYPES = {"bool": ValueType("bool", "bool", 1, 1)} | {
    f"{word[0]}{bits}": ValueType(f"{word[0]}{bits}", word, bits, (bits + 15) // 16)
    for word, sizes in _SIZES.items()
    for bits in sizes
}
_TYPES |= {"bcd16": ValueType("bcd16", "bcd", 16, 1), "bcd32": ValueType("bcd32", "bcd", 32, 2)}
_NUMPY_NAMES = {"bool_": "bool"} | {
    f"{word}{bits}": f"{word[0]}{bits}" for word, sizes in _SIZES.items() for bits in sizes
}
# IEC 61131-3, elementary data types. In capitals only: numpy's int, uint and byte mean other sizes.
_IEC_NAMES = {
    "BOOL": "bool", "SINT": "i8", "INT": "i16", "DINT": "i32", "LINT": "i64",
    "USINT": "u8", "UINT": "u16", "UDINT": "u32", "ULINT": "u64",
    "BYTE": "u8", "WORD": "u16", "DWORD": "u32", "LWORD": "u64", "REAL": "f32", "LREAL": "f64",
}  # fmt: skip
TYPE_NAMES = (*_TYPES, "strN")

# What may stand after @, by the width of the value in registers, and what it is called here. The letters are the bytes
# of the value, A the most significant one, in the order in which they come over the wire.
_FOUR_BYTES = {name: name for name in ("ABCD", "CDAB", "BADC", "DCBA")}
_EIGHT_BYTES = {"ABCDEFGH": "ABCD", "GHEFCDAB": "CDAB", "BADCFEHG": "BADC", "HGFEDCBA": "DCBA", "CDABGHEF": "CDABGHEF"}
_ORDERS: dict[int, dict[str, str]] = {1: {"AB": "AB", "BA": "BA"}, 2: _FOUR_BYTES, 4: _FOUR_BYTES | _EIGHT_BYTES}
DEVICE_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA", "CDABGHEF")
BOOL, U8, U16 = _TYPES["bool"], _TYPES["u8"], _TYPES["u16"]


def did_you_mean(word: str, choices: Any) -> str:
    """The hint ``; did you mean 'x'?``, or nothing when no choice is near."""
    near = get_close_matches(word, list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


@lru_cache(maxsize=512)
def value_type(name: str) -> ValueType:
    """Look a type up by its own, its numpy or its IEC name.

    Parameters
    ----------
    name : str
        ``f32``, ``float32``, ``REAL``, ``str16`` (16 bytes) and so on.

    Raises
    ------
    ValueError
        Unknown type, with the nearest known one.
    """
    if name in _IEC_NAMES:
        return _TYPES[_IEC_NAMES[name]]
    lower = name.lower()
    found = _TYPES.get(_NUMPY_NAMES.get(lower, lower))
    if found:
        return found
    if re.fullmatch(r"str[1-9]\d*", lower):
        size = int(lower[3:])
        return ValueType(lower, "str", 8 * size, (size + 1) // 2)
    raise ValueError(f"unknown type {name!r}{_type_hint(name)} Types: {' '.join(TYPE_NAMES)}")


def _type_hint(name: str) -> str:
    if name.lower() in ("str", "string"):
        return "; a string says how many bytes it has, as in str16."
    if name.upper() in _IEC_NAMES:
        return f"; the IEC type {name.upper()} is written in capitals ({_IEC_NAMES[name.upper()]} here)."
    return did_you_mean(name.lower(), [*_TYPES, *_NUMPY_NAMES]) or "."


def value_order(kind: ValueType, order: str | None, *, default: str = "ABCD") -> str:
    """The byte order of a value, in its canonical spelling.

    Parameters
    ----------
    kind : ValueType
        What the value is.
    order : str or None
        As written after ``@``; None when the text names none.
    default : str
        The device's order. It applies to numbers of more than one register: the specification fixes the bytes of a
        single register (Application Protocol V1.1b3, 4.2), so a device that swaps these too says so with ``@BA``.

    Raises
    ------
    ValueError
        An order that a value of this width cannot have.
    """
    width = 1 if kind.kind == "str" else kind.registers
    if order is None:
        if not kind.swappable:
            return ""
        return "AB" if width == 1 else default[:4] if width < len(_ORDERS) else default
    if not kind.swappable:
        raise ValueError(f"{kind.name} has no byte order; leave @{order} out")
    choices = _ORDERS[width]
    if order.upper() not in choices:
        raise ValueError(f"unknown order {order!r} for {kind.name}; allowed: {' '.join(choices)}")
    return choices[order.upper()]


def parse_type(text: str) -> tuple[ValueType, str]:
    """Take ``type[@ORDER]`` apart, for instance ``u32@CDAB`` -> (u32, CDAB)."""
    name, at, order = text.strip().partition("@")
    kind = value_type(name)
    return kind, value_order(kind, order if at else None)
