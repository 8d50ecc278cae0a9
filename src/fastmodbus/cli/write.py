"""``fastmodbus write``: registers and coils, one assignment after the other, each confirmed by the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastmodbus.client import Client

from .device import open_device
from .outcome import UsageError
from .ranges import Assignment, parse_assignment

if TYPE_CHECKING:
    from .line import Line


def write(url: str, texts: Sequence[str], line: Line) -> None:
    """Write, and say of each assignment that it is done."""
    if not texts:
        raise UsageError("write what? Give one or more assignments, such as hr40=7")
    assignments = [parse_assignment(text) for text in texts]
    with open_device(url, line) as client:
        for text, assignment in zip(texts, assignments, strict=True):
            _write(client, assignment)
            print("written:", text, flush=True)


def _write(client: Client, assignment: Assignment) -> None:
    target, values = assignment
    single, unit = len(values) == 1, target.unit
    if target.bits:
        bits = [bool(value) for value in values]
        if single:
            client.write_coil(target.address, bits[0], unit=unit)
        else:
            client.write_coils(target.address, bits, unit=unit)
    elif single:
        client.write_register(target.address, values[0], unit=unit)
    else:
        client.write_registers(target.address, values, unit=unit)
