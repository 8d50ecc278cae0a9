"""One contestant in a process of its own, as the harness sees it.

Every contestant has a process of its own, also those in Python: no library's threads, event loop, garbage or allocator
can disturb another's round, CPU time and memory are counted for one library alone, and C and Python are driven through
the same lines. The lines pass before and after the clock runs, so the pipe costs nothing in the figures.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .contestants import CONTESTANTS
from .contestants.base import BATCH
from .native import BuildFailed, program

ROOT = Path(__file__).parent.parent
PATIENCE = 120.0


class Missing(RuntimeError):
    """This contestant cannot run here; says why."""


class Failed(RuntimeError):
    """A round went wrong: the library raised, was silent too long, or read wrong values."""


class Round(NamedTuple):
    """What one round took."""

    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class Load(NamedTuple):
    """How a round reads."""

    registers: int = 125
    in_flight: int = 1
    coalesce: bool = False
    delay_us: int = 0
    busy: bool = False


class Runner:
    """Starts a contestant and makes it run rounds."""

    def __init__(self, name: str, host: str, port: int, cpu: int | None = None) -> None:
        self.name = name
        self.version = ""
        self._process = subprocess.Popen(
            self._command(name, host, port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        if cpu is not None:
            os.sched_setaffinity(self._process.pid, {cpu})
        self._greet()

    @staticmethod
    def _command(name: str, host: str, port: int) -> list[str]:
        if CONTESTANTS[name].module:
            return [sys.executable, "-m", "benchmarks.worker", name, host, str(port)]
        try:
            return [str(program(name)), "--host", host, "--port", str(port)]
        except BuildFailed as error:
            raise Missing(str(error)) from error

    def _greet(self) -> None:
        assert self._process.stdout
        while (line := self._process.stdout.readline().strip()) != "ready":
            verb, _, rest = line.partition(" ")
            if verb == "version":
                self.version = rest
            else:
                self.close()
                raise Missing(f"{rest or line} is not installed" if verb == "missing" else "did not start")

    def run(self, requests: int, load: Load) -> Round:
        """One round of so many requests."""
        answer = self._ask(f"run {requests} {load.registers} {load.in_flight} {load.coalesce:d} {BATCH}")
        seconds, cpu_seconds = map(float, answer.split())
        return Round(requests, seconds, cpu_seconds)

    def poll(self, values: int) -> Round:
        """One poll of scattered values."""
        seconds, cpu_seconds = map(float, self._ask(f"poll {values}").split())
        return Round(values, seconds, cpu_seconds)

    def memory(self, connections: int) -> float:
        """Bytes per idle connection."""
        return float(self._ask(f"memory {connections}"))

    def set_busy(self, on: bool) -> None:
        """Let a thread of the contestant's process compute; the kernel chooses its core, the reads stay on theirs."""
        self._ask(f"busy {on:d}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, command: str) -> str:
        assert self._process.stdin
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        status, _, answer = self._line().partition(" ")
        if status != "ok":
            raise Failed(f"{self.name}: {answer or 'the process ended'}")
        return answer

    def _line(self) -> str:
        assert self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE):
                self._process.kill()
                raise Failed(f"{self.name}: silent for {PATIENCE:.0f} s")
        return self._process.stdout.readline().strip()
