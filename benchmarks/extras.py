"""The figures that are not a rate: scattered values, memory of an idle connection, time to import, decoding, names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from .contestants import PYTHON
from .engine import Effort, Session, spread
from .process import ROOT, Failed
from .scattered import COUNT, DELAY_US

IMPORTS = {
    "fastmodbus": "fastmodbus; fastmodbus.Client",  # names are loaded when they are first used
    "pymodbus": "pymodbus.client",
    "pymodbustcp": "pyModbusTCP.client",
    "umodbus": "umodbus.client.tcp",
    "modbuslink": "modbuslink",
    "async_modbus": "async_modbus",
    "modbus_tk": "modbus_tk.modbus_tcp",
    "bacsys_pymod": "pymod",
    "tmodbus": "tmodbus",
}
IMPORT = "import time, numpy; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
STARTS = {
    "python": ("-c", "pass"),
    "numpy": ("-c", "import numpy"),
    "import": ("-c", "import fastmodbus; fastmodbus.Client"),
    "help": ("-m", "fastmodbus", "--help"),
}
"""Whole processes."""


def scattered(session: Session, effort: Effort, names: Iterable[str]) -> dict[str, Any]:
    """One poll of scattered values of a slow device, as each library's users write it: requests and time."""
    session.server.set_delay(DELAY_US)
    results: dict[str, Any] = {}
    for name in names:
        if (runner := session.runners.get(name)) is None:
            continue
        before = session.server.requests()
        try:
            polls = [runner.poll(COUNT)]
            if polls[0].seconds < 0.5:  # one request for each value takes seconds, and always the same
                polls += [runner.poll(COUNT) for _ in range(effort.rounds)]
        except (Failed, OSError) as error:
            results[name] = {"failed": str(error)}
            continue
        requests = (session.server.requests() - before) / len(polls)
        results[name] = {"requests": requests, "ms": round(spread(poll.seconds for poll in polls).median * 1e3, 2)}
    session.server.set_delay(0)
    return results


def memory(session: Session, connections: int) -> dict[str, float]:
    """Bytes per idle connection, each library in a fresh process."""
    results = {}
    for name in PYTHON:
        if name not in session.runners:
            continue
        runner = session.start(name)
        try:
            results[name] = runner.memory(connections)
        finally:
            runner.close()
    return results


def import_times(session: Session, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds to import in a fresh interpreter that has numpy already; in turns, the first of each not counted."""
    names = [name for name in IMPORTS if name in session.runners]
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            seconds = float(_python("-c", IMPORT.format(IMPORTS[name])))
            if turn:
                taken[name].append(seconds)
    return {name: _rounded(spread(seconds)._asdict(), 6) for name, seconds in taken.items()}


def start_times(rounds: int) -> dict[str, dict[str, float]]:
    """Seconds from starting an interpreter to its end: bare, with numpy, with fastmodbus, and the command's help."""
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for turn in range(rounds + 1):
        for name, arguments in STARTS.items():
            start = time.perf_counter()
            _python(*arguments)
            if turn:
                taken[name].append(time.perf_counter() - start)
    return {name: _rounded(spread(seconds)._asdict(), 6) for name, seconds in taken.items()}


def codec() -> dict[str, float]:
    """Nanoseconds to turn the payload of 125 registers into a native array, by several means; see ``decoding``."""
    return {
        name: float(ns) for name, ns in (line.split("\t") for line in _python("-m", "benchmarks.decoding").splitlines())
    }


def values() -> dict[str, float]:
    """Nanoseconds from registers to values and what is compared with it; see ``values``."""
    lines = _python("-m", "benchmarks.decoding", "values").splitlines()
    return {name: float(ns) for name, ns in (line.split("\t") for line in lines)}


def named(session: Session, rounds: int) -> dict[str, list[float]]:
    """Microseconds, round by round: reading by name and its raw reads, loading a map, planning; see ``named``."""
    out = _python("-m", "benchmarks.named", session.server.host, str(session.server.port), str(rounds))
    return {name: [float(one) for one in taken] for name, *taken in (line.split("\t") for line in out.splitlines())}


def asynchronous(session: Session, rounds: int) -> dict[str, list[float]]:
    """Microseconds a request, round by round: the asyncio client, the blocking one, others; see ``asynchronous``."""
    out = _python("-m", "benchmarks.asynchronous", session.server.host, str(session.server.port), str(rounds))
    return {name: [float(one) for one in taken] for name, *taken in (line.split("\t") for line in out.splitlines())}


def secure(session: Session, rounds: int) -> dict[str, list[float]]:
    """Microseconds a request, round by round: long reads over TLS, and a bare ``ssl`` socket; see ``secure``."""
    out = _python("-m", "benchmarks.secure", session.server.host, str(session.server.port), str(rounds))
    return {name: [float(one) for one in taken] for name, *taken in (line.split("\t") for line in out.splitlines())}


def recording() -> dict[str, float]:
    """Values written a second, and what a plant takes; see ``recording``."""
    lines = _python("-m", "benchmarks.recording").splitlines()
    return {name: float(value) for name, value in (line.split("\t") for line in lines)}


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


def _python(*arguments: str) -> str:
    # Bytecode is kept, as it is for an installed package; what comes before the first turn is not counted.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, cwd=ROOT, env=environ
    )
    return done.stdout.strip()
