"""``fm.decode`` and ``fm.encode``: registers that one already has, to values and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .._core.program import Program
from ..address import BIT_AREAS, REGISTER, Address, ValueType, looks_like_address, value_order, value_type
from .compiling import meaning_of_type, raw_dtype, value_dtype
from .encoding import encode_bits, encode_numbers, encode_texts, is_array

ALL = -1  # as a count: as many as there are
_TYPE = re.compile(
    r"(?P<name>[a-z_]\w*)(?P<high>\.hi)?(?:@(?P<order>\w+))?(?P<array>\[(?P<count>\d*)\])?", re.IGNORECASE
)
_UINT16 = np.dtype(np.uint16)
_Array, _empty = np.ndarray, np.empty  # `decode` of few registers is a matter of nanoseconds


@dataclass(frozen=True, slots=True)
class Type:
    """A type in text: what an address has behind the colon."""

    kind: ValueType
    order: str
    bit: int
    high: bool
    count: int | None
    text: str

    def registers(self, count: int) -> int:
        """Registers of so many elements."""
        if self.kind.kind == "bool":
            return (self.bit + count + REGISTER - 1) // REGISTER
        return count * self.kind.registers

    def elements(self, registers: int) -> int:
        """How many elements there are to be, checked against the registers that there are."""
        if self.count == ALL:
            count = registers * REGISTER - self.bit if self.kind.kind == "bool" else registers // self.kind.registers
        else:
            count = 1 if self.count is None else self.count
        if count < 1 or self.registers(count) != registers:
            raise ValueError(self._misfit(registers))
        return count

    def _misfit(self, registers: int) -> str:
        one = self.registers(1)
        if self.count is None and registers > one:
            array = f"{self.text}[{registers // one}] or {self.text}[]"
            return f"words has {registers} registers, and one {self.text} takes {one}; write {array} for an array"
        wanted = f"a multiple of {one}" if self.count == ALL else str(self.registers(self.count or 1))
        return f"words has {registers} registers; {self.text} takes {wanted}"


@lru_cache(maxsize=256)
def type_of(text: str | Address) -> Type:
    """Read ``type[.hi][@ORDER]``, alone or with ``[n]`` or ``[]``; or take the type of an address."""
    if not isinstance(text, Address) and not isinstance(text, str):
        raise TypeError(f"a type is text such as 'u32@CDAB', not {text!r}")
    if isinstance(text, Address) or looks_like_address(text.strip()):
        address = Address(text) if isinstance(text, str) else text
        if address.area in BIT_AREAS:
            raise ValueError(f"{address} is a bit of its own; registers are wanted here")
        return Type(address.kind, address.order, address.bit or 0, address.high, address.count, str(text))
    match = _TYPE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"cannot read the type {text!r}; types are written as in f32, u32@CDAB, i16[50] or str16")
    kind = value_type(match["name"])
    if kind.kind == "bool" and not match["array"]:
        raise ValueError("a register is no bool; bool[16] are the bits of one, hr0.3 is a single bit")
    if match["high"] and not kind.is_byte:
        raise ValueError(f".hi chooses the high byte of a register, for i8 and u8 only, not for {kind.name}")
    if match["count"] and int(match["count"]) < 1:
        raise ValueError(f"{text!r} is no array; [n] needs n of at least 1")
    count = None if not match["array"] else int(match["count"]) if match["count"] else ALL
    return Type(kind, value_order(kind, match["order"]), 0, bool(match["high"]), count, text.strip())


class _Recipe(NamedTuple):
    """How so many registers become values: the program, what it makes, and what is left to do to that."""

    program: Program
    dtype: np.dtype[Any]
    elements: int
    finish: Callable[[NDArray[np.uint16], NDArray[Any]], Any] | None


@lru_cache(maxsize=512)
def _recipe(text: str | Address, registers: int) -> _Recipe:
    type = type_of(text)
    count = type.elements(registers)
    return _Recipe(*_program(type, count), count, _finish(type))


def _finish(type: Type) -> Callable[[NDArray[np.uint16], NDArray[Any]], Any] | None:
    """What makes of registers and of what a program made of them the values that are wanted."""
    if type.count is None:
        array = _finish(replace(type, count=1))
        return (lambda _, values: values.item()) if array is None else lambda *both: array(*both).item()
    if type.kind.kind == "str":
        return lambda _, values: texts(values, type.kind.bits // 8)
    if type.kind.kind == "bcd":
        return partial(_decimal, type.kind)
    return None


@lru_cache(maxsize=512)
def _program(type: Type, count: int) -> tuple[Program, np.dtype[Any]]:
    """The program for so many elements, and the dtype of what it makes."""
    form = "float32" if type.kind.name == "f16" else "float64" if type.kind.kind == "bcd" else "raw"
    meaning = meaning_of_type(type.kind, type.order, form, bit=type.bit, high=type.high, elements=count)
    program = Program(type.registers(count), 0, [meaning], [(0, 0, 0, count)])
    return program, value_dtype(type.kind, meaning.form)


def decode(words: Sequence[int] | NDArray[np.uint16], type: str | Address) -> Any:
    """Registers to values.

    Parameters
    ----------
    words : numpy.ndarray of uint16, or sequence of int
        The registers, one dimension, native byte order.
    type : str or Address
        What they are: ``"f32"``, ``"u32@CDAB"``, ``"u8.hi"``, ``"str16"``; ``"i16[50]"`` for an array of 50,
        ``"i16[]"`` for an array of as many as there are; ``"bool[16]"`` for the bits of a register. Or an address, of
        which the type counts: ``"hr10.3"`` is a bit.

    Returns
    -------
    float, int, bool, str or numpy.ndarray
        A Python value; with ``[n]`` an array of shape (n,) in the dtype of the type, f16 as float32, BCD as uint16 or
        uint32, strings as numpy text.

    Raises
    ------
    ValueError
        Another number of registers than the type takes, an unknown type, BCD that has no decimal digits.

    Notes
    -----
    The specification has 16-bit registers, high byte first (Application Protocol V1.1b3, 4.2 and 4.3), and leaves wider
    values to the device; the letters behind ``@`` say how it sends them.
    """
    array: Any = words if isinstance(words, _Array) and words.dtype is _UINT16 else checks.registers("words", words)
    program, dtype, count, finish = _recipe(type, array.size)
    values = _empty(count, dtype)
    if not program.run_single(array, values):
        array = checks.registers("words", words)
        program.run_single(array, values)
    return values if finish is None else finish(array, values)


def _decimal(kind: ValueType, words: NDArray[np.uint16], numbers: NDArray[Any]) -> NDArray[Any]:
    """BCD as integers; the program makes NaN of what has no decimal digits."""
    wrong = np.flatnonzero(np.isnan(numbers))
    if wrong.size:
        at = int(wrong[0]) * kind.registers
        digits = "".join(f"{word:04X}" for word in words[at : at + kind.registers])
        raise ValueError(f"words[{at}] has the digits {digits}; {kind.name} has decimal ones only")
    return numbers.astype(raw_dtype(kind))


def texts(column: NDArray[Any], size: int) -> NDArray[Any]:
    """A column of bytes as text: UTF-8, what is not becomes U+FFFD; the dtype has room for all that may come."""
    decoded: NDArray[Any] = np.char.decode(column, "utf-8", "replace").astype(f"U{size}")
    return decoded


def encode(values: Any, type: str | Address) -> NDArray[np.uint16]:
    """Values to registers.

    Parameters
    ----------
    values : number, bool, str, or a sequence or numpy.ndarray of these
        One value, or several, whose registers follow each other.
    type : str or Address
        As for `decode`. ``[n]`` asks for exactly n values; without it there may be any number.

    Returns
    -------
    numpy.ndarray of uint16
        The registers, native byte order. The other byte of an 8-bit value is 0.

    Raises
    ------
    ValueError
        A value beyond the type, a fraction or NaN for an integer, a string that is too long.
    TypeError
        Not a value of this kind.
    """
    found = type_of(type)
    given = values if is_array(values) else [values]
    count = len(given)
    if count == 0:
        raise ValueError("values is empty")
    if found.count is not None and found.count not in (ALL, count):
        raise ValueError(f"values has {count} elements; {found.text} takes {found.count}")
    what = f"values as {found.text}"
    if found.kind.kind == "bool":
        return encode_bits(what, given, found.bit)[0]
    program, _ = _program(found, 1)
    if found.kind.kind == "str":
        return encode_texts(what, program, found.kind, given)
    return encode_numbers(what, program, found.kind, given, any_float=True)
