"""The process that polls with fastmodbus: ``python -m benchmarks.poll_worker WHAT HOST PORT NUMBERS...``.

It prints "ready" and speaks the lines of ``c/poller.c``. WHAT is ``connections DEVICES READS IN_FLIGHT REGISTERS``,
back to back; ``timer PERIOD_US``, one value at a steady rate; ``plant DEVICES``, each with the scattered values, 10 Hz.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import fastmodbus as fm

from .scattered import ADDRESSES
from .worker import Busy

PATIENCE = 200.0
RATE = 10.0
WARM_UP = 0.5
BUFFER = 0.05
"""Seconds of rows to keep: the fewest rows that a buffer has."""

Clients = list[fm.Client]
Answer = Callable[[float], str]
Times = NDArray[np.datetime64]


def _clients(host: str, port: int, count: int, **options: int) -> Clients:
    return [fm.Client(host, port, name=f"device {number}", **options) for number in range(count)]  # type: ignore[arg-type]


def _answers(clients: Clients) -> int:
    return sum(client.stats.answers for client in clients)


def _wait_for_all(poller: fm.Poller, clients: Clients) -> None:
    """Until every device has answered."""
    end, silent = time.monotonic() + PATIENCE, list(poller.stats)
    while silent or not all(client.connected for client in clients):
        if time.monotonic() > end:
            raise SystemExit(f"{len(silent)} devices did not answer")
        time.sleep(0.5)
        stats = poller.stats
        silent = [device for device in silent if not stats[device].good]


def _timed(clients: Clients, seconds: float) -> tuple[int, float, float]:
    """Answers, seconds and CPU seconds of so long a time."""
    before, cpu, start = _answers(clients), time.process_time(), time.monotonic()
    time.sleep(seconds)
    took, cpu_took = time.monotonic() - start, time.process_time() - cpu
    return _answers(clients) - before, took, cpu_took


def connections(poller: fm.Poller, host: str, port: int, numbers: list[int]) -> Answer:
    """Many devices, each read over and over."""
    devices, reads, in_flight, registers = numbers
    clients = _clients(host, port, devices, in_flight=in_flight)
    tags = [f"hr{2 * registers * number}[{registers}]" for number in range(reads)]
    for client in clients:
        poller.add(client, tags, every=0)
    poller.start()
    _wait_for_all(poller, clients)
    poller.stop()  # it polls only when asked, so that pollers can take turns

    def answer(seconds: float) -> str:
        poller.start()
        time.sleep(WARM_UP)
        found, took, cpu = _timed(clients, seconds)
        poller.stop()
        return f"{found} {took:.9f} {cpu:.9f}"

    return answer


def plant(poller: fm.Poller, host: str, port: int, numbers: list[int]) -> Answer:
    """Some devices of 600 scattered tags each, at a steady rate; also what was missed."""
    clients = _clients(host, port, numbers[0], in_flight=16)
    for client in clients:
        poller.add(client, [f"hr{address}" for address in ADDRESSES], every=1 / RATE)
    poller.start()
    _wait_for_all(poller, clients)

    def answer(seconds: float) -> str:
        before = [(one.polls, one.good) for one in poller.stats.values()]
        found, took, cpu = _timed(clients, seconds)
        after = [(one.polls, one.good) for one in poller.stats.values()]
        polls, good = (sum(b[i] - a[i] for a, b in zip(before, after, strict=True)) for i in (0, 1))
        return f"{found} {took:.9f} {cpu:.9f} {polls} {good}"

    return answer


def timer(poller: fm.Poller, host: str, port: int, numbers: list[int]) -> Answer:
    """One value at a steady rate: how late its requests were, in ns, and how many rows were not good."""
    (client,) = _clients(host, port, 1)
    period = numbers[0] / 1e6
    poller.add(client, {"value": "hr0"}, every=period, device="one")
    poller.start()
    _wait_for_all(poller, [client])

    def answer(seconds: float) -> str:
        time.sleep(seconds)
        run = poller.last(round(seconds / period), device="one")
        if not run.stats.good:
            raise SystemExit(f"nothing was answered: {client.stats}")
        late = np.sort(_lateness(run["time"], run.sent["value"]))
        return f"{late[len(late) // 2]} {late[len(late) * 99 // 100]} {late[-1]} {run.rows - run.stats.good}"

    return answer


def _lateness(due: Times, sent: Times) -> NDArray[np.int64]:
    """For each row the ns to its request; for one that was missed to the next request, as a loop in C counts it."""
    asked = np.flatnonzero(~np.isnat(sent))
    following = asked[np.minimum(np.searchsorted(asked, np.arange(len(sent))), len(asked) - 1)]
    return (sent[following] - due).astype("timedelta64[ns]").astype(np.int64)


def main() -> None:
    """Serve the lines."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    what, host, port, *numbers = sys.argv[1:]
    busy = Busy()
    with fm.Poller(buffer=60.0 if what == "timer" else BUFFER) as poller:
        answer = globals()[what](poller, host, int(port), [int(number) for number in numbers])
        print("ready", flush=True)
        for line in sys.stdin:
            verb, _, number = line.partition(" ")
            if verb == "busy":
                busy.set(bool(int(number)))
                print("ok", flush=True)
            else:
                print("ok", answer(float(number)), flush=True)


if __name__ == "__main__":
    main()
