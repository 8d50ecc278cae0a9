"""The contestants: one small module for each client library, all behind the interface of ``base``.

Nothing is imported here: a library is loaded only in the process that runs it, so that none disturbs another and one
that is not installed is merely named as missing.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

from .base import Contestant


class Entry(NamedTuple):
    """Where a contestant is found and how the tables call it."""

    title: str
    module: str | None
    """Module in this package, or None for a C program of the same name in ``benchmarks/c``."""
    most_in_flight: int = 1


CONTESTANTS: dict[str, Entry] = {
    "client": Entry("bare C client", None, 4096),
    "libmodbus_client": Entry("libmodbus (C)", None),
    "fastmodbus": Entry("fastmodbus", "fastmodbus_", 4096),
    "fastmodbus_default": Entry("fastmodbus, default settings", "fastmodbus_default", 16),
    "pymodbus": Entry("pymodbus, blocking", "pymodbus_blocking"),
    "pymodbus_async": Entry("pymodbus, asyncio", "pymodbus_async"),
    "pymodbustcp": Entry("pyModbusTCP", "pymodbustcp"),
    "umodbus": Entry("uModbus", "umodbus_"),
    "modbuslink": Entry("modbuslink, blocking", "modbuslink_blocking"),
    "modbuslink_async": Entry("modbuslink, asyncio", "modbuslink_async"),
    "async_modbus": Entry("async-modbus", "async_modbus_"),
    "modbus_tk": Entry("modbus-tk", "modbus_tk_"),
    "bacsys_pymod": Entry("bacsys-pymod", "bacsys_pymod", 4096),
    "tmodbus": Entry("tmodbus, raw transport", "tmodbus_", 4096),
}

CEILING = "client"
PYTHON = tuple(name for name, entry in CONTESTANTS.items() if entry.module)
OWN = ("fastmodbus", "fastmodbus_default")
PYTHON_PEERS = tuple(name for name in PYTHON if name not in OWN)
PIPELINING_PEERS = tuple(name for name in PYTHON_PEERS if CONTESTANTS[name].most_in_flight > 1)


def load(name: str) -> type[Contestant]:
    """Import a contestant written in Python; ImportError when its library is missing."""
    module = CONTESTANTS[name].module
    if module is None:
        raise ValueError(f"{name} is a C program")
    found: type[Contestant] = importlib.import_module(f".{module}", __name__).Client
    return found
