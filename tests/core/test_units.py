"""A unit that does not answer: it costs its own values and a bounded time, and comes back by itself. Driven by hand."""

import pytest

from core.line import PATTERN, SECOND, Line, addresses, expected, limits, read, registers, statuses, write
from fastmodbus._core.batch import image_batch
from fastmodbus.spec import Status


def silence(line: Line, unit: int, requests: int) -> list[Status]:
    """Ask a unit that does not answer; what became of it."""
    batch, _ = read(requests, unit=unit)
    line.submit(batch)
    while batch.unfinished:
        line.send()
        line.pass_time(SECOND)
    return statuses(batch)


def test_two_requests_without_an_answer_suspend_a_unit() -> None:
    line = Line(1)
    assert silence(line, 5, 4) == [Status.TIMEOUT, Status.TIMEOUT, Status.SUSPENDED, Status.SUSPENDED]
    assert silence(line, 5, 3) == [Status.TIMEOUT, Status.SUSPENDED, Status.SUSPENDED]
    assert line.counted("requests") == [3]


def test_the_other_units_go_on() -> None:
    line = Line(2)
    silence(line, 5, 2)
    batch, out = read(10, unit=6)
    dead, _ = read(10, unit=5)
    line.submit(batch, dead)
    while batch.unfinished:
        line.answer(*[frame for frame in line.send() if frame.unit == 6])
    assert out.tolist() == expected(0, 10)
    line.pass_time(SECOND)
    assert statuses(dead) == [Status.TIMEOUT] + [Status.SUSPENDED] * 9


def test_a_suspended_unit_is_asked_one_at_a_time_and_comes_back() -> None:
    line = Line(4)
    silence(line, 5, 2)
    batch, out = read(10, unit=5)
    line.submit(batch)
    [frame] = line.send()
    line.answer(frame)
    assert len(line.send()) == 4
    line.reconnect()
    assert statuses(batch) == [Status.OK] + [Status.LOST] * 4 + [Status.QUEUED] * 5
    line.work()
    assert out.tolist() == expected(0, 1) + [PATTERN] * 4 + expected(5, 5)


def test_an_exception_of_the_unit_brings_it_back() -> None:
    line = Line(4)
    silence(line, 5, 2)
    batch, _ = read(6, unit=5)
    line.submit(batch)
    line.answer_with(*line.send(), "83 02")
    assert len(line.send()) == 4


def test_a_suspended_unit_is_not_asked_twice() -> None:
    line = Line(1)
    silence(line, 5, 2)
    batch, _ = read(2, unit=5, repeats=5)
    line.submit(batch)
    line.send()
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.TIMEOUT, Status.SUSPENDED]


@pytest.mark.parametrize("code", ["0a", "0b"])
def test_a_gateway_that_reports_a_unit_as_lost_suspends_it(code: str) -> None:
    line = Line(2)
    batch, _ = read(5, unit=5)
    line.submit(batch)
    for frame in line.send():
        line.answer_with(frame, "83" + code)
    assert statuses(batch) == [Status.EXCEPTION] * 2 + [Status.SUSPENDED] * 3
    assert line.send() == []


def test_a_repetition_still_waits_when_the_rest_is_suspended() -> None:
    """What was given up unsent must never be sent: its batch would be over before its answers came."""
    line = Line(3)
    batch, out = read(6, unit=5, repeats=1)
    line.submit(batch)
    busy, *lost = line.send()
    line.answer_with(busy, "83 06")
    for frame in lost:
        line.answer_with(frame, "83 0b")
    given_up = [Status.EXCEPTION] * 2 + [Status.SUSPENDED] * 3
    assert statuses(batch) == [Status.QUEUED, *given_up]
    assert line.send() == []
    line.pass_time(SECOND)
    frames = line.send()
    assert addresses(frames) == [0]
    line.answer(*frames)
    assert statuses(batch) == [Status.OK, *given_up]
    assert batch.unfinished == 0
    assert line.send() == []
    assert out.tolist() == expected(0, 1) + [PATTERN] * 5


def test_writes_to_a_suspended_unit_are_cancelled_after_the_first() -> None:
    line = Line(1)
    silence(line, 5, 2)
    batch = write(3, unit=5)
    line.submit(batch)
    line.send()
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.TIMEOUT, Status.CANCELLED, Status.CANCELLED]


def mixed(units: list[int], **given: int) -> tuple:
    """A batch of one register each of several units."""
    out = registers(len(units))
    reads = [(3, unit, 10 * i, 1, 2 * i) for i, unit in enumerate(units)]
    return limits(image_batch(reads, out), **given), out


def test_a_dead_unit_in_a_batch_of_several_costs_its_own_values() -> None:
    line = Line(2)
    batch, out = mixed([5, 5, 6, 5, 6, 5, 6])
    line.submit(batch)
    for frame in line.send():
        line.answer_with(frame, "83 0b")
    suspended = [Status.EXCEPTION] * 2 + [Status.QUEUED, Status.SUSPENDED] * 2 + [Status.QUEUED]
    assert statuses(batch) == suspended
    assert addresses(line.work()) == [20, 40, 60]
    assert [status == Status.OK for status in statuses(batch)] == [unit == 6 for unit in (5, 5, 6, 5, 6, 5, 6)]
    assert batch.unfinished == 0
    assert out.tolist() == [PATTERN, PATTERN, *[v for a in (20, 40, 60) for v in (*expected(a, 1), PATTERN)]][:7]


def test_the_end_of_a_batch_may_be_suspended() -> None:
    line = Line(2)
    batch, _ = mixed([6, 5, 5, 5, 5])
    line.submit(batch)
    while frames := line.send():
        for frame in frames:
            line.answer_with(frame, "83 0b") if frame.unit == 5 else line.answer(frame)
    assert statuses(batch) == [Status.OK] + [Status.EXCEPTION] * 3 + [Status.SUSPENDED]
    assert batch.unfinished == 0


def test_a_repetition_is_due_while_the_rest_waits_for_another_unit() -> None:
    line = Line(2)
    line.session.limit_unit(6, 1)
    batch, _ = mixed([5, 6, 6], repeats=1, timeout=100 * SECOND)
    line.submit(batch)
    busy, slow = line.send()
    line.answer_with(busy, "83 06")
    assert line.send() == []
    wait = line.next_deadline()
    assert wait is not None
    assert 0 < wait < SECOND
    line.pass_time(wait)
    frames = line.send()
    assert addresses(frames) == [0]
    line.answer(*frames, slow)
    line.work()
    assert batch.ok()


def test_requests_that_nobody_waits_for_any_more_tell_of_a_unit_as_well() -> None:
    line = Line(2)
    for _ in range(2):
        batch, _ = read(1, unit=5)
        line.submit(batch)
        line.send()
        line.session.detach(batch)
        line.pass_time(SECOND)
    assert silence(line, 5, 3) == [Status.TIMEOUT, Status.SUSPENDED, Status.SUSPENDED]


def test_a_late_answer_that_nobody_waits_for_brings_a_unit_back() -> None:
    line = Line(2)
    silence(line, 5, 2)
    batch, _ = read(1, unit=5)
    line.submit(batch)
    [late] = line.send()
    line.session.detach(batch)
    line.answer(late)
    assert silence(line, 5, 3) == [Status.TIMEOUT, Status.TIMEOUT, Status.SUSPENDED]
