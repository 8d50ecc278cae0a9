"""``fastmodbus decode``: what registers could mean, and which type, order and scale give an expected value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmodbus.address import DEVICE_ORDERS, value_type
from fastmodbus.values import decode as decode_words

from .outcome import Disagreement, UsageError

TYPES = ("u16", "i16", "bcd16", "f16", "f32", "u32", "i32", "bcd32", "f64", "u64", "i64")
SCALES = (1, 0.1, 0.01, 0.001, 10, 100, 1000)
NEAR = 0.02  # of the expected value
SHOWN = 12


class Reading(NamedTuple):
    """One way to read some of the registers."""

    first: int
    type: str
    registers: int
    value: float

    def line(self, scale: float = 1) -> str:
        where = f"{self.first}" if self.registers == 1 else f"{self.first}-{self.first + self.registers - 1}"
        note = f"  scale {scale:g}" if scale != 1 else ""
        return f"words {where:<5} {self.type:<14} {self.value * scale:.9g}{note}"


def decode(texts: Sequence[str], expect: float | None) -> None:
    """Print the readings: all that begin with the first register, or those anywhere that come near a value.

    Raises
    ------
    Disagreement
        None comes near.
    """
    words = _words(texts)
    if expect is None:
        lines = [reading.line() for reading in readings(words) if reading.first == 0]
    else:
        lines = [reading.line(scale) for reading, scale in matches(words, expect)[:SHOWN]]
    if not lines:
        raise Disagreement(f"no type, order or scale makes these registers about {expect:g}: read more, or others")
    print("\n".join(lines))


def readings(words: NDArray[np.uint16]) -> Iterator[Reading]:
    """Every finite number that the registers can be read as."""
    for first in range(len(words)):
        for name in TYPES:
            kind = value_type(name)
            if first + kind.registers > len(words):
                continue
            orders = ("AB", "BA") if kind.registers == 1 else DEVICE_ORDERS[: 4 if kind.registers == 2 else None]
            for order in orders:
                value = _value(words[first : first + kind.registers], f"{name}@{order}")
                if value is not None:
                    plain = order in ("AB", "ABCD")
                    yield Reading(first, name if plain else f"{name}@{order}", kind.registers, value)


def matches(words: NDArray[np.uint16], expect: float) -> list[tuple[Reading, float]]:
    """Readings near a value with their scales: the unscaled first, then by where they begin."""
    room = NEAR * abs(expect) or 1e-9
    found = [
        (reading, scale)
        for reading in readings(words)
        for scale in SCALES
        if abs(reading.value * scale - expect) <= room
    ]
    return sorted(found, key=lambda one: (SCALES.index(one[1]), one[0].first, "@" in one[0].type))


def _value(words: NDArray[np.uint16], type: str) -> float | None:
    try:
        value = float(decode_words(words, type))
    except ValueError:  # BCD without decimal digits
        return None
    return value if math.isfinite(value) else None


def _words(texts: Sequence[str]) -> NDArray[np.uint16]:
    found = [text for one in texts for text in re.split(r"[,\s]+", one) if text]
    if not found:
        raise UsageError("decode what? Give registers, such as 0x4366 0x1852 or 17254,6226")
    for text in found:
        if not re.fullmatch(r"0x[0-9a-fA-F]+|\d+", text) or int(text, 0 if text[:2] == "0x" else 10) > 0xFFFF:
            raise UsageError(f"{text!r} is no register: 0 to 65535, or 0x0000 to 0xFFFF")
    return np.array([int(text, 0 if text[:2] == "0x" else 10) for text in found], np.uint16)
