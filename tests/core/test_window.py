"""Transaction ids, the window, the quarantine, limits of units: design 4.1. The session is driven by hand."""

from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, PATTERN, SECOND, Line, expected, read, statuses, write
from fastmodbus._core.verbs import Session
from fastmodbus.spec import Fault, Status
from reference import Frame, mbap_frame


def ids(frames: list[Frame]) -> list[int]:
    return [frame.transaction_id for frame in frames]


# ----------------------------------------------------------------------------------------------------------------- ids


def test_ids_count_up_and_wrap_past_zero() -> None:
    line = Line(4)
    line.session.next_id = 65533
    batch, out = read(8)
    line.submit(batch)
    assert ids(line.work()) == [65533, 65534, 65535, 0, 1, 2, 3, 4]
    assert out.tolist() == expected(0, 8)


def test_ids_wrap_with_one_slow_answer_outstanding() -> None:
    line = Line(64)
    slow, slow_out = read(1, unit=9)
    line.submit(slow)
    [waiting] = line.send()
    for start in range(0, 70_000, 10_000):
        batch, out = read(10_000, address=start // 2)
        line.submit(batch)
        frames = line.work()
        assert waiting.transaction_id not in ids(frames)
        assert out.tolist() == expected(start // 2, 10_000)
    line.answer(waiting)
    assert slow.ok()
    assert slow_out.tolist() == expected(0, 1)
    assert line.counted("unknown", "stale", "answers") == [0, 0, 70_001]


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=30, unique=True), st.integers(0, 65535))
def test_ids_in_flight_are_skipped(taken: list[int], start: int) -> None:
    line = Line(64)
    holder, _ = read(len(taken))
    frames = []
    line.submit(holder)
    session_ids = []
    for transaction_id in taken:  # one at a time, each under the id wished for
        line.session.next_id = transaction_id
        line.session.limit_unit(1, len(session_ids) + 1)
        frames += line.send()
        session_ids.append(frames[-1].transaction_id)
    assert session_ids == taken
    line.session.limit_unit(1, 0)
    line.session.next_id = start
    batch, out = read(64 - len(taken))
    line.submit(batch)
    free = [i % 65536 for i in range(start, start + 128) if i % 65536 not in taken][: 64 - len(taken)]
    later = line.send()
    assert ids(later) == free
    line.answer(*frames, *reversed(later))
    assert holder.ok()
    assert out.tolist() == expected(0, 64 - len(taken))


@given(st.data())
def test_ids_that_collide_in_the_table_are_found(data: st.DataObject) -> None:
    """Ids that differ by a multiple of the table's size share a place; taking one out must not hide the others."""
    line = Line(8)
    batch, out = read(40)
    line.submit(batch)
    waiting: list[Frame] = []
    while not batch.ok():
        line.session.next_id = data.draw(st.sampled_from([0, 16, 32, 15, 31, 47, 65520, 65535]))
        waiting += line.send()
        line.answer(waiting.pop(data.draw(st.integers(0, len(waiting) - 1))))
    assert out.tolist() == expected(0, 40)
    assert line.session.in_flight == 0


# ---------------------------------------------------------------------------------------------------------- quarantine


def given_up(line: Line, count: int) -> list[Frame]:
    """Requests that nobody waits for any more and whose answers are overdue: their ids are in quarantine."""
    frames: list[Frame] = []
    while len(frames) < count:
        batch, _ = read(min(count - len(frames), line.session.window - line.session.in_flight))
        line.submit(batch)
        frames += line.send()
        line.session.detach(batch)
        line.pass_time(SECOND)
    return frames


def test_ids_in_quarantine_are_skipped_until_their_answer_comes() -> None:
    line = Line(4)
    line.session.next_id = 10
    late = given_up(line, 4)
    assert ids(late) == [10, 11, 12, 13]
    assert line.session.quarantined == 4
    line.session.next_id = 9
    batch, _ = read(3)
    line.submit(batch)
    assert ids(line.work()) == [9, 14, 15]
    line.answer(late[1])
    assert line.session.quarantined == 3
    line.answer(late[1])
    assert line.session.quarantined == 3
    assert line.counted("stale", "unknown") == [1, 1]
    line.session.next_id = 10
    batch, _ = read(2)
    line.submit(batch)
    assert ids(line.work()) == [11, 14]


def test_a_late_answer_never_reaches_a_newer_request() -> None:
    line = Line(1)
    line.session.next_id = 65535
    first, out = read(1, repeats=1)
    line.submit(first)
    [late] = line.send()
    line.pass_time(SECOND)
    [again] = line.send()
    assert (late.transaction_id, again.transaction_id) == (65535, 0)
    line.bank.holding[0] = 4711
    line.answer(late)
    assert out.tolist() == [PATTERN]
    line.answer(again)
    assert out.tolist() == [4711]


def test_a_new_connection_forgives_all() -> None:
    line = Line(4)
    late = given_up(line, 4)
    line.reconnect()
    assert line.session.quarantined == 0
    line.answer(*late)
    assert line.counted("stale", "unknown") == [0, 4]
    line.session.next_id = late[0].transaction_id
    batch, _ = read(4)
    line.submit(batch)
    assert ids(line.work()) == ids(late)


def test_too_many_in_quarantine_replace_the_connection_between_batches() -> None:
    line = Line(1000)
    given_up(line, 32767)
    waiting, out = read(1, unit=7, timeout=100 * SECOND)
    line.submit(waiting)
    [frame] = line.send()
    given_up(line, 1)
    assert line.session.quarantined == 32768
    blocked, values = read(3)
    line.submit(blocked)
    assert line.send() == []  # ids are used up, but one answer may still come
    assert not line.session.wants_close
    assert line.next_deadline() == 99 * SECOND
    line.answer(frame)
    assert out.tolist() == expected(0, 1)
    assert line.send() == []
    assert line.session.wants_close
    assert line.session.fault == Fault.NONE
    line.reconnect()
    line.work()
    assert values.tolist() == expected(0, 3)


def test_fewer_in_quarantine_do_not_replace_it() -> None:
    line = Line(1)
    given_up(line, 32767)
    batch, out = read(1)
    line.submit(batch)
    line.work()
    assert out.tolist() == expected(0, 1)


def test_detached_requests_stay_in_flight_until_they_expire() -> None:
    line = Line(2)
    batch, out = read(2)
    line.submit(batch)
    frames = line.send()
    line.session.detach(batch)
    assert line.session.in_flight == 2
    other, _ = read(1)
    line.submit(other)
    assert line.send() == []
    line.answer(frames[0])
    assert line.counted("stale", "answers") == [1, 0]
    assert len(line.send()) == 1
    line.pass_time(SECOND)
    assert line.session.in_flight == 0
    assert line.session.quarantined == 2
    assert out.tolist() == [PATTERN] * 2
    assert line.counted("timeouts") == [1]


# -------------------------------------------------------------------------------------------------------------- limits


def test_a_unit_may_have_a_limit_of_its_own() -> None:
    line = Line(8)
    line.session.limit_unit(5, 2)
    slow, _ = read(6, unit=5)
    fast, _ = read(6, unit=6)
    line.submit(slow, fast)
    frames = line.send()
    assert sorted(frame.unit for frame in frames) == [5, 5, 6, 6, 6, 6, 6, 6]
    line.answer(*[frame for frame in frames if frame.unit == 6])
    assert fast.ok()
    assert line.send() == []
    line.answer(frames[0])
    assert len(line.send()) == 1
    line.session.limit_unit(5, 0)
    assert len(line.send()) == 3
    assert line.session.in_flight == 5


def test_the_window_is_shared_by_all_batches() -> None:
    line = Line(5)
    batches = [read(3, address=10 * i)[0] for i in range(4)]
    line.submit(*batches)
    waiting = line.send()
    for _ in range(7):
        assert line.session.in_flight == 5
        line.answer(waiting.pop(0))
        waiting += line.send()
    line.answer(*waiting)
    assert all(batch.ok() for batch in batches)


def test_the_send_buffer_bounds_what_is_written_ahead() -> None:
    line = Line(4096)
    batch = write(400, each=123)
    line.session.detach(batch)  # not lent: nothing happens
    out = read(4096, each=1)[1]
    reads, _ = read(4096, out=out)
    line.submit(reads)
    sent = 0
    while (found := line.session.data_to_send(line.now))[0]:
        data, ends = found
        assert len(data) == ends[-1] == 12 * len(ends)
        assert len(ends) <= 64
        line.session.sent(len(data), line.now)
        sent += len(ends)
    assert line.session.in_flight == sent == 4096


def test_long_requests_fill_the_send_buffer_piece_by_piece() -> None:
    session = Session(4096, pipeline_writes=True)
    session.connected(0)
    batch = write(400, each=123)
    session.submit(batch)
    pieces = []
    while (data := session.data_to_send(0)[0]) != b"":
        assert len(data) <= 64 * 260
        pieces.append(len(data))
        session.sent(len(data), 0)
    assert sum(pieces) == 400 * 259
    assert len(pieces) > 1


def test_round_trips_are_counted_in_buckets_an_eighth_wide() -> None:
    line = Line()
    for exponent in range(30):
        span = 3**exponent if 3**exponent < 500 * SECOND else 500 * SECOND
        batch, _ = read(1, timeout=1000 * SECOND)
        line.submit(batch)
        frames = line.send()
        line.now += span
        line.answer(*frames)
        bounds = [upper for upper, _ in line.session.round_trips()]
        assert any(span < upper <= max(1.13 * span, span + 129) for upper in bounds)
    assert sum(count for _, count in line.session.round_trips()) == 30


def test_an_answer_for_an_id_never_used_changes_nothing() -> None:
    line = Line(2)
    line.session.next_id = 100
    batch, out = read(2)
    line.submit(batch)
    frames = line.send()
    for transaction_id in (0, 99, 102, 65535):
        line.receive(mbap_frame(transaction_id, 1, b"\x03\x02\x12\x34"))
    assert statuses(batch) == [Status.SENT] * 2
    line.answer(*frames)
    assert out.tolist() == expected(0, 2)
    assert line.counted("unknown") == [4]


def test_times_are_those_of_the_last_sending() -> None:
    line = Line()
    batch, _ = read(1, repeats=1, timeout=10 * MS)
    line.submit(batch)
    assert batch.times(0) == (0, 0)
    line.send()
    line.pass_time(10 * MS)
    frames = line.send()
    line.now += MS
    line.answer(*frames)
    assert batch.times(0) == (line.now - MS, line.now)
