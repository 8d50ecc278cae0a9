"""Runs contestants side by side, in turns, round by round: what disturbs the machine disturbs all alike.

A ratio is taken within a round, between neighbours in time, and its median over the rounds is what counts; the
quartiles tell how far it can be trusted. Rounds that fail take their contestant out of the row and are named in the
results.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from .contestants import CONTESTANTS
from .contestants.base import BATCH
from .native import Server
from .process import Failed, Load, Missing, Round, Runner
from .rows import Row

T = TypeVar("T")


class Effort(NamedTuple):
    """How long a row is measured."""

    rounds: int
    seconds: float
    """Of one round of one contestant."""


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Median and quartiles of at least one value."""
    ordered = sorted(values)
    if len(ordered) == 1:
        return Spread(*ordered * 3)
    low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, low, high)


class Session:
    """The server and the contestants that run here, each a process; the server has a core of its own if it can."""

    def __init__(self, names: Iterable[str] = CONTESTANTS) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        apart = len(cpus) > 1
        self.client_cpu = cpus[0] if apart else None
        self.server = Server(cpus[1] if apart else None)
        self.runners: dict[str, Runner] = {}
        self.missing: dict[str, str] = {}
        for name in names:
            try:
                self.runners[name] = self.start(name)
            except Missing as reason:
                self.missing[name] = str(reason)

    def start(self, name: str) -> Runner:
        """A contestant in a new process."""
        return Runner(name, self.server.host, self.server.port, self.client_cpu)

    @property
    def versions(self) -> dict[str, str]:
        """Distribution and version of those that have one."""
        return {name: runner.version for name, runner in self.runners.items() if runner.version}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runner in self.runners.values():
            runner.close()
        self.server.close()


def measure(session: Session, row: Row, effort: Effort) -> dict[str, Any]:
    """One row: for each contestant its rate and CPU time in every round."""
    session.server.set_delay(row.load.delay_us)
    here = [session.runners[name] for name in row.contestants if name in session.runners]
    failed: dict[str, str] = {}
    sizes = {runner.name: _guarded(failed, runner, partial(_size, runner, row, effort)) for runner in here}
    rounds: dict[str, list[Round]] = {name: [] for name in sizes}
    for turn in range(effort.rounds):
        for runner in _rotated(here, turn):
            size = sizes[runner.name]
            if size is None or runner.name in failed:
                continue
            if one := _guarded(failed, runner, partial(_round, runner, size, row.load)):
                rounds[runner.name].append(one)
    session.server.set_delay(0)
    return {
        "load": row.load._asdict(),
        "failed": failed,
        "contestants": {name: _summary(done) for name, done in rounds.items() if name not in failed},
    }


def _guarded(failed: dict[str, str], runner: Runner, act: Callable[[], T]) -> T | None:
    try:
        return act()
    except (Failed, OSError) as error:
        failed[runner.name] = str(error)
        return None


def _rotated(runners: list[Runner], turn: int) -> list[Runner]:
    """Each round begins with another one: nobody always follows the same neighbour's warm or cold caches."""
    start = turn % len(runners) if runners else 0
    return runners[start:] + runners[:start]


def _round(runner: Runner, requests: int, load: Load) -> Round:
    if not load.busy:
        return runner.run(requests, load)
    runner.set_busy(True)
    try:
        return runner.run(requests, load)
    finally:
        runner.set_busy(False)


def _size(runner: Runner, row: Row, effort: Effort) -> int:
    """Requests that fill a round: whole batches when several are in flight, found by trying."""
    if row.requests:
        _round(runner, row.requests, row.load)
        return row.requests
    unit = BATCH if row.load.in_flight > 1 else 4
    requests = unit
    while (tried := _round(runner, requests, row.load)).seconds < effort.seconds / 4:
        requests *= 4
    return max(1, round(tried.rate * effort.seconds / unit)) * unit


def _summary(rounds: list[Round]) -> dict[str, Any]:
    return {
        "requests": rounds[0].requests,
        "rates": [round(one.rate, 1) for one in rounds],
        "cpu_us": [round(one.cpu_seconds / one.requests * 1e6, 4) for one in rounds],
    }
