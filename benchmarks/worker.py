"""The process that hosts one contestant written in Python: ``python -m benchmarks.worker NAME HOST PORT``.

It speaks the same lines on stdin and stdout as the C clients (``serve_rounds`` in ``c/bench.h``), so that the harness
treats all alike; ``poll`` and ``memory`` are known to Python contestants alone. Timing happens here, around the reads
and nothing else.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from importlib.metadata import version

import numpy as np

from .contestants import load
from .contestants.base import Contestant, Sample, expected_holding
from .scattered import ADDRESSES


class Busy:
    """A thread that computes in Python, as the script of a user does while it polls."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._wanted = False

    def set(self, on: bool) -> None:
        """Start or stop it."""
        self._wanted = on
        if on and self._thread is None:
            self._thread = threading.Thread(target=self._spin, daemon=True)
            self._thread.start()
        elif not on and self._thread is not None:
            self._thread.join()
            self._thread = None

    def _spin(self) -> None:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # any core, not only where its parent is pinned
        total = 0
        while self._wanted:
            total += 1


class Worker:
    """Answers the harness's lines for one contestant."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self._kind = load(name)
        self._where = host, port
        self._busy = Busy()
        self._contestant = self._connect()

    @property
    def version(self) -> str:
        """Distribution and version."""
        return f"{self._kind.package} {version(self._kind.package)}"

    def answer(self, line: str) -> str:
        """Do what a line asks."""
        verb, *arguments = line.split()
        numbers = [int(argument) for argument in arguments]
        match verb:
            case "run":
                return self._run(*numbers)
            case "poll":
                return self._poll(*numbers)
            case "memory":
                return f"ok {self._memory(*numbers):.0f}"
            case "busy":
                self._busy.set(bool(numbers[0]))
                return "ok"
        return "error unknown command"

    def close(self) -> None:
        """Stop the thread and disconnect."""
        self._busy.set(False)
        self._contestant.close()

    def _connect(self) -> Contestant:
        contestant = self._kind()
        contestant.setup(*self._where)
        return contestant

    def _run(self, requests: int, registers: int, in_flight: int, coalesce: int, _batch: int) -> str:
        cpu, start = time.process_time(), time.perf_counter()
        sample = self._contestant.read(requests, registers, in_flight, bool(coalesce))
        end, cpu_end = time.perf_counter(), time.process_time()
        return _verdict(sample, end - start, cpu_end - cpu)

    def _poll(self, count: int) -> str:
        cpu, start = time.process_time(), time.perf_counter()
        values = self._contestant.poll(ADDRESSES[:count])
        end, cpu_end = time.perf_counter(), time.process_time()
        expected = expected_holding(0, 65536)[np.array(ADDRESSES[:count])]
        if not np.array_equal(values, expected):
            return "error wrong values"
        return f"ok {end - start:.9f} {cpu_end - cpu:.9f}"

    def _memory(self, connections: int) -> float:
        """Bytes of this process per connection that is open, has read with up to 16 in flight and is idle."""
        others = [self._used() for _ in range(8)]  # what only the first connections cost is not theirs
        gc.collect()
        before = _resident()
        others += [self._used() for _ in range(connections)]
        gc.collect()
        grown = _resident() - before
        for contestant in others:
            contestant.close()
        return grown / connections

    def _used(self) -> Contestant:
        contestant = self._connect()
        window = min(16, self._kind.most_in_flight)
        contestant.read(window, 10, window, False)
        return contestant


def _verdict(sample: Sample, seconds: float, cpu_seconds: float) -> str:
    if not np.array_equal(sample.values, expected_holding(sample.address, len(sample.values))):
        return "error wrong values"
    return f"ok {seconds:.9f} {cpu_seconds:.9f}"


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(name: str, host: str, port: str) -> None:
    """Serve lines until stdin closes."""
    try:
        worker = Worker(name, host, int(port))
    except ImportError as error:
        print(f"missing {error.name or error}", flush=True)
        return
    print(f"version {worker.version}\nready", flush=True)
    for line in sys.stdin:
        try:
            answer = worker.answer(line)
        except Exception as error:  # noqa: BLE001 - whatever a library raises is a result: it failed this row
            answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)
    worker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
