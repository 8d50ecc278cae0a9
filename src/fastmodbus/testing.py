"""The pytest plugin: simulated devices for tests, closed when the test is over.

Loaded by pytest itself (entry point ``fastmodbus``), so it imports nothing until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastmodbus.simulator import Simulator


@pytest.fixture
def modbus_sim() -> Iterator[Simulator]:
    """A running `fastmodbus.Simulator` with unit 1 and empty tables."""
    from fastmodbus.simulator import Simulator

    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def modbus_sim_from() -> Iterator[Callable[..., Simulator]]:
    """A function that makes running simulators: it takes the options of `fastmodbus.Simulator`."""
    from fastmodbus.simulator import Simulator

    with ExitStack() as running:
        yield lambda **options: running.enter_context(Simulator(**options))
