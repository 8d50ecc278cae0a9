"""Polling beside bare C that reads the same devices: rates, CPU time, lateness. Pollers take turns, each in a process.

Only ``__main__`` uses this; the server is the session's, in a process and on a core of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from .engine import Effort, Session
from .native import program
from .process import ROOT

DEVICES = (100, 1000, 5000)
READS, REGISTERS = 10, 10
WINDOWS = (1, 10)
PERIOD_US = 2000
PLANT = 40


def everything(session: Session, effort: Effort, *, whole: bool) -> dict[str, Any]:
    """All figures of polling; of the numbers of devices only one unless the whole is wanted."""
    return {
        "connections": connections(session, effort, DEVICES if whole else DEVICES[1:]),
        "lateness": lateness(session, effort),
        "plant": plant(session, effort),
    }


class Polling:
    """One poller, in bare C or fastmodbus, that answers lines; see ``c/poller.c``."""

    def __init__(self, command: list[str], cpu: int | None) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if cpu is not None:
            os.sched_setaffinity(self._process.pid, {cpu})
        if self._line() != "ready":
            raise RuntimeError(f"{command} did not start")

    def ask(self, line: str) -> list[float]:
        """Numbers for a line."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        verb, *numbers = self._line().split()
        if verb != "ok":
            raise RuntimeError(" ".join(numbers))
        return [float(number) for number in numbers]

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _in_c(what: str, **numbers: int) -> list[str]:
    options = [part for name, value in numbers.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [str(program("poller")), what, *options]


def _in_python(session: Session, what: str, *numbers: int) -> list[str]:
    place = (session.server.host, str(session.server.port))
    return [sys.executable, "-m", "benchmarks.poll_worker", what, *place, *map(str, numbers)]


def connections(session: Session, effort: Effort, devices: Iterable[int] = DEVICES) -> dict[str, Any]:
    """So many devices, 10 reads each, over and over: requests a second, and µs of CPU time for one, round by round."""
    results: dict[str, Any] = {}
    for count in devices:
        for in_flight in WINDOWS:
            commands = {
                "bare_c": _in_c("connections", port=session.server.port, devices=count, reads=READS,
                                in_flight=in_flight, registers=REGISTERS),
                "fastmodbus": _in_python(session, "connections", count, READS, in_flight, REGISTERS),
            }  # fmt: skip
            try:
                results[f"{count}-{in_flight}f"] = _in_turns(session, commands, effort)
            except RuntimeError as error:
                results[f"{count}-{in_flight}f"] = {"failed": str(error)}
    return results


def _in_turns(session: Session, commands: dict[str, list[str]], effort: Effort) -> dict[str, Any]:
    """The pollers in turns: each rests while it is not asked."""
    found: dict[str, Any] = {name: {"rates": [], "cpu_us": []} for name in commands}
    with ExitStack() as stack:
        pollers = {
            name: stack.enter_context(Polling(command, session.client_cpu)) for name, command in commands.items()
        }
        for _ in range(effort.rounds):
            for name, polling in pollers.items():
                requests, seconds, cpu = polling.ask(f"run {10 * effort.seconds}")
                found[name]["rates"].append(requests / seconds)
                found[name]["cpu_us"].append(cpu / requests * 1e6)
    return found


def lateness(session: Session, effort: Effort) -> dict[str, dict[str, list[float]]]:
    """500 polls a second, idle and beside a busy thread, and a timerfd loop in C: how late, in ns, round by round."""
    commands = {
        "bare_c": _in_c("timer", period_us=PERIOD_US),
        "fastmodbus": _in_python(session, "timer", PERIOD_US),
    }
    kinds = ("median", "p99", "max", "not_good")
    results: dict[str, dict[str, list[float]]] = {}
    for _ in range(effort.rounds):
        for name, command in commands.items():
            with Polling(command, None) as polling:  # the kernel places the busy thread, and what it disturbs
                for busy in (0, 1):
                    polling.ask(f"busy {busy}")
                    found = results.setdefault(f"{name}, {'busy' if busy else 'idle'}", {kind: [] for kind in kinds})
                    for kind, number in zip(kinds, polling.ask(f"run {40 * effort.seconds}"), strict=False):
                        found[kind].append(number)
    return results


def plant(session: Session, effort: Effort) -> dict[str, float]:
    """40 devices of 600 tags at 10 Hz: the share of one core, and the polls that were not good."""
    with Polling(_in_python(session, "plant", PLANT), session.client_cpu) as polling:
        requests, took, cpu, polls, good = polling.ask(f"run {100 * effort.seconds}")
    return {"cpu": cpu / took, "requests": requests / took, "polls": polls, "not_good": polls - good}
