"""Every row for every contestant under pytest-benchmark: ``pytest benchmarks --benchmark-only [-k fastmodbus]``.

For comparing a contestant with itself over time. Contestants run one after the other here; the side by side comparison,
in turns, is ``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from .contestants.base import BATCH
from .engine import Session
from .process import Runner
from .rows import ROWS, Row

CASES = [pytest.param(row, name, id=f"{row.key}-{name}") for row in ROWS for name in row.contestants]


@pytest.fixture
def device(session: Session) -> Iterator[Callable[[int], None]]:
    """Sets the device's answer delay, and takes it away again."""
    yield session.server.set_delay
    session.server.set_delay(0)


@pytest.mark.parametrize(("row", "name"), CASES)
def test_row(
    benchmark: BenchmarkFixture,
    runner: Callable[[str], Runner],
    device: Callable[[int], None],
    row: Row,
    name: str,
) -> None:
    contestant = runner(name)
    requests = row.requests or (BATCH if row.load.in_flight > 1 else 20)
    benchmark.group = row.key
    benchmark.extra_info["requests"] = requests
    device(row.load.delay_us)
    contestant.set_busy(row.load.busy)
    try:
        done = benchmark.pedantic(contestant.run, (requests, row.load), rounds=10, warmup_rounds=1)
    finally:
        contestant.set_busy(False)
    assert done.requests == requests
