"""When a request is overdue, when a batch is: design 4.2. The session is driven by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, SECOND, Line, expected, read, statuses, tries
from fastmodbus.spec import Status
from reference import Frame, mbap_frame


def in_flight(line: Line, count: int, **given: int) -> tuple:
    batch, _ = read(count, **given)
    line.submit(batch)
    return batch, line.send()


def test_a_request_is_overdue_after_its_timeout() -> None:
    line = Line()
    batch, _ = in_flight(line, 1)
    assert line.next_deadline() == SECOND
    line.pass_time(SECOND - 1)
    assert statuses(batch) == [Status.SENT]
    assert line.next_deadline() == 1
    line.pass_time(1)
    assert statuses(batch) == [Status.TIMEOUT]
    assert line.next_deadline() is None


def test_sixteen_requests_through_a_slow_gateway_do_not_time_out() -> None:
    line = Line(16)
    batch, frames = in_flight(line, 16)
    for frame in frames:
        line.pass_time(SECOND - 1)
        line.answer(frame)
    assert batch.ok()


def test_a_lost_request_expires_under_traffic() -> None:
    line = Line(4)
    batch, frames = in_flight(line, 3)
    lost = frames[1]
    line.pass_time(600 * MS)
    line.answer(frames[0])  # the lost one's clock starts again here, and not later
    line.pass_time(600 * MS)
    line.answer(frames[2])
    more, more_frames = in_flight(line, 10)
    for _ in range(4):
        line.pass_time(100 * MS - 1)
        line.answer(more_frames.pop(0))
        more_frames += line.send()
        expired_at = SECOND - 600 * MS
    assert statuses(batch)[1] == Status.SENT
    line.pass_time(expired_at - 4 * (100 * MS - 1))
    assert statuses(batch) == [Status.OK, Status.TIMEOUT, Status.OK]
    assert Status.TIMEOUT not in statuses(more)
    line.answer(lost)
    assert line.counted("stale") == [1]


def restarting(line: Line, what: str, frames: list[Frame]) -> None:
    stranger = mbap_frame(frames[-1].transaction_id ^ 0x8000, 1, b"\x83\x02")
    if what == "strange":
        line.receive(stranger)
    elif what == "partial":
        line.receive(stranger[:5])
    elif what == "later":
        line.answer(frames[-1])


@pytest.mark.parametrize("what", ["strange", "partial", "later", "nothing"])
def test_what_does_not_start_a_clock_again(what: str) -> None:
    line = Line(4)
    batch, frames = in_flight(line, 3)
    line.pass_time(700 * MS)
    restarting(line, what, frames)
    line.pass_time(300 * MS)
    assert statuses(batch)[:2] == [Status.TIMEOUT] * 2


def test_a_stale_answer_does_not_start_a_clock_again() -> None:
    line = Line(4)
    _, late = in_flight(line, 1)
    line.pass_time(SECOND)
    batch, _ = in_flight(line, 1)
    line.pass_time(700 * MS)
    line.answer(*late)
    assert line.counted("stale") == [1]
    line.pass_time(300 * MS)
    assert statuses(batch) == [Status.TIMEOUT]


def test_an_exception_or_a_wrong_answer_starts_clocks_again() -> None:
    for pdu in ("83 02", "03 00"):
        line = Line(2)
        batch, frames = in_flight(line, 2)
        line.pass_time(700 * MS)
        line.answer_with(frames[0], pdu)
        line.pass_time(SECOND - 1)
        assert statuses(batch)[1] == Status.SENT
        line.pass_time(1)
        assert statuses(batch)[1] == Status.TIMEOUT


def test_the_expiry_of_another_units_earlier_request_starts_clocks_again() -> None:
    line = Line(4)
    silent, _ = in_flight(line, 2, unit=3)
    line.pass_time(10 * MS)
    lively, frames = in_flight(line, 2, unit=4)
    line.pass_time(990 * MS)
    assert statuses(silent) == [Status.TIMEOUT] * 2
    line.pass_time(SECOND - 1)
    assert statuses(lively) == [Status.SENT] * 2
    line.answer(frames[0])
    line.pass_time(SECOND - 1)
    line.answer(frames[1])
    assert lively.ok()


def test_the_expiry_of_the_same_unit_does_not_start_clocks_again() -> None:
    line = Line(4)
    first, _ = in_flight(line, 1, timeout=500 * MS)
    second, _ = in_flight(line, 1)
    line.pass_time(500 * MS)
    assert statuses(first) == [Status.TIMEOUT]
    line.pass_time(500 * MS)
    assert statuses(second) == [Status.TIMEOUT]


def test_an_expiry_does_not_start_the_clock_of_earlier_requests_again() -> None:
    line = Line(4)
    first, _ = in_flight(line, 1, unit=1)
    second, _ = in_flight(line, 1, unit=2, timeout=500 * MS)
    line.pass_time(500 * MS)
    assert statuses(second) == [Status.TIMEOUT]
    line.pass_time(500 * MS)
    assert statuses(first) == [Status.TIMEOUT]


def test_two_silent_units_expire_one_after_the_other() -> None:
    line = Line(4)
    batch_one, _ = in_flight(line, 1, unit=1)
    batch_two, _ = in_flight(line, 1, unit=2)
    line.pass_time(SECOND)
    assert statuses(batch_one) == [Status.TIMEOUT]
    assert statuses(batch_two) == [Status.SENT]
    line.pass_time(SECOND)
    assert statuses(batch_two) == [Status.TIMEOUT]


def model(events: list[tuple[str, int]], count: int, timeout: int) -> list[int]:
    """For each of `count` requests sent at 0: when its clock started last, by the rule as the design words it."""
    started = [0] * count
    for now, (kind, which) in enumerate(events, 1):
        if kind == "answer":
            for k in range(which + 1, count):
                started[k] = max(started[k], now)
    return [start + timeout for start in started]


@given(st.permutations(range(12)), st.integers(1, 11))
def test_clocks_are_those_of_the_rule(order: list[int], answered: int) -> None:
    """One answer a millisecond to some of twelve requests; the others expire exactly when the rule says."""
    line = Line(12)
    batch, frames = in_flight(line, 12, timeout=100 * MS)
    for which in order[:answered]:
        line.pass_time(MS)
        line.answer(frames[which])
    due = model([("answer", which) for which in order[:answered]], 12, 100)
    open_requests = set(order[answered:])
    for ms in range(answered + 1, 100 + answered + 2):
        line.pass_time(MS)
        overdue = {k for k in open_requests if due[k] <= ms}
        assert {k for k in open_requests if statuses(batch)[k] == Status.TIMEOUT} == overdue
    assert overdue == open_requests


# ----------------------------------------------------------------------------------------------------------- deadlines


def test_a_deadline_bounds_the_whole_batch() -> None:
    line = Line(2)
    batch, out = read(6, deadline=line.now + 1500 * MS)
    line.submit(batch)
    line.answer(*line.send())
    line.pass_time(700 * MS)
    frames = line.send()
    line.pass_time(799 * MS)
    line.answer(frames[0])
    assert line.next_deadline() == MS
    line.pass_time(MS)
    assert statuses(batch) == [Status.OK] * 3 + [Status.DEADLINE] * 3
    line.answer(frames[1])
    assert out.tolist()[:3] == expected(0, 3)
    assert out.tolist()[3:] == [0xA5A5] * 3
    line.pass_time(line.next_deadline() or 0)
    assert line.next_deadline() is None


def test_a_deadline_counts_before_anything_is_sent_and_without_a_connection() -> None:
    line = Line()
    line.lose()
    batch, _ = read(1, deadline=line.now + 5)
    line.submit(batch)
    assert line.next_deadline() == 5
    line.pass_time(5)
    assert statuses(batch) == [Status.DEADLINE]


def test_several_deadlines_pass_at_once() -> None:
    line = Line()
    batches = [read(2, deadline=line.now + i)[0] for i in (5, 3, 50, 4, 5)]
    line.submit(*batches)
    line.send()
    line.pass_time(5)
    gone = [Status.DEADLINE] * 2
    assert [statuses(batch) for batch in batches] == [gone, gone, [Status.QUEUED] * 2, gone, gone]
    assert line.next_deadline() == 45
    assert line.session.in_flight == 1


def test_a_repetition_does_not_outlive_the_deadline() -> None:
    line = Line()
    batch, _ = read(1, timeout=400 * MS, repeats=100, deadline=line.now + SECOND)
    line.submit(batch)
    while batch.unfinished:
        line.send()
        wait = line.next_deadline()
        assert wait is not None
        assert wait > 0
        line.pass_time(wait)
    assert statuses(batch) == [Status.DEADLINE]
    assert tries(batch) == [3]


def test_an_immense_timeout_does_not_overflow() -> None:
    line = Line(2)
    batch, frames = in_flight(line, 2, timeout=2**63 - 1)
    line.pass_time(10**6 * SECOND)
    line.answer(frames[0])
    line.pass_time(10**6 * SECOND)
    assert statuses(batch) == [Status.OK, Status.SENT]
    line.answer(frames[1])
    assert batch.ok()
