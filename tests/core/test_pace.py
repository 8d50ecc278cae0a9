"""The adaptive window against models of devices, in virtual time: what it reaches, what learning costs, what it risks.

For each model the best fixed window is searched from 1 to 16 in the same line, so the times compared are exact.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from core.device_models import (
    EACH,
    MS,
    SECOND,
    TIMEOUT,
    US,
    Device,
    FirstOfReceive,
    Limited,
    Line,
    Parallel,
    Reversing,
    Serial,
    read,
    right,
    write,
)
from fastmodbus._core.verbs import Session

MOST = 16
LEARNING, AFTER, SAMPLE = 800, 800, 160  # requests


class Model(NamedTuple):
    make: Callable[[], Device]
    network: dict[str, Any]

    def line(self, session: Session) -> Line:
        return Line(session, self.make(), **self.network)

    def fixed(self, window: int) -> Line:
        return self.line(Session(window))

    def automatic(self) -> Line:
        return self.line(Session(MOST, automatic=True))


NEAR, FAR = {"one_way": 10 * US}, {"one_way": 500 * US}
SHAKY = {"one_way": 500 * US, "jitter": 0.5}

CALM = {
    "1 ms network": Model(lambda: Serial(10 * US), FAR),
    "1 ms network, jitter": Model(lambda: Serial(10 * US), SHAKY),
    "serial gateway": Model(lambda: Serial(5 * MS), FAR),
    "serial gateway, jitter": Model(lambda: Serial(5 * MS, jitter=0.3), SHAKY),
    "loopback": Model(lambda: Serial(2 * US), NEAR),
    "loopback, jitter": Model(lambda: Serial(2 * US, jitter=0.5), {"one_way": 10 * US, "jitter": 0.5}),
    "answers out of order": Model(lambda: Parallel(1 * MS, spread=4 * MS), FAR),
    "answers last first": Model(lambda: Reversing(50 * US, 20 * US), FAR),
    "slower in a crowd": Model(lambda: Serial(1 * MS, crowd=0.3), FAR),
    "1 % of the answers 200 ms late": Model(lambda: Parallel(10 * US, tail=0.01, late=200 * MS), FAR),
}
ONLY_FIRST = {
    "answers only the first of a receive": Model(lambda: FirstOfReceive(30 * US, 60 * US), NEAR),
    "the same, 1 ms away": Model(lambda: FirstOfReceive(30 * US, 60 * US), FAR),
}
LIMITED = {
    f"{excess} above {most}": Model(lambda most=most, excess=excess: Limited(most, excess), FAR)  # type: ignore[misc]
    for excess in ("busy", "drop", "close", "drop all")
    for most in (1, 3, 4, 6, 11)
}
MODELS = CALM | ONLY_FIRST | LIMITED

of_every_model = pytest.mark.parametrize("name", MODELS)
batches_of = pytest.mark.parametrize("requests", [40, 400], ids="batches of {}".format)


def spend(line: Line, total: int, requests: int, retries: int = 2) -> int:
    """Read so many requests in batches; ns each. Every value is checked, and no error reaches the caller."""
    count = max(1, total // requests)
    took = 0
    for _ in range(count):
        batch, out = read(requests, retries=retries)
        took += line.run(batch)
        assert batch.failures() == []
        assert right(out)
    return took // (count * requests)


def best_window(model: Model, requests: int) -> int:
    """The fixed window that is fastest, of those with which the device answers everything."""
    costs = {}
    for window in range(1, MOST + 1):
        line = model.fixed(window)
        batch, _ = read(min(requests, SAMPLE))
        took = line.run(batch)
        if batch.ok():
            costs[window] = took
    return min(costs, key=costs.__getitem__)


@of_every_model
@batches_of
def test_within_a_tenth_of_the_best_fixed_window(name: str, requests: int) -> None:
    model = MODELS[name]
    line = model.automatic()
    spend(line, LEARNING, requests)
    reached = spend(line, AFTER, requests)
    best = spend(model.fixed(best_window(model, requests)), AFTER, requests)
    assert reached <= 1.1 * best


@of_every_model
@batches_of
def test_learning_costs_little(name: str, requests: int) -> None:
    """At most two timeouts in all, whoever counts; otherwise never slower than one at a time."""
    model = MODELS[name]
    line = model.automatic()
    learning = spend(line, LEARNING, requests) * LEARNING
    one_at_a_time = spend(model.fixed(1), LEARNING, requests) * LEARNING
    assert learning <= 1.01 * one_at_a_time + 2 * TIMEOUT
    assert sum(end - start for start, end in line.idle if end - start > TIMEOUT // 2) <= 2 * TIMEOUT
    assert spend(line, AFTER, requests) <= 1.01 * one_at_a_time / LEARNING


@of_every_model
def test_no_error_without_retries(name: str) -> None:
    """What learning costs is not taken from the repetitions that the caller allowed."""
    line = MODELS[name].automatic()
    spend(line, LEARNING, 100, retries=0)


@pytest.mark.parametrize("name", ONLY_FIRST)
@batches_of
def test_one_answer_a_receive_is_noticed_once(name: str, requests: int) -> None:
    line = MODELS[name].automatic()
    spend(line, 4000, requests)
    assert line.events["ONE_AT_A_TIME"] == 1
    assert line.session.limit == 1
    counters = line.session.counters()
    assert (counters["timeouts"], counters["retries"], counters["losses"]) == (0, 0, 0)
    assert line.most_in_flight == 2


@pytest.mark.parametrize("share", [0.003, 0.01, 0.03, 0.1])
@pytest.mark.parametrize("excess", ["of a receive", "in flight"])
def test_a_device_that_drops_seldom(share: float, excess: str) -> None:
    """So seldom that a trial may not show it. It costs no timeout, and what is slower than one at a time goes again."""
    model = Model(lambda: FirstOfReceive(30 * US, 60 * US, share), NEAR)
    if excess == "in flight":
        model = Model(lambda: Limited(1, "drop", 90 * US, share), NEAR)
    line = model.automatic()
    spend(line, 40000, 100, retries=0)
    assert line.session.counters()["timeouts"] == 0
    assert line.events["ONE_AT_A_TIME"] <= 1
    assert spend(line, 4000, 100) <= 1.1 * spend(model.fixed(1), 1000, 100)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ONLY_FIRST])
def test_nobody_else_is_said_to_answer_one_at_a_time(name: str) -> None:
    line = MODELS[name].automatic()
    spend(line, 4000, 100)
    assert line.events["ONE_AT_A_TIME"] == (name in ("drop above 1", "drop all above 1"))


@pytest.mark.parametrize("most", [3, 4, 6, 11])
@pytest.mark.parametrize("excess", ["busy", "drop", "close", "drop all"])
def test_the_limit_of_a_device_is_found(most: int, excess: str) -> None:
    line = LIMITED[f"{excess} above {most}"].automatic()
    spend(line, 1600, 100)
    assert line.session.limit in (most, most + (excess == "busy"))  # exception 6: one more is tried now and then


@pytest.mark.parametrize("requests", [1, 8])
def test_short_calls_try_nothing(requests: int) -> None:
    line = CALM["1 ms network"].automatic()
    for _ in range(100):
        spend(line, requests, requests)
    assert line.most_in_flight == 1


#: Models and how many callers.
CALLERS = [
    *((name, 16) for name in (*CALM, *ONLY_FIRST) if "%" not in name),
    *((name, callers) for name in ("1 ms network", "serial gateway") for callers in (9, 40)),
    *((f"{excess} above 4", 16) for excess in ("busy", "drop", "close", "drop all")),
]


@pytest.mark.parametrize(("name", "callers"), CALLERS, ids=[f"{name}, {callers}" for name, callers in CALLERS])
def test_many_short_calls_that_wait_together_teach_as_much_as_long_ones(name: str, callers: int) -> None:
    """As those of tasks and threads do: each has one request, and asks the next when it is answered."""
    model = MODELS[name]
    made: list[tuple[Any, Any]] = []

    def one() -> Any:
        made.append(read(1, retries=2))
        return made[-1][0]

    line = model.automatic()
    line.run_callers(one, callers, LEARNING)
    took = line.run_callers(one, callers, AFTER // 2)
    assert all(batch.ok() and right(out) for batch, out in made)
    assert took <= 1.15 * model.fixed(best_window(model, 40)).run_callers(one, callers, AFTER // 2)
    assert line.events["ONE_AT_A_TIME"] == (name in ONLY_FIRST)


def test_few_short_calls_that_wait_together_try_nothing() -> None:
    line = CALM["1 ms network"].automatic()
    line.run_callers(lambda: read(1)[0], 8, 400)
    assert line.most_in_flight == 1


def test_a_pause_of_the_network() -> None:
    """Nothing moves for 0.3 s in the middle of a batch: nothing is concluded from it, and no error comes of it."""
    model = CALM["1 ms network"]
    for at in range(0, 60, 3):
        line = model.automatic()
        line.at(SECOND + at * MS, lambda line=line: setattr(line, "stall_until", line.now + 300 * MS))  # type: ignore[misc]
        spend(line, 1600, 100)
        assert line.events["ONE_AT_A_TIME"] == 0
        assert spend(line, AFTER, 100) <= 1.1 * spend(model.fixed(MOST), AFTER, 100)


def test_a_device_that_becomes_slow_and_quick_again() -> None:
    """One that can no longer do things side by side is asked less at once; when it can again, more."""
    device = Limited(MOST, "busy", 5 * MS)
    line = Line(Session(MOST, automatic=True), device, one_way=500 * US)
    spend(line, LEARNING, 100)
    assert line.session.limit == MOST
    device.most, device.service = 1, 6 * MS
    spend(line, 2000, 100)
    assert line.session.limit <= 2
    device.most, device.service = MOST, 5 * MS
    spend(line, 8000, 400)
    assert line.session.limit >= MOST // 2


def test_a_device_that_works_one_after_the_other_from_now_on() -> None:
    """Nothing is gained by asking for more than it works on, and each answer waits longer: fewer are in flight then."""
    line = Line(Session(MOST, automatic=True), Parallel(2 * MS), one_way=500 * US)
    spend(line, LEARNING, 400)
    assert line.session.limit == MOST
    slow = Model(lambda: Serial(2 * MS), FAR)
    line.device = slow.make()
    line.device.attach(line)
    spend(line, 8000, 400)
    assert line.session.limit <= MOST // 4
    assert spend(line, AFTER, 400) <= 1.1 * spend(slow.fixed(MOST), AFTER, 400)


@pytest.mark.parametrize("excess", ["busy", "drop", "close", "drop all"])
@pytest.mark.parametrize("most", [1, 4])
def test_writes_are_not_put_at_risk(excess: str, most: int) -> None:
    """Writes beside long reads, while the window is being learnt: each is carried out once, and none fails."""
    line = LIMITED[f"{excess} above {most}"].automatic()
    written = 0
    for _ in range(40):
        reads, out = read(40)
        writes = write(written, 5)
        line.run(reads, writes)
        written += 5
        assert reads.failures() == []
        assert writes.failures() == []
        assert right(out)
    addresses = [int.from_bytes(body[:2], "big") for body in line.device.writes]
    assert addresses == list(range(written))


def test_writes_do_not_starve() -> None:
    """A write waits until few enough reads are in flight; they must not keep refilling the window before it."""
    line = CALM["1 ms network"].automatic()
    reads, _ = read(2000)
    writes = write(0, 20)
    done: list[int] = []
    line.at(SECOND + 5 * MS, lambda: line.session.submit(writes))
    line.at(SECOND + 60 * MS, lambda: done.append(writes.unfinished))
    line.run(reads)
    assert done == [0]
    line.session.detach(writes)


class DeadUnit(Serial):
    """A gateway behind which unit 9 is dead; the others are asked one after the other."""

    def arrive(self, request: Any) -> None:
        if request.adu[6] != 9:
            super().arrive(request)


def read_unit(unit: int, requests: int) -> Any:
    from fastmodbus._core.batch import read_batch

    out = np.zeros(requests * EACH, np.uint16)
    return read_batch(3, unit, 100, requests * EACH, EACH, out).limits(TIMEOUT, (1 << 63) - 1, 2)


@pytest.mark.parametrize("window", [1, 4, 16, "auto"])
@pytest.mark.parametrize("requests", [1, 2, 3, 40, 400])
def test_a_long_read_of_a_dead_unit_ends_in_bounded_time(window: Any, requests: int) -> None:
    session = Session(MOST, automatic=True) if window == "auto" else Session(window)
    line = Line(session, DeadUnit(1 * MS), one_way=500 * US)
    spend(line, 400, 100)
    batch = read_unit(9, requests)
    took = line.run(batch)
    assert len(batch.failures()) == requests
    assert took <= 2 * 3 * TIMEOUT + TIMEOUT  # two requests with their repetitions, and one timeout of the window's
    line.run(read_unit(9, 1))
    again = read_unit(9, requests)
    assert line.run(again) <= TIMEOUT + 10 * MS  # suspended: asked once
    assert len(again.failures()) == requests
    spend(line, 400, 100)


@pytest.mark.parametrize("window", [4, 16, "auto"])
def test_other_units_go_on_beside_a_dead_one(window: Any) -> None:
    session = Session(MOST, automatic=True) if window == "auto" else Session(window)
    line = Line(session, DeadUnit(1 * MS), one_way=500 * US)
    spend(line, 1600, 100)
    quiet = spend(line, 1600, 400)
    line.run(read_unit(9, 3))
    for _ in range(3):
        dead = read_unit(9, 40)
        alive, out = read(400)
        line.session.submit(dead)
        took = line.run(alive)
        assert right(out)
        assert took // 400 <= 1.5 * quiet
        line.run(read_unit(1, 1))
        line.session.detach(dead)


def test_a_unit_that_comes_back() -> None:
    device = DeadUnit(1 * MS)
    line = Line(Session(MOST, automatic=True), device, one_way=500 * US)
    line.run(read_unit(9, 40))
    device.arrive = super(DeadUnit, device).arrive  # type: ignore[method-assign]
    first = read_unit(9, 40)
    line.run(first)
    assert first.failures() == []


def test_what_was_learnt_another_day() -> None:
    model = CALM["answers out of order"]
    line = model.automatic()
    assert line.session.learnt == 0
    spend(line, LEARNING, 100)
    learnt = line.session.learnt
    assert learnt > 1
    line = model.automatic()
    line.session.learnt = learnt
    assert line.session.limit == line.session.learnt == learnt
    assert spend(line, SAMPLE, 100) <= 1.1 * spend(model.fixed(learnt), SAMPLE, 100)


def test_a_device_that_stood_one_at_a_time_another_day_is_tried_again_seldom() -> None:
    model = ONLY_FIRST["answers only the first of a receive"]
    line = model.automatic()
    spend(line, LEARNING, 100)
    assert line.session.learnt == 1
    line = model.automatic()
    line.session.learnt = 1
    spend(line, SAMPLE, 100)
    assert (line.session.limit, line.events["ONE_AT_A_TIME"]) == (1, 0)
    line = CALM["answers out of order"].automatic()
    line.session.learnt = 1
    spend(line, 8000, 400)
    assert line.session.limit > 1


def test_a_window_that_was_chosen_is_not_learnt() -> None:
    session = Session(4)
    session.learnt = 2
    assert (session.limit, session.learnt) == (4, 0)
