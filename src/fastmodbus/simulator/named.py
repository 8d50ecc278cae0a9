"""A simulated device's values by name: constants, functions of time, and what a client would read.

Only the server uses this, under its lock. What a value means is `values`' business.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastmodbus.address import Address
from fastmodbus.maps import Map, load_map, resolve
from fastmodbus.plan import ReadPlan
from fastmodbus.simulator.unit import Unit
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder, Encoded, encode, encode_tag

OfTime = Callable[[float], Any]


class NamedValues:
    """What is called how in the units of one simulator.

    Parameters
    ----------
    map : str, path or Map, optional
    unit : callable
        The unit of a number; ``first`` is the number of that which is meant where an address names none.
    """

    def __init__(self, map: str | Path | Map | None, unit: Callable[[int], Unit], first: int) -> None:
        self._map = map if map is None or isinstance(map, Map) else load_map(map)
        self._unit, self._first = unit, first
        self._functions: dict[str, tuple[Tag, OfTime]] = {}
        self._decoders: dict[str, Decoder] = {}
        self._started: float | None = None

    def begin(self) -> None:
        """Let time begin."""
        self._started = time.monotonic()

    def refresh(self) -> None:
        """Ask every function of time for its value now."""
        if self._functions:
            now = self._seconds()
            for tag, function in self._functions.values():
                self._store(tag, function(now))

    def put(self, name: str, value: Any) -> None:
        """Give a tag a value, or a function that has its values."""
        tag = self._tag(name)
        self._functions.pop(tag.name, None)
        if callable(value):
            self._store(tag, value(self._seconds()))
            self._functions[tag.name] = tag, value
        else:
            self._store(tag, value)

    def get(self, name: str) -> Any:
        """The value of a tag as a client reads it now."""
        self.refresh()
        return self._load(self._tag(name))

    def _seconds(self) -> float:
        return 0.0 if self._started is None else time.monotonic() - self._started

    def _tag(self, name: str) -> Tag:
        found = resolve(name, self._map)
        if len(found) != 1:
            raise ValueError(f"{name!r} means {len(found)} tags; one is needed")
        return found[0]

    def _load(self, tag: Tag) -> Any:
        decoder = self._decoders.get(tag.name)
        if decoder is None:
            tags = (tag,) if self._map is None else self._map.with_factors([tag])
            decoder = self._decoders[tag.name] = Decoder(ReadPlan(tags, unit=self._first))
        image = decoder.image()
        for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True):
            target[:] = self._unit(read.unit).table(read.area)[read.address : read.end]
        return decoder.values(image)[0]

    def _store(self, tag: Tag, value: Any) -> None:
        """What a device holds may be beyond what a client may write, and may be no value at all."""
        tag = tag.replace(write_limits=None)
        exponent = None
        if tag.scale_from and self._map is not None:
            exponent = int(self._load(self._map[tag.scale_from].replace(missing=())))
        if _is_nothing(value) and tag.missing:
            tag, value, exponent = tag.replace(scale=1, offset=0, scale_from=""), tag.missing[0], None
        encoded = _encoded(tag, value, exponent)
        address: Address = tag.address
        table = self._unit(self._first if address.unit is None else address.unit).table(address.area)
        here = table[address.address : address.address + len(encoded.values)]
        if encoded.masks is None:
            here[:] = encoded.values
        else:
            here[:] = np.bitwise_or(here & ~encoded.masks, encoded.values & encoded.masks)


def _encoded(tag: Tag, value: Any, exponent: int | None) -> Encoded:
    if tag.address.kind.kind == "float" and tag.address.count is None and _is_nothing(value):
        return Encoded(encode(math.nan, tag.address))
    return encode_tag(tag, value, exponent=exponent)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
