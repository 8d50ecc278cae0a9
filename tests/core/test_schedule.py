"""Which rows a job brings, exactly: number, instants, qualities, values. Time is virtual."""

import numpy as np

from core.line import MS, SECOND, Line, expected
from core.polled import EXCEPTION_2, Polled, Q, poll_of
from fastmodbus._core.jobs import Job
from reference import Frame


def test_a_row_for_every_instant_with_its_values_and_times() -> None:
    polled = Polled(poll_of([100, 200]), window=4)
    for n in range(5):
        polled.step(n * 100 * MS)
        polled.line.now += MS
        assert [int.from_bytes(frame.pdu[1:3], "big") for frame in polled.answer()] == [100, 200]
    rows = polled.rows()
    assert rows.due.tolist() == [polled.start + n * 100 * MS for n in range(5)]
    assert rows.statuses.tolist() == [[Q.GOOD, Q.GOOD]] * 5
    assert rows.images.tolist() == [[*expected(100, 2), *expected(200, 2)]] * 5
    assert (rows.sent == rows.due[:, None]).all()
    assert (rows.received == rows.due[:, None] + MS).all()
    assert polled.job.counters() == {"rows": 5, "good": 5, "missed": 0, "retries": 0}


def test_a_row_is_there_as_soon_as_its_last_read_is_over() -> None:
    polled = Polled(poll_of([1, 2]), window=1)
    polled.step(0)
    polled.line.answer(*polled.frames)
    polled.frames.clear()
    polled.look()
    assert polled.job.rows == 0
    polled.answer()
    assert polled.job.rows == 1
    assert polled.job.due == polled.start + 100 * MS


def test_what_was_not_answered_when_its_row_closes_is_a_timeout_and_what_was_not_sent_is_missed() -> None:
    polled = Polled(poll_of([1, 2, 3]), window=1)
    polled.step(0)
    polled.line.answer(polled.frames.pop())  # the first in time, the second never, the third is not asked for
    polled.step(100 * MS)
    assert polled.statuses() == [[Q.GOOD, Q.TIMEOUT, Q.MISSED]]
    assert polled.job.counters()["missed"] == 1


def test_a_late_answer_reaches_no_row() -> None:
    polled = Polled(poll_of([1]), window=2)
    polled.step(0)
    late = polled.frames.pop()
    polled.step(150 * MS)
    asked = polled.frames.pop()
    polled.line.bank.holding[1:3] = [7, 7]
    polled.line.answer(late)
    polled.line.bank.holding[1:3] = [8, 8]
    polled.line.answer(asked)
    polled.step(200 * MS)
    rows = polled.rows()
    assert rows.statuses.tolist() == [[Q.TIMEOUT], [Q.GOOD]]
    assert rows.images[1].tolist() == [8, 8]
    assert polled.line.counted("stale") == [1]


def test_a_poll_longer_than_its_period() -> None:
    """Every answer takes 150 ms, a row 100: what comes later than its row is dropped."""
    polled = Polled(poll_of([1]), window=1)
    taken: list[tuple[int, Frame]] = []
    while polled.line.now < polled.start + 600 * MS:
        polled.line.now += 5 * MS
        polled.look()
        taken += [(polled.line.now + 150 * MS, frame) for frame in polled.frames]
        polled.frames.clear()
        while taken and taken[0][0] <= polled.line.now:
            polled.line.answer(taken.pop(0)[1])
    assert polled.rows().due.tolist() == [polled.start + n * 100 * MS for n in range(6)]
    # Sent at 0 and 150, 300 and 450: of two rows that share 300 ms one is asked for in time, and none is answered.
    assert {row[0] for row in polled.statuses()} <= {Q.TIMEOUT, Q.MISSED}
    assert polled.line.session.counters()["requests"] == 4


def test_two_groups_due_together_share_the_line_in_turn() -> None:
    line = Line(1)
    fast = Polled(poll_of([1, 2]), line=line)
    slow = Polled(poll_of([10, 20, 30]), every=200 * MS, line=line)
    slow.start = fast.start
    slow.job = Job(line.session, slow.poll, fast.start, 200 * MS)
    asked = []
    while line.now < fast.start + 400 * MS:
        line.now += 5 * MS
        for each in (fast, slow):
            each.job.advance(line.now)
        line.session.expire(line.now)
        for frame in line.send():
            asked.append(int.from_bytes(frame.pdu[1:3], "big"))
            line.answer(frame)
    assert asked[:5] == [1, 10, 2, 20, 30]
    assert fast.statuses() == [[Q.GOOD] * 2] * 4
    assert slow.statuses() == [[Q.GOOD] * 3] * 2
    assert fast.rows().due[::2].tolist() == slow.rows().due.tolist()


def test_instants_that_nobody_could_poll_are_rows_too() -> None:
    polled = Polled(poll_of([1, 2]), window=2)
    polled.step(0)
    polled.answer()
    polled.line.now = polled.start + 530 * MS
    polled.answer()
    polled.step(600 * MS)
    rows = polled.rows()
    assert rows.due.tolist() == [polled.start + n * 100 * MS for n in range(6)]
    assert rows.statuses[:, 0].tolist() == [Q.GOOD, *[Q.MISSED] * 4, Q.GOOD]
    assert rows.sent[1:5].tolist() == [[0, 0]] * 4
    assert rows.sent[5].tolist() == [polled.start + 530 * MS] * 2
    assert polled.job.counters()["missed"] == 4


def test_a_driver_that_was_away_for_longer_than_the_ring() -> None:
    polled = Polled(poll_of([1], capacity=10))
    polled.step(0)
    polled.answer()
    polled.line.now = polled.start + 100_000 * 100 * MS
    polled.answer()
    rows = polled.rows()
    assert polled.job.rows == 100_001
    assert rows.first == 100_001 - 10
    assert rows.due.tolist() == [polled.start + n * 100 * MS for n in range(99_991, 100_001)]
    assert rows.statuses.tolist() == [[Q.MISSED]] * 9 + [[Q.GOOD]]
    assert polled.job.counters() == {"rows": 100_001, "good": 2, "missed": 99_999, "retries": 0}


def test_a_connection_that_is_lost_and_comes_back() -> None:
    polled = Polled(poll_of([1, 2]), window=2, every=100 * MS)
    polled.step(0)
    polled.answer()
    polled.step(100 * MS)
    polled.frames.clear()
    polled.line.lose()
    polled.step(450 * MS)
    polled.line.session.connected(polled.line.now)
    polled.answer()
    polled.step(500 * MS)
    polled.answer()
    assert polled.statuses() == [[Q.GOOD] * 2, *[[Q.LINK] * 2] * 3, [Q.GOOD] * 2, [Q.GOOD] * 2]
    assert polled.rows().sent[2:4].tolist() == [[0, 0]] * 2


def test_what_was_answered_before_the_connection_went_is_kept() -> None:
    polled = Polled(poll_of([1, 2]), window=2)
    polled.step(0)
    polled.line.answer(polled.frames.pop(0))
    polled.line.lose()
    polled.step(100 * MS)
    assert polled.statuses() == [[Q.GOOD, Q.LINK]]
    assert polled.rows().images[0, :2].tolist() == expected(1, 2)


def test_a_dead_unit_is_asked_seldom_and_costs_the_others_nothing() -> None:
    """Unit 2 never answers; unit 1 behind the same connection does."""
    line = Line(4)
    alive = Polled(poll_of([1]), line=line)
    dead = Polled(poll_of([1, 2, 3], unit=2, timeout=200 * MS), line=line)
    asked = []
    while line.now < alive.start + 20 * SECOND:
        line.now += 5 * MS
        for each in (alive, dead):
            each.job.advance(line.now)
        line.session.expire(line.now)
        for frame in line.send():
            if frame.unit == 1:
                line.answer(frame)
            else:
                asked.append((line.now - alive.start) // (100 * MS))
    assert alive.statuses() == [[Q.GOOD]] * 200
    found = dead.statuses()
    assert {quality for row in found for quality in row} == {Q.TIMEOUT, Q.MISSED, Q.SUSPENDED}
    assert found[-1] == [Q.SUSPENDED] * 3
    assert sum(Q.TIMEOUT in row for row in found) < 12
    assert len(asked) < 20
    assert np.diff(asked)[-1] > 30  # rows; ever more seldom
    assert dead.job.news()[0]


def test_a_unit_that_answers_again_is_asked_again() -> None:
    polled = Polled(poll_of([1, 2], timeout=50 * MS), window=1)
    polled.step(3 * SECOND)
    polled.frames.clear()
    assert polled.statuses()[-1] == [Q.SUSPENDED] * 2
    while polled.line.now < polled.start + 10 * SECOND:
        polled.line.now += 5 * MS
        polled.answer()
    assert polled.statuses()[-20:] == [[Q.GOOD] * 2] * 20
    assert not polled.job.news()[0]


def test_an_exception_is_the_reason_and_is_news_while_somebody_watches() -> None:
    polled = Polled(poll_of([1, 2]), window=2)
    for n in range(3):
        polled.step(n * 100 * MS)
        polled.line.answer(polled.frames[0])
        polled.line.answer_with(polled.frames[1], "83 02")
        polled.frames.clear()
        polled.look()
        assert polled.job.news() == (False, n != 1)
        polled.job.watch(n == 1)
    assert polled.statuses() == [[Q.GOOD, EXCEPTION_2]] * 3


def test_a_busy_device_is_asked_again_within_the_row() -> None:
    polled = Polled(poll_of([1], repeats=2), window=1, every=SECOND)
    polled.step(0)
    polled.line.answer_with(polled.frames.pop(), "83 06")
    polled.step(900 * MS)
    polled.line.answer(polled.frames.pop())
    polled.look()
    polled.step(SECOND)
    polled.line.answer_with(polled.frames.pop(), "83 06")
    polled.line.now = polled.start + 2 * SECOND
    polled.job.advance(polled.line.now)
    assert polled.statuses() == [[Q.GOOD], [0x86]]
    assert polled.job.counters()["retries"] == 1


def test_no_retry_reaches_past_its_row() -> None:
    polled = Polled(poll_of([1], timeout=60 * MS, repeats=5), window=1)
    polled.step(95 * MS)
    assert len(polled.frames) == 2
    polled.step(99 * MS)
    polled.line.answer(polled.frames[-1])
    polled.step(100 * MS)
    assert polled.statuses() == [[Q.GOOD]]


def test_a_wrong_answer_is_a_matter_of_protocol() -> None:
    polled = Polled(poll_of([1]))
    polled.step(0)
    polled.line.answer_with(polled.frames.pop(), "04 04 00 00 00 00")
    polled.look()
    assert polled.statuses() == [[Q.PROTOCOL]]


def test_stages_wait_for_one_another() -> None:
    polled = Polled(poll_of([1, 2], [3], [4, 5]), window=4)
    polled.step(0)
    asked = []
    while polled.frames:
        frames, polled.frames = polled.frames, []
        asked.append([int.from_bytes(frame.pdu[1:3], "big") for frame in frames])
        polled.line.answer(*frames)
        polled.look()
    assert asked == [[1, 2], [3], [4, 5]]
    assert polled.statuses() == [[Q.GOOD] * 5]


def test_a_stage_that_was_not_reached_is_missed() -> None:
    polled = Polled(poll_of([1], [2]), window=4)
    polled.step(100 * MS)
    assert polled.statuses() == [[Q.TIMEOUT, Q.MISSED]]
