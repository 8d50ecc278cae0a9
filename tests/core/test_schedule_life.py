"""How a job begins, ends, pauses and changes its plan; and that any order of events leaves a row for every instant."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, SECOND, Line, expected
from core.polled import EACH, Polled, Q, poll_of
from fastmodbus._core.jobs import Poll
from reference import Frame


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
