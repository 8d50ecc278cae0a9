"""What goes wrong with an answer between the device and the wire. One seam: an answer ADU in, an `Effect` out.

The simulator asks `strike` for every answer while any fault is set; nothing here touches a socket or a clock.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastmodbus.simulator.deviations import DEVIATIONS
from fastmodbus.simulator.effect import Alteration, Effect
from fastmodbus.simulator.record import Request
from fastmodbus.simulator.unit import parse_range

log = logging.getLogger("fastmodbus")

_UNIT_OFFSET = 6

Place = str | Callable[[Request], bool]


def drop() -> Alteration:
    """The answer never leaves."""
    return lambda adu: Effect(())


def duplicate(copies: int = 2) -> Alteration:
    """The answer leaves `copies` times in a row."""
    return lambda adu: adu * copies


def delay(seconds: float) -> Alteration:
    """The answer leaves late; others overtake it."""
    return lambda adu: Effect((adu,), delay=seconds)


def split(size: int = 1, gap: float = 0.0) -> Alteration:
    """The answer leaves in pieces of `size` bytes, `gap` seconds apart."""
    return lambda adu: Effect(tuple(adu[at : at + size] for at in range(0, len(adu), size)), gap=gap)


def close(sent: int = 0) -> Alteration:
    """The connection is closed (FIN) after the first `sent` bytes of the answer."""
    return lambda adu: Effect((adu[:sent],), ending="close")


def reset(sent: int = 0) -> Alteration:
    """The connection is reset (RST) after the first `sent` bytes of the answer."""
    return lambda adu: Effect((adu[:sent],), ending="reset")


def transaction_id(value: int | None = None) -> Alteration:
    """The answer carries another transaction id: `value`, by default the right one with all bits of 0x5555 turned."""

    def alter(adu: bytes) -> bytes:
        wrong = int.from_bytes(adu[:2], "big") ^ 0x5555 if value is None else value
        return wrong.to_bytes(2, "big") + adu[2:]

    return alter


def unit(value: int | None = None) -> Alteration:
    """The answer carries another unit: `value`, by default the right one with all bits of 0x55 turned."""

    def alter(adu: bytes) -> bytes:
        wrong = adu[_UNIT_OFFSET] ^ 0x55 if value is None else value
        return adu[:_UNIT_OFFSET] + bytes([wrong]) + adu[_UNIT_OFFSET + 1 :]

    return alter


KINDS: dict[str, Callable[..., Alteration]] = {
    "drop": drop,
    "duplicate": duplicate,
    "delay": delay,
    "split": split,
    "close": close,
    "reset": reset,
    "transaction_id": transaction_id,
    "unit": unit,
    **DEVIATIONS,
}


def _touches(where: str) -> Callable[[Request], bool]:
    place = parse_range(where)

    def touches(request: Request) -> bool:
        span = request.span
        return span is not None and span[0] == place.area and span[1] <= place.last and span[2] > place.first

    return touches


@dataclass(eq=False)
class Fault:
    """A fault that is set. `struck` counts the answers it changed; `failed`: a function of it raised."""

    alter: Alteration
    p: float
    times: int | None
    where: Callable[[Request], bool] | None
    struck: int = 0
    failed: bool = False

    def strike(self, request: Request, answer: bytes, dice: random.Random) -> Effect | None:
        """The effect on one answer, or None when the fault leaves it alone."""
        if self.times is not None and self.struck >= self.times:
            return None
        try:
            return self._effect(request, answer, dice)
        except Exception:
            if not self.failed:
                log.exception("simulator: a fault failed, and leaves the answer as it is")
            self.failed = True
            return None

    def _effect(self, request: Request, answer: bytes, dice: random.Random) -> Effect | None:
        if self.where is not None and not self.where(request):
            return None
        if self.p < 1.0 and dice.random() >= self.p:
            return None
        effect = self.alter(answer)
        if not isinstance(effect, Effect):
            effect = Effect((bytes(memoryview(effect)),))
        self.struck += 1
        return effect


def make_fault(kind: str | Alteration, p: float, times: int | None, where: Place | None, how: dict[str, Any]) -> Fault:
    """A fault by its kind's name and options, or by a function that alters the answer's bytes."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p is {p}; a probability is 0 to 1")
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(
                f"{kind!r} is not a fault; faults are {', '.join(KINDS)}, or a function of the answer's bytes"
            )
        kind = KINDS[kind](**how)
    elif how:
        raise TypeError(f"a function takes no options; {', '.join(how)} given")
    return Fault(kind, p, times, _touches(where) if isinstance(where, str) else where)
