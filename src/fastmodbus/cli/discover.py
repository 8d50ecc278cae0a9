"""What a device lets itself be asked: how many requests at a time, and which addresses of each table. It only reads.

For `demo` on a device that nobody has described. All of it is bounded in time; what was not looked at counts as not
there. The more careful way is to be told: ``fastmodbus demo URL hr0-499``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmodbus.address import AREAS
from fastmodbus.client import Client
from fastmodbus.errors import ConnectionFailed, DeviceBusy, DeviceError, ModbusError, RequestTimeout
from fastmodbus.spec import TABLE_SIZE

from .ranges import Range
from .read import read_table

LOOK_SECONDS = 10.0  # for each pass over a table
PROBES = 32
PROBE_SECONDS = 1.0  # what each of them may take when many are in flight
SMALL = 16  # addresses: a table of 31 is found wherever it begins
MANY_LOOKS = 32  # at single requests' worth of addresses, to find where the ranges begin and end

Mask = NDArray[np.bool_]
Open = Callable[[int], Client]


class Found(NamedTuple):
    """The readable ranges of a table, and in words what there is to say."""

    ranges: list[Range]
    text: str


def window(open_device: Open, wanted: int) -> int:
    """How many requests in flight the device answers: `wanted`, or 4, or 1.

    Many devices answer only the first of what arrives at once, or say that they are busy.

    Raises
    ------
    ModbusError
        The device does not answer at all.
    """
    with open_device(1) as client, suppress(DeviceError):  # an exception is an answer, too
        client.read_holding_registers(0)
    for candidate in sorted({wanted, min(wanted, 4)} - {1}, reverse=True):
        with open_device(candidate) as client:
            if _answers(client):
                return candidate
    return 1


def _answers(client: Client) -> bool:
    """Whether a volley of the smallest requests is answered, by values or by exceptions."""
    volley = client.at(client.unit, max_registers=1, timeout=PROBE_SECONDS, retries=0)
    try:
        volley.read_holding_registers(0, PROBES)
    except ModbusError as error:
        return all(
            isinstance(each, DeviceError) and not isinstance(each, DeviceBusy) for each in error.errors or (error,)
        )
    return True


def find(client: Client, area: str) -> Found:
    """The readable ranges of a table.

    Raises
    ------
    ConnectionFailed
    """
    for size in (TABLE_SIZE, SMALL):
        mask, error = _look(client, Range("", area, 0, TABLE_SIZE), size)
        if mask.any():
            step = min(size, 2000 if area in ("co", "di") else 125)
            _sharpen(client, area, mask, step)
            break
        if error is not None and not _may_hide(error):
            break
    ranges = [Range(f"{area}{first}-{end - 1}", area, first, end - first) for first, end in _runs(mask)]
    return Found(ranges, f"{AREAS[area]}: {_in_words(ranges, error)}")


def _look(client: Client, wanted: Range, size: int) -> tuple[Mask, ModbusError | None]:
    """Which addresses can be read by requests for `size` of them, and the first error."""
    limit = {"max_bits": min(size, 2000), "max_registers": min(size, 125)}
    view = client.at(client.unit, deadline=LOOK_SECONDS, **limit)
    try:
        read_table(view, wanted)
    except ConnectionFailed:
        raise
    except ModbusError as error:
        return np.asarray(error.ok) if error.ok is not None else np.zeros(wanted.count, np.bool_), error
    return np.ones(wanted.count, np.bool_), None


def _may_hide(error: ModbusError) -> bool:
    """Whether smaller requests could fare better; not when the function or the whole unit is missing."""
    return isinstance(error, DeviceError) and error.code in (2, 3, 4)


def _sharpen(client: Client, area: str, mask: Mask, step: int) -> None:
    """Look, address by address, at the failed requests beside those that did not fail, and at those beside these."""
    looked_at: set[int] = set()
    for _ in range(MANY_LOOKS):
        beside = {low for run in _runs(mask) for low in _beside(*run, step)} - looked_at
        if not beside:
            return
        low = min(beside)
        looked_at.add(low)
        high = min(low + step, TABLE_SIZE)
        if not mask[low:high].any():
            mask[low:high] = _look(client, Range("", area, low, high - low), 1)[0]


def _beside(first: int, end: int, step: int) -> Iterator[int]:
    """Where the requests before and after a run begin."""
    if first > 0:
        yield (first - 1) // step * step
    if end < TABLE_SIZE:
        yield end // step * step


def _runs(mask: Mask) -> Iterator[tuple[int, int]]:
    """(first, one past the last) of each run of True."""
    edges: NDArray[Any] = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    yield from map(tuple, edges.reshape(-1, 2).tolist())


def _in_words(ranges: list[Range], error: ModbusError | None) -> str:
    known = ", ".join(f"{each.address}-{each.address + each.count - 1}" for each in ranges[:4])
    known += f" and {len(ranges) - 4} more ranges" if len(ranges) > 4 else ""
    if isinstance(error, RequestTimeout):
        return f"{known or 'nothing'} within the {LOOK_SECONDS:g} s that were spent looking"
    if not ranges and isinstance(error, DeviceError):
        return f"none, exception {error.code}"
    return known or f"none ({error})"
