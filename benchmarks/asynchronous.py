"""The asyncio client beside the blocking one and other clients for asyncio, on asyncio's own loop and on uvloop.

``python -m benchmarks.asynchronous HOST PORT ROUNDS`` prints a line per figure: name, tab, the rounds' values in µs a
request. Rounds of what is compared take turns. CPU is that of this process: the server is another one.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np

import fastmodbus as fm

BATCH = 480
TASKS = 16
CALLS = 50
"""Of each task in a round."""
REGISTERS = 10
OUT = np.zeros(BATCH * 125, np.uint16)
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "separate": {"in_flight": TASKS},
    "coalesced": {"in_flight": TASKS, "coalesce": True},
}

Figures = dict[str, list[float]]
ReadOne = Callable[[int], Awaitable[object]]


def _note(figures: Figures, name: str, started: tuple[int, int], requests: int) -> None:
    figures.setdefault(name, []).append((time.perf_counter_ns() - started[0]) / 1e3 / requests)
    figures.setdefault(f"{name}, CPU", []).append((time.process_time_ns() - started[1]) / 1e3 / requests)


def _now() -> tuple[int, int]:
    return time.perf_counter_ns(), time.process_time_ns()


async def _bulk(host: str, port: int, rounds: int, how: str, figures: Figures) -> None:
    """One call of 480 requests, awaited, and the same from the blocking client."""
    with fm.Client(host, port, **WAYS[how]) as blocking:
        async with fm.AsyncClient(host, port, **WAYS[how]) as client:
            blocking.read_holding_registers(0, OUT.size, out=OUT)  # connects, and begins to learn
            await client.read_holding_registers(0, OUT.size, out=OUT)
            for _ in range(rounds):
                started = _now()
                blocking.read_holding_registers(0, OUT.size, out=OUT)
                _note(figures, f"bulk, {how}, blocking", started, BATCH)
                started = _now()
                await client.read_holding_registers(0, OUT.size, out=OUT)
                _note(figures, f"bulk, {how}, asyncio", started, BATCH)


async def _in_turn(read_one: ReadOne) -> None:
    for call in range(CALLS):
        await read_one(call * REGISTERS)


async def _tasks(figures: Figures, name: str, read_one: ReadOne) -> None:
    """Sixteen tasks that read a little each, again and again."""
    started = _now()
    await asyncio.gather(*(_in_turn(read_one) for _ in range(TASKS)))
    _note(figures, f"16 tasks, {name}", started, TASKS * CALLS)


async def _peers(host: str, port: int) -> dict[str, Any]:
    """Other libraries for asyncio, connected, as the contestants of these names have them."""
    found = {}
    for name, module in (("tmodbus", "tmodbus_"), ("pymodbus", "pymodbus_async")):
        try:
            peer = importlib.import_module(f".contestants.{module}", __package__).Client()
        except ImportError:
            continue
        await peer.connect(host, port)
        try:
            await peer.read_one(0, REGISTERS)
        except Exception as error:  # noqa: BLE001 - whatever it raises where it does not work, as tmodbus 1.1 on uvloop
            print(f"{name} fails on {type(asyncio.get_running_loop()).__module__}: {error}", file=sys.stderr)
            continue
        found[name] = peer
    return found


async def _measure(host: str, port: int, rounds: int) -> Figures:
    figures: Figures = {}
    for how in WAYS:
        await _bulk(host, port, rounds, how, figures)
    peers = await _peers(host, port)
    ours = {how: fm.AsyncClient(host, port, **wanted) for how, wanted in WAYS.items()}
    for client in ours.values():
        await _tasks({}, "", lambda at, c=client: c.read_holding_registers(at, REGISTERS))
    for _ in range(rounds):
        for how, client in ours.items():
            await _tasks(figures, f"fastmodbus, {how}", lambda at, c=client: c.read_holding_registers(at, REGISTERS))
        for name, peer in peers.items():
            await _tasks(figures, name, lambda at, p=peer: p.read_one(at, REGISTERS))
    for each in ours.values():
        await each.close()
    for peer in peers.values():
        await peer.disconnect()
    return figures


def measured(host: str, port: int, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """All figures, on the loops that there are."""
    for name, taken in asyncio.run(_measure(host, port, rounds)).items():
        yield name, taken
    try:
        import uvloop
    except ImportError:
        return
    for name, taken in uvloop.run(_measure(host, port, rounds)).items():
        yield f"uvloop: {name}", taken


def main(host: str, port: int, rounds: int) -> None:
    """Print the figures."""
    for name, taken in measured(host, port, rounds):
        print(name, *(f"{one:.3f}" for one in taken), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
