"""Checks of arguments: every one names the argument, its value and what is allowed, and is made before a byte is sent.

Numbers are taken through ``__index__``, so numpy's integers are welcome and floats are not; a bool is not a number
here, because ``read_coils(5, True)`` is a slip and not a wish.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .spec import TABLE_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray


def integer(name: str, value: Any, low: int, high: int) -> int:
    """An int from `low` to `high`.

    Raises
    ------
    TypeError
        Not an integer.
    ValueError
        Out of range.
    """
    if type(value) is not int:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} is {value!r}, a bool; an int from {low} to {high} is needed")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(
                f"{name} is {value!r}, a {type(value).__name__}; an int from {low} to {high} is needed"
            ) from None
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; allowed are {low} to {high}")
    return int(value)


def span(address: Any, count: Any, name: str = "address", counted: str = "count") -> tuple[int, int]:
    """A start address and a number of elements that stay inside a table of 65536 (ap 4.4)."""
    if type(address) is int and type(count) is int and address >= 0 and 1 <= count <= TABLE_SIZE - address:
        return address, count  # nearly always; below it is found out what is wrong, if anything is
    address = integer(name, address, 0, TABLE_SIZE - 1)
    count = integer(counted, count, 1, TABLE_SIZE)
    if address + count > TABLE_SIZE:
        raise ValueError(
            f"{name} is {address} and {counted} is {count}: the last address would be {address + count - 1}; "
            f"allowed are addresses up to {TABLE_SIZE - 1}, here at most {TABLE_SIZE - address} from {address}"
        )
    return address, count


def target(out: Any, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array a caller wants filled: writable, C-contiguous, aligned, of the right dtype and shape."""
    if type(out) is np.ndarray and out.dtype is dtype and out.shape == (count,) and out.flags.carray:
        return out  # nearly always; below it is found out what is wrong, if anything is
    wanted = f"a writable C-contiguous numpy array of {dtype} with shape ({count},)"
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is a {type(out).__name__}; {wanted} is needed")
    if out.dtype != dtype or not out.dtype.isnative:
        raise TypeError(f"out has dtype {out.dtype.str!r}; {wanted} is needed (native byte order)")
    if out.shape != (count,):
        raise ValueError(f"out has shape {out.shape} and {count} values are read; {wanted} is needed")
    if not out.flags.writeable:
        raise ValueError(f"out is read-only; {wanted} is needed")
    if not out.flags.c_contiguous:
        raise ValueError(f"out is not C-contiguous (strides {out.strides}); {wanted} is needed")
    if not out.flags.aligned:
        raise ValueError(f"out is not aligned to {dtype.alignment} bytes; {wanted} is needed")
    return out


def _as_list(name: str, values: Any, what: str) -> list[Any] | NDArray[Any]:
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ValueError(f"{name} has shape {values.shape}; one dimension is needed")
        found: list[Any] | NDArray[Any] = values
    elif isinstance(values, (str, bytes, bytearray, memoryview)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is {values!r}, a {type(values).__name__}; {what} is needed")
    else:
        found = list(values)
    if len(found) == 0:
        raise ValueError(f"{name} is empty; at least one value is needed")
    return found


def registers(name: str, values: Any) -> NDArray[np.uint16]:
    """Values to write as contiguous native uint16; every one is an integer from 0 to 65535, nothing wraps or is cut."""
    what = "a sequence of ints from 0 to 65535"
    found = _as_list(name, values, what)
    if isinstance(found, list):
        return np.array([register(f"{name}[{i}]", v) for i, v in enumerate(found)], dtype=np.uint16)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{name} has NaN or infinite values; {what} is needed")
    if found.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {found.dtype}; {what} is needed")
    wrong = np.flatnonzero((found < 0) | (found > 65535))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] is {found[wrong[0]]}; allowed are 0 to 65535")
    return np.ascontiguousarray(found, dtype=np.uint16)


def records(values: Any, what: str) -> list[tuple[Any, Any, Any]]:
    """A sequence of triples; what is in them is not looked at."""
    needed = f"a sequence of {what} is needed"
    if isinstance(values, (str, bytes, bytearray)) or not isinstance(values, Iterable):
        raise TypeError(f"records is {values!r}, a {type(values).__name__}; {needed}")
    found: list[tuple[Any, Any, Any]] = []
    for i, record in enumerate(values):
        if not isinstance(record, (tuple, list)) or len(record) != 3:
            raise TypeError(f"records[{i}] is {record!r}; {needed}")
        found.append((record[0], record[1], record[2]))
    if not found:
        raise ValueError(f"records is empty; {needed}, at least one")
    return found


def boolean(name: str, value: Any) -> bool:
    """A coil's value: a bool, or an integer 0 or 1."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return bool(integer(name, value, 0, 1))


def bits(name: str, values: Any) -> NDArray[np.bool_]:
    """Values to write to coils as contiguous bools."""
    what = "a sequence of bools"
    found = _as_list(name, values, what)
    if isinstance(found, np.ndarray) and found.dtype == np.bool_:
        return np.ascontiguousarray(found)
    return np.array([boolean(f"{name}[{i}]", v) for i, v in enumerate(found)], dtype=np.bool_)


def register(name: str, value: Any) -> int:
    """One register's value, 0 to 65535. NaN and infinities are a ValueError, other floats a TypeError."""
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        raise ValueError(f"{name} is {value!r}; an int from 0 to 65535 is needed")
    return integer(name, value, 0, 65535)
