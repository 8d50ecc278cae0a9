"""Runs one case: a simulator with one fault, a call, what became of each of its requests, and three good calls after.

A case fails by an assertion, whichever thread it runs in. What it returns goes into the page's table.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import fastmodbus as fm
from fastmodbus import errors
from fastmodbus._core.batch import Batch
from fastmodbus.explain import error_of
from fastmodbus.simulator import Fault, Request, Simulator
from fastmodbus.spec import Status
from faults.catalogue import Case, Error

SIXTEEN = 16
LONG = 60.0  # a timeout that no test waits for: what comes before it comes by itself
SHORT = 0.35  # a timeout that is to pass
REGISTERS = 120
BITS = 13
WRITTEN = 123
BASE = 1000  # the first address of the call that is struck
GOOD = 40000  # where the good calls read and write

Outcome = Error | None
Registers = np.ndarray[Any, np.dtype[np.uint16]]


@dataclass(frozen=True)
class Setting:
    """How a call is made: how many requests, how many of them in flight, the other options of the client."""

    name: str
    requests: int
    options: dict[str, Any]
    write: bool = False

    @property
    def window(self) -> int:
        found = self.options["in_flight"]
        return SIXTEEN if found == "auto" else int(found)


def contents(count: int = 65536) -> Registers:
    return (np.arange(count) * 7 + 3).astype(np.uint16)


@contextmanager
def device() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.holding[:] = contents()
        simulator.coils[:] = contents() % 3 == 0
        yield simulator


class Watched:
    """A client whose batches can be looked at: what became of every single request, also of a failed write."""

    def __init__(self, client: fm.Client) -> None:
        self.client = client
        self.batches: list[Batch] = []
        link = client._link
        run = link.run

        def watched(batch: Batch) -> Any:
            self.batches.append(batch)
            return run(batch)

        link.run = watched  # type: ignore[method-assign]

    def outcomes(self) -> list[errors.ModbusError | None]:
        """Of the requests of the last call, the error of each, None where there is a good result."""
        batch = self.batches[-1]
        where = self.client._default.where
        found = [batch.result(index) for index in range(batch.count)]
        return [None if result[0] == Status.OK else error_of(result, where) for result in found]


def is_one(found: errors.ModbusError | None, expected: Sequence[Outcome]) -> bool:
    return any(found is None if kind is None else isinstance(found, kind) for kind in expected)


def strike(simulator: Simulator, case: Case, first: int, last: int) -> Fault:
    """Set the fault for the answer to one request of the call: that which touches these addresses."""

    def where(request: Request) -> bool:
        span = request.span
        return span is not None and span[1] <= last and span[2] > first

    how = {"quantity": BITS} if case.fault == "pad_bits" else {}
    return simulator.fault(case.fault, times=1, where=where, **how)


def size_of(case: Case, setting: Setting) -> int:
    return WRITTEN if setting.write else BITS if case.bits else REGISTERS


def values_to_write(count: int) -> Registers:
    return (np.arange(count) * 5 + 9).astype(np.uint16)


def call(client: fm.Client, case: Case, setting: Setting) -> errors.ModbusError | None:
    """The call that is struck; what was read is compared with what the device holds, element by element."""
    count = setting.requests * size_of(case, setting)
    try:
        if setting.write:
            client.write_registers(BASE, values_to_write(count))
        else:
            check_read(case, read(client, case, count), np.ones(count, np.bool_))
    except errors.ModbusError as error:
        if not setting.write:
            check_read(case, error.partial, error.ok)
        return error
    return None


def read(client: fm.Client, case: Case, count: int) -> Any:
    return client.read_coils(BASE, count) if case.bits else client.read_holding_registers(BASE, count)


def check_read(case: Case, found: Any, ok: Any) -> None:
    truth = contents()[BASE : BASE + len(found)]
    expected = truth % 3 == 0 if case.bits else truth
    assert np.array_equal(found[ok], expected[ok]), "wrong data"
    assert not found[~ok].any(), "what could not be read is 0"


def good_calls(client: fm.Client, simulator: Simulator) -> None:
    """Three calls that must be right: a read that is split, a write, coils."""
    count = 2 * REGISTERS
    found = client.read_holding_registers(GOOD, count, timeout=LONG)
    assert np.array_equal(found, simulator.holding[GOOD : GOOD + count])
    client.write_register(GOOD, int(simulator.holding[GOOD]) ^ 0x1234, timeout=LONG)
    assert simulator.holding[GOOD] == contents()[GOOD] ^ 0x1234
    assert np.array_equal(client.read_coils(GOOD, BITS, timeout=LONG), simulator.coils[GOOD : GOOD + BITS])


class Asked(NamedTuple):
    """A request that the device saw: by which connection, counted from 1, and its first address."""

    connection: int
    address: int


def frames(simulator: Simulator) -> list[Asked]:
    """What the device was asked of the struck call."""
    spans = [(request.connection, request.span) for request in simulator.log]
    return [Asked(connection, span[1]) for connection, span in spans if span is not None and BASE <= span[1] < GOOD]


@dataclass
class Result:
    """What came of one case, with the fault at one position. Device and client are closed: nothing changes any more."""

    position: int
    outcomes: list[errors.ModbusError | None]
    raised: errors.ModbusError | None
    asked: list[Asked]
    connections: int
    holding: Registers

    @property
    def struck(self) -> errors.ModbusError | None:
        return self.outcomes[self.position]

    @property
    def times(self) -> Counter[int]:
        """How often the device saw each address."""
        return Counter(asked.address for asked in self.asked)


def timeout_of(case: Case, setting: Setting) -> float:
    return SHORT if case.waits or (case.waits_among and setting.window > 1) else LONG


def run(case: Case, setting: Setting, position: int, **options: Any) -> Result:
    """One case with the fault at one position, and the good calls after it."""
    size = size_of(case, setting)
    first = BASE + position * size
    given = {"retries": 0, "timeout": timeout_of(case, setting), "deadline": 2 * LONG}
    limits = {"max_registers": size, "max_bits": size}
    with device() as simulator, fm.connect(simulator.url, **given | limits | setting.options | options) as client:
        watched = Watched(client)
        client.read_holding_registers(0, 1, timeout=LONG)  # an id was used before
        strike(simulator, case, first, first + size - 1)
        raised = call(client, case, setting)
        outcomes = watched.outcomes()
        with simulator.lock:
            pass  # what the device does after its answer, closing say, is done
        # Over TLS a close comes by way of a relay, and may meet the next request: a read is repeated then.
        good_calls(client.at(1, retries=1) if simulator.url.startswith("tls:") else client, simulator)
    connections = simulator.connections
    return Result(position, outcomes, raised, frames(simulator), connections, simulator.holding.copy())


def at_positions(run_one: Callable[[int], Result], requests: int) -> list[Result]:
    """With the fault at the first, a middle and the last position; all at the same time."""
    positions = sorted({0, requests // 2 - 1 if requests > 1 else 0, requests - 1})
    with ThreadPoolExecutor(len(positions)) as pool:
        return list(pool.map(run_one, positions))
