"""Which rows a job brings, exactly: number, instants, qualities, values. Time is virtual."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, SECOND, Line, expected
from fastmodbus._core.batch import image_batch
from fastmodbus._core.jobs import Job, Poll
from fastmodbus.quality import Quality
from reference import Frame

EACH = 2  # registers a read
Q = Quality
EXCEPTION_2 = 0x82


def poll_of(*stages: list[int], unit: int = 1, timeout: int = SECOND, repeats: int = 0, capacity: int = 1000) -> Poll:
    """Reads of two registers at these addresses, stage by stage."""
    count = sum(map(len, stages))
    image = np.zeros(max(1, EACH * count), np.uint16)
    batches, offset = [], 0
    for stage in stages:
        reads = []
        for address in stage:
            reads.append((3, unit, address, EACH, 2 * offset))
            offset += EACH
        batches.append(image_batch(reads, image).limits(timeout, 2**63 - 1, repeats))
    return Poll(batches, len(image), capacity)


class Rows:
    """All rows of one poll, as they are kept."""

    def __init__(self, job: Job, poll: Poll) -> None:
        first, end = job.held(poll)
        count = max(0, end - first)
        self.first = first
        self.due = np.zeros(count, np.int64)
        self.sent, self.received = np.zeros((count, poll.reads), np.int64), np.zeros((count, poll.reads), np.int64)
        self.statuses = np.zeros((count, poll.reads), np.uint8)
        self.images = np.zeros((count, max(1, EACH * poll.reads)), np.uint16)
        assert job.copy(poll, first, self.due, self.sent, self.received, self.statuses, self.images) == count


class Polled:
    """A line with one job on it, whose grid begins a period from now."""

    def __init__(
        self, poll: Poll, *, every: int = 100 * MS, window: int = 1, line: Line | None = None, **options: Any
    ) -> None:
        self.line = line or Line(window)
        self.poll = poll
        self.start = self.line.now + (every or MS)
        self.job = Job(self.line.session, poll, self.start, every, **options)
        self.frames: list[Frame] = []

    def step(self, to: int) -> None:
        """Let time pass until an instant of the grid's beginning, in small steps, answering nothing."""
        while self.line.now < self.start + to:
            self.line.now = min(self.line.now + 5 * MS, self.start + to)
            self.look()

    def look(self) -> None:
        self.job.advance(self.line.now)
        self.line.session.expire(self.line.now)
        self.frames += self.line.send()

    def answer(self) -> list[Frame]:
        """Answer all that is there, and all that is sent then; the requests."""
        answered = []
        self.look()
        while self.frames:
            frames, self.frames = self.frames, []
            answered += frames
            self.line.answer(*frames)
            self.look()
        return answered

    def rows(self, poll: Poll | None = None) -> Rows:
        return Rows(self.job, poll or self.poll)

    def statuses(self) -> list[list[int]]:
        return self.rows().statuses.tolist()


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


def test_back_to_back() -> None:
    polled = Polled(poll_of([1, 2]), every=0, rows=50)
    while not polled.job.done:
        polled.line.now += MS
        polled.answer()
    rows = polled.rows()
    assert rows.statuses.tolist() == [[Q.GOOD] * 2] * 50
    assert (np.diff(rows.due) >= 0).all()
    assert rows.due.tolist() == rows.sent[:, 0].tolist()


def test_back_to_back_without_a_connection_gives_a_row_a_timeout() -> None:
    polled = Polled(poll_of([1], timeout=SECOND), every=0)
    polled.line.lose()
    for _ in range(1000):
        polled.line.now += 10 * MS
        polled.look()
    assert 8 <= polled.job.rows <= 10
    assert set(map(tuple, polled.statuses())) == {(Q.LINK,)}
    polled.line.session.connected(polled.line.now)
    polled.look()
    polled.line.answer(polled.frames.pop())
    polled.look()
    assert polled.statuses()[-1] == [Q.GOOD]


def test_so_many_rows_and_no_more() -> None:
    polled = Polled(poll_of([1]), rows=3)
    polled.step(SECOND)
    assert polled.job.done
    assert polled.job.rows == 3
    assert polled.job.advance(polled.line.now) is None


def test_until_an_instant() -> None:
    line = Line()
    polled = Polled(poll_of([1]), line=line, until=line.now + 350 * MS)
    polled.step(SECOND)
    assert polled.job.done
    assert polled.rows().due.tolist() == [polled.start, polled.start + 100 * MS, polled.start + 200 * MS]


def test_once_is_until_it_was_had() -> None:
    polled = Polled(poll_of([1]), once=True)
    polled.step(250 * MS)
    polled.frames.clear()
    polled.line.reconnect()
    polled.answer()
    polled.step(SECOND)
    assert polled.job.done
    assert polled.statuses() == [[Q.TIMEOUT], [Q.TIMEOUT], [Q.GOOD]] or polled.statuses()[-1] == [Q.GOOD]


def test_another_plan_takes_over_between_two_rows() -> None:
    before, after = poll_of([1, 2]), poll_of([5])
    polled = Polled(before, window=4)
    polled.step(0)
    polled.job.swap(after)
    polled.answer()
    polled.step(100 * MS)
    polled.answer()
    polled.job.settle()
    assert (polled.rows(before).first, len(polled.rows(before).due)) == (0, 1)
    rows = polled.rows(after)
    assert (rows.first, rows.due.tolist()) == (1, [polled.start + 100 * MS])
    assert rows.images.tolist() == [expected(5, 2)]
    with pytest.raises(ValueError, match="in use"):
        polled.job.swap(after)


def test_two_swaps_before_the_next_row() -> None:
    first, second, third = poll_of([1]), poll_of([2]), poll_of([3])
    polled = Polled(first)
    polled.job.swap(second)
    polled.job.swap(third)
    polled.step(0)
    polled.answer()
    polled.job.settle()
    assert polled.job.held(second) == (-1, -1)
    assert polled.rows(third).images.tolist() == [expected(3, 2)]


def test_nothing_to_read_is_a_row_all_the_same() -> None:
    polled = Polled(Poll([], 0, 10))
    polled.step(350 * MS)
    assert polled.job.rows == 4


def test_a_pause_takes_back_what_is_asked() -> None:
    polled = Polled(poll_of([1]))
    polled.step(0)
    polled.job.pause()
    polled.line.answer(polled.frames.pop())
    assert polled.job.rows == 0
    polled.step(50 * MS)
    polled.answer()
    assert polled.statuses() == [[Q.GOOD]]


def test_a_consumer_is_told_when_enough_is_there() -> None:
    polled = Polled(poll_of([1]))
    assert polled.job.notify_at(2)
    polled.step(250 * MS)
    assert not polled.job.notify_at(2)


def test_lateness_and_round_trips_are_counted() -> None:
    polled = Polled(poll_of([1]), window=1)
    for n in range(10):
        polled.step(n * 100 * MS - 5 * MS)
        polled.line.now = polled.start + n * 100 * MS + 3 * MS
        polled.look()
        polled.line.now += 7 * MS
        polled.answer()
    [(late, rows)], [(trip, answers)] = polled.job.histograms()
    assert (rows, answers) == (10, 10)
    assert 3 * MS < late < 1.13 * 3 * MS
    assert 7 * MS < trip < 1.13 * 7 * MS


def act_answer(polled: Polled) -> None:
    polled.answer()


def act_answer_one(polled: Polled) -> None:
    polled.look()
    if polled.frames:
        polled.line.answer(polled.frames.pop(0))
        polled.look()


def act_lose(polled: Polled) -> None:
    polled.line.lose()
    polled.frames.clear()


ACTIONS: list[Callable[[Polled], None]] = [act_answer, act_answer_one, act_lose]


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(ACTIONS)), max_size=60), st.integers(1, 4))
def test_whatever_happens_there_is_one_row_for_every_instant(steps: list, window: int) -> None:
    """And what is good is right, what was not sent has no time, and every other value has a reason."""
    polled = Polled(poll_of([10, 20], [30], timeout=150 * MS, repeats=1, capacity=2000), window=window)
    down = False
    for ms, action in steps:
        polled.line.now += ms * MS
        polled.look()
        if down:
            polled.line.session.connected(polled.line.now)
            down = False
        action(polled)
        down = action is act_lose
    rows = polled.rows()
    assert rows.due.tolist() == [polled.start + n * 100 * MS for n in range(polled.job.rows)]
    assert polled.job.due > polled.line.now - 100 * MS or polled.job.rows == 0
    values = np.array([*expected(10, 2), *expected(20, 2), *expected(30, 2)], np.uint16)
    good = np.repeat(rows.statuses == 0, EACH, axis=1)
    assert (rows.images[good] == np.broadcast_to(values, rows.images.shape)[good]).all()
    assert set(rows.statuses.ravel().tolist()) <= {Q.GOOD, Q.TIMEOUT, Q.LINK, Q.MISSED, Q.SUSPENDED}
    assert (rows.received[rows.statuses == 0] >= rows.sent[rows.statuses == 0]).all()
    assert (rows.received[rows.statuses == 0] <= (rows.due[:, None] + 100 * MS).repeat(3, 1)[rows.statuses == 0]).all()


def test_a_poll_that_does_not_get_round_in_time_has_the_window_tried() -> None:
    """Six reads of 20 ms each do not fit into 100 ms one after the other; two at a time they do."""
    polled = Polled(poll_of([1, 2, 3, 4, 5, 6]), line=Line(16, automatic=True))
    taken: list[tuple[int, Frame]] = []
    while polled.line.now < polled.start + 20 * SECOND:
        polled.line.now += MS
        polled.look()
        taken += [(polled.line.now + 20 * MS, frame) for frame in polled.frames]
        polled.frames.clear()
        while taken and taken[0][0] <= polled.line.now:
            polled.line.answer(taken.pop(0)[1])
    found = polled.statuses()
    assert Q.MISSED in found[0]
    assert polled.line.session.limit > 1
    assert found[-20:] == [[Q.GOOD] * 6] * 20
