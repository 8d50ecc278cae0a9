"""Several clients, each shared by threads, against devices whose faults change at random.

Each thread owns a range of registers and coils that nobody else writes, so what it must read is known: what it wrote
last, or, after a write whose outcome is unknown, what was there before or what it wrote. The rest of the tables never
changes. An error has to be one of the library's; a value that is wrong, a hang, or a client that does not work again
once the faults are over fails the test. SOAK_SEED=... repeats the choices of a run, though not its timing.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest

import fastmodbus as fm

DEVICES = 3
THREADS = 3  # a device
OWN = 40  # registers and coils of a thread
FIXED = 1000  # from here on nothing changes
CONSTANT = (np.arange(65536, dtype=np.uint32) * 40503 % 65521).astype(np.uint16)
BITS = CONSTANT % 3 == 0
WINDOWS = (1, 5, 16, "auto")
PATIENCE_SECONDS = 60.0

FAULTS: tuple[tuple[str, dict[str, float]], ...] = (
    ("drop", {}),
    ("duplicate", {"copies": 3}),
    ("delay", {"seconds": 0.03}),
    ("delay", {"seconds": 0.4}),
    ("split", {"size": 1}),
    ("split", {"size": 5, "gap": 0.002}),
    ("close", {"sent": 0}),
    ("close", {"sent": 5}),
    ("reset", {"sent": 0}),
    ("reset", {"sent": 11}),
    ("transaction_id", {}),
    ("unit", {}),
)


class Owner:
    """A thread's calls, and what it knows of its own registers and coils."""

    def __init__(self, client: fm.Client, sim: fm.Simulator, number: int, seed: int) -> None:
        self.client, self.start = client, number * OWN
        self.dice = random.Random(seed)
        self.counts: Counter[str] = Counter()
        own = slice(self.start, self.start + OWN)
        self.registers = [{int(value)} for value in sim.holding[own]]
        self.coils = [{bool(value)} for value in sim.coils[own]]

    def call(self) -> None:
        """One call of any kind; what it returns is checked."""
        what = self.dice.choice(
            [self.bulk, self.bulk_bits, self.short, self.own, self.write, self.write_bits, self.both]
        )
        try:
            what()
            self.counts["good"] += 1
        except fm.ModbusError as error:
            self.counts[type(error).__name__] += 1

    def bulk(self) -> None:
        start = self.dice.randrange(FIXED, 50000)
        count = self.dice.randrange(126, 6000)
        out = np.full(count, 0xDEAD, np.uint16)
        done = np.ones(count, bool)
        try:
            self.client.read_holding_registers(start, count, out=out)
        except fm.ModbusError as error:
            done = error.ok  # type: ignore[attr-defined]
            raise
        finally:
            assert np.array_equal(out[done], CONSTANT[start : start + count][done]), "a value is wrong"
            assert np.all(out[~done] == 0xDEAD), "touched without an answer"

    def bulk_bits(self) -> None:
        start = self.dice.randrange(FIXED, 40000)
        count = self.dice.randrange(1, 9000)
        assert np.array_equal(self.client.read_discrete_inputs(start, count), BITS[start : start + count])

    def short(self) -> None:
        start = self.dice.randrange(FIXED, 60000)
        count = self.dice.randrange(1, 20)
        found = self.client.read_input_registers(start, count, deadline=self.dice.choice([None, 0.5]))
        assert np.array_equal(found, CONSTANT[start : start + count])

    def own(self) -> None:
        """Reading settles what was uncertain."""
        registers = self.client.read_holding_registers(self.start, OWN)
        self.registers = self.settled(self.registers, registers.tolist())
        self.coils = self.settled(self.coils, self.client.read_coils(self.start, OWN).tolist())

    @staticmethod
    def settled(possible: list[set[int]], found: list[int]) -> list[set[int]]:
        for allowed, value in zip(possible, found, strict=True):
            assert value in allowed, f"read {value}, which was never written; it can only be {allowed}"
        return [{value} for value in found]

    def write(self) -> None:
        at, values = self.choose(65536)
        single = len(values) == 1 and self.dice.random() < 0.5
        self.carried_out(
            lambda: (
                self.client.write_register(self.start + at, values[0])
                if single
                else self.client.write_registers(self.start + at, values)
            ),
            self.registers,
            at,
            values,
        )

    def write_bits(self) -> None:
        at, numbers = self.choose(2)
        values = [bool(number) for number in numbers]
        self.carried_out(lambda: self.client.write_coils(self.start + at, values), self.coils, at, values)

    def both(self) -> None:
        at, values = self.choose(65536)

        def call() -> None:
            found = self.client.read_write_registers(FIXED, 50, self.start + at, values)
            assert np.array_equal(found, CONSTANT[FIXED : FIXED + 50])

        self.carried_out(call, self.registers, at, values)

    def choose(self, bound: int) -> tuple[int, list[int]]:
        at = self.dice.randrange(OWN)
        return at, [self.dice.randrange(bound) for _ in range(self.dice.randrange(1, OWN - at + 1))]

    def carried_out(self, call: Callable[[], object], state: list[set[int]], at: int, values: list[int]) -> None:
        """A write: done, not done, or unknown, as it says."""
        try:
            call()
        except fm.ModbusError as error:
            if error.outcome_unknown:
                for i, value in enumerate(values, at):
                    state[i] = state[i] | {value}
            raise
        state[at : at + len(values)] = [{value} for value in values]


def disturb(sims: list[fm.Simulator], dice: random.Random) -> None:
    """Change what goes wrong at one of the devices."""
    sim = dice.choice(sims)
    if dice.random() < 0.5:
        sim.clear_faults()
    if dice.random() < 0.7:
        kind, how = dice.choice(FAULTS)
        sim.fault(kind, p=dice.choice([0.003, 0.03, 0.3]), times=dice.choice([None, 1, 5]), **how)
    if dice.random() < 0.2:
        sim.disconnect(reset=dice.random() < 0.5)
    if dice.random() < 0.2:
        sim.one_answer_per_receive = dice.random() < 0.3
    if dice.random() < 0.2:
        sim.max_in_flight = dice.choice([None, 1, 4])
    if dice.random() < 0.2:
        sim.answer_delay = dice.choice([0.0, 0.001, 0.02])
    if dice.random() < 0.02:
        sim.close()
        sim.start()


def calm(sim: fm.Simulator) -> None:
    sim.clear_faults()
    sim.one_answer_per_receive, sim.max_in_flight, sim.answer_delay = False, None, 0.0


def device() -> fm.Simulator:
    return fm.Simulator(registers={"hr": CONSTANT, "ir": CONSTANT, "di": BITS, "co": BITS})


def soak(seconds: float, seed: int) -> Counter[str]:
    dice = random.Random(seed)
    over = threading.Event()
    failures: list[BaseException] = []

    def work(owner: Owner) -> None:
        try:
            while not over.is_set():
                owner.call()
        except BaseException as failure:  # noqa: BLE001 (raised again by the test)
            failures.append(failure)
            over.set()

    with ExitStack() as stack:
        sims = [stack.enter_context(device()) for _ in range(DEVICES)]
        window = iter(dice.sample(WINDOWS, len(WINDOWS)))
        clients = [
            stack.enter_context(fm.connect(sim.url, timeout=0.15, retries=1, in_flight=next(window))) for sim in sims
        ]
        owners = [
            Owner(client, sim, number, dice.randrange(1 << 30))
            for client, sim in zip(clients, sims, strict=True)
            for number in range(THREADS)
        ]
        threads = [threading.Thread(target=work, args=(owner,), daemon=True) for owner in owners]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not over.wait(dice.uniform(0.01, 0.2)):
            disturb(sims, dice)
        over.set()
        for sim in sims:
            calm(sim)
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a call hangs"
        if failures:
            raise failures[0]
        for owner in owners:
            recovered(owner)
        for client in clients:
            assert client.stats.in_flight == 0
    return sum((owner.counts for owner in owners), Counter())


def recovered(owner: Owner) -> None:
    """The faults are over: soon everything works again, and stays so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    good = 0
    while good < 10:
        before = owner.counts["good"]
        owner.call()
        good = good + 1 if owner.counts["good"] > before else 0
        assert time.monotonic() < deadline, "the client does not recover"


def seed() -> int:
    return int(os.environ.get("SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)


def check(seconds: float) -> None:
    chosen = seed()
    print(f"SOAK_SEED={chosen}")
    counts = soak(seconds, chosen)
    print(dict(counts))
    assert counts["good"] > 100
    assert len(counts) > 1, "no fault had any effect"


def test_ten_seconds() -> None:
    check(10)


@pytest.mark.nightly
def test_ten_minutes() -> None:
    """Or so many as SOAK_MINUTES says; with other dice each half minute."""
    for _ in range(int(2 * float(os.environ.get("SOAK_MINUTES", "10")))):
        check(30)
