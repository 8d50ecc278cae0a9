"""A simulated device's values by name: constants, functions of time, and what a client would read.

Only the server uses this, under its lock. What a value means is `values`' business.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastmodbus._core.responder import AREAS
from fastmodbus.address import Address
from fastmodbus.maps import Map, load_map, resolve
from fastmodbus.plan import ReadPlan
from fastmodbus.simulator.unit import Unit
from fastmodbus.spec import ExceptionCode
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder, Encoded, encode, encode_tag

OfTime = Callable[[float], Any]
log = logging.getLogger("fastmodbus")


@dataclass(slots=True)
class _Changing:
    """A tag whose values come from a function; the error with which that failed the last time."""

    tag: Tag
    function: OfTime
    error: Exception | None = None


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
        self._functions: dict[str, _Changing] = {}
        self._decoders: dict[str, Decoder] = {}
        self._followed: list[Callable[[float], None]] = []
        self._started: float | None = None

    def begin(self) -> None:
        """Let time begin."""
        self._started = time.monotonic()

    def refresh(self) -> None:
        """Ask every function of time for its value now."""
        if self._functions or self._followed:
            now = self._seconds()
            for show in self._followed:
                show(now)
            for one in self._functions.values():
                self._ask(one, now)

    def _ask(self, one: _Changing, now: float) -> None:
        """The value of a function; while it has none, or one that does not fit, its registers answer exception 4."""
        try:
            self._store(one.tag, one.function(now))
        except Exception as error:
            if one.error is None:
                log.error(
                    "simulator: the function of %s (%s) failed, which answers exception 4 until it has a value again",
                    one.tag.name, one.tag.address, exc_info=error,
                )  # fmt: skip
                self._unit_of(one.tag).bank.refuse(*_failure_of(one.tag))
            one.error = error
        else:
            self._mend(one)

    def _mend(self, one: _Changing) -> None:
        if one.error is not None:
            self._unit_of(one.tag).bank.allow(*_failure_of(one.tag))
            one.error = None

    def follow(self, show: Callable[[float], None]) -> None:
        """Call a function with the seconds since the start before anything is read: it puts what is new."""
        self._followed.append(show)

    def put(self, name: str, value: Any) -> None:
        """Give a tag a value, or a function that has its values."""
        tag = self._tag(name)
        self._store(tag, value(self._seconds()) if callable(value) else value)
        if tag.name in self._functions:
            self._mend(self._functions.pop(tag.name))
        if callable(value):
            self._functions[tag.name] = _Changing(tag, value)

    def get(self, name: str) -> Any:
        """The value of a tag as a client reads it now; the error of its function where that failed."""
        self.refresh()
        tag = self._tag(name)
        changing = self._functions.get(tag.name)
        if changing is not None and changing.error is not None:
            raise changing.error
        return self._load(tag)

    def _unit_of(self, tag: Tag) -> Unit:
        return self._unit(self._first if tag.address.unit is None else tag.address.unit)

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
        table = self._unit_of(tag).table(address.area)
        here = table[address.address : address.address + len(encoded.values)]
        if encoded.masks is None:
            here[:] = encoded.values
        else:
            here[:] = np.bitwise_or(here & ~encoded.masks, encoded.values & encoded.masks)


def _failure_of(tag: Tag) -> tuple[int, int, int, int]:
    """The rule by which a bank refuses a tag's registers."""
    address = tag.address
    return AREAS[address.area], address.address, address.end, ExceptionCode.SERVER_DEVICE_FAILURE


def _encoded(tag: Tag, value: Any, exponent: int | None) -> Encoded:
    if tag.address.kind.kind == "float" and tag.address.count is None and _is_nothing(value):
        return Encoded(encode(math.nan, tag.address))
    return encode_tag(tag, value, exponent=exponent)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
