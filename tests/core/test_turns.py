"""Whose turn it is to be sent, and when: priorities, turns, gaps, and the driver's next deadline. Driven by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, SECOND, Line, addresses, read, request, statuses, write
from fastmodbus.spec import Status
from reference import Frame

# ---------------------------------------------------------------------------------------------- priorities and turns


def test_writes_go_before_reads() -> None:
    line = Line()
    reads, _ = read(3)
    writes = write(2, address=100)
    line.submit(reads)
    first = line.send()
    line.submit(writes)
    line.answer(*first)
    assert [frame.pdu[0] for frame in line.work()] == [16, 16, 3, 3]


def test_batches_of_one_priority_take_turns() -> None:
    line = Line()
    batches = [read(3, address=100 * i)[0] for i in range(3)]
    line.submit(*batches)
    assert addresses(line.work()) == [0, 100, 200, 1, 101, 201, 2, 102, 202]


def test_a_short_read_does_not_wait_for_a_long_one() -> None:
    line = Line(16)
    long, _ = read(1000)
    line.submit(long)
    line.answer(*line.send()[:8])
    short, _ = read(1, address=5000)
    line.submit(short)
    assert 5000 in addresses(line.send()[:2])


def test_single_requests_that_write_have_the_priority_of_writes() -> None:
    line = Line()
    reads, _ = read(2)
    single, _ = request("06 0001 0003")
    line.submit(reads, single)
    assert [frame.pdu[0] for frame in line.work()] == [6, 3, 3]


@pytest.mark.parametrize("pipelined", [False, True])
def test_writes_are_not_pipelined_unless_asked_for(pipelined: bool) -> None:
    line = Line(8, pipeline_writes=pipelined)
    one, two = write(3, address=100), write(3, address=200, unit=2)
    reads, _ = read(2)
    line.submit(one, two, reads)
    codes = [frame.pdu[0] for frame in line.send()]
    assert codes == ([16] * 6 + [3] * 2 if pipelined else [16, 3, 3])


def test_the_next_write_goes_when_the_last_is_over() -> None:
    line = Line(8)
    one, two = write(1, address=100), write(1, address=200)
    line.submit(one, two)
    [first] = line.send()
    line.pass_time(SECOND)
    [second] = line.send()
    line.answer(second)
    assert statuses(one) + statuses(two) == [Status.TIMEOUT, Status.OK]
    assert addresses([first, second]) == [100, 200]


def test_a_detached_write_still_holds_up_the_next_one() -> None:
    """Its answer may still come, and the device is still busy with it."""
    line = Line(8)
    one, two = write(1, address=100), write(1, address=200)
    line.submit(one)
    [first] = line.send()
    line.session.detach(one)
    line.submit(two)
    assert line.send() == []
    line.answer(first)
    assert addresses(line.work()) == [200]


# ---------------------------------------------------------------------------------------------- gaps and delays


def test_a_gap_between_requests_is_kept() -> None:
    line = Line(8, request_gap=10 * MS)
    batch, _ = read(4)
    line.submit(batch)
    sent = []
    while len(sent) < 4:
        frames = line.send()
        assert len(frames) == 1
        sent += frames
        if len(sent) < 4:
            assert line.next_deadline() == 10 * MS
            line.pass_time(10 * MS - 1)
            assert line.send() == []
            line.pass_time(1)
    line.answer(*sent)
    assert batch.ok()


def test_a_gap_is_kept_from_one_connection_to_the_next() -> None:
    line = Line(1, request_gap=10 * MS)
    batch, _ = read(2)
    line.submit(batch)
    line.answer(*line.send())
    line.pass_time(MS)
    line.reconnect()
    assert line.send() == []
    assert line.next_deadline() == 9 * MS
    line.pass_time(9 * MS)
    assert len(line.send()) == 1


def test_the_first_request_waits_for_the_connect_delay() -> None:
    line = Line(4, connect_delay=50 * MS)
    batch, _ = read(2)
    line.submit(batch)
    for _ in range(2):
        assert line.send() == []
        assert line.next_deadline() == 50 * MS
        line.pass_time(50 * MS)
        assert len(line.send()) == 2
        assert batch.unfinished
        line.session.detach(batch)
        line.reconnect()
        batch, _ = read(2)
        line.submit(batch)


# ---------------------------------------------------------------------------------------------- the driver's sleep


@st.composite
def situations(draw: st.DrawFn) -> tuple[Line, list]:
    options = {"request_gap": draw(st.sampled_from([0, 3 * MS])), "connect_delay": draw(st.sampled_from([0, 7 * MS]))}
    line = Line(draw(st.integers(1, 4)), pipeline_writes=draw(st.booleans()), **options)
    if draw(st.booleans()):
        line.session.limit_unit(1, 1)
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        unit = draw(st.integers(1, 2))
        deadline = line.now + draw(st.sampled_from([5 * MS, 40 * MS, 900 * SECOND]))
        given_limits = {"timeout": draw(st.sampled_from([10 * MS, 35 * MS])), "deadline": deadline}
        if draw(st.booleans()):
            batches.append(write(draw(st.integers(1, 3)), unit=unit, **given_limits))
        else:
            repeats = draw(st.integers(0, 2))
            batches.append(read(draw(st.integers(1, 5)), unit=unit, repeats=repeats, **given_limits)[0])
    return line, batches


@given(situations(), st.data())
def test_a_driver_that_sleeps_until_the_next_deadline_gets_to_the_end(situation, data: st.DataObject) -> None:
    """Nothing but the clock and some answers: every sleep is longer than nothing, and all batches end."""
    line, batches = situation
    line.submit(*batches)
    waiting: list[Frame] = []
    for _ in range(400):
        line.session.expire(line.now)
        if not any(batch.unfinished for batch in batches):
            break
        waiting += line.send()
        sleep = line.next_deadline()
        assert sleep is not None
        assert sleep > 0
        if waiting and data.draw(st.booleans()):
            frame = waiting.pop(0)
            if data.draw(st.booleans()):
                line.answer(frame)
            else:
                line.answer_with(frame, bytes([frame.pdu[0] | 0x80, data.draw(st.sampled_from([2, 6]))]))
        else:
            line.now += sleep
    assert not any(batch.unfinished for batch in batches)
    assert line.session.next_deadline(line.now) is None or line.session.in_flight or line.next_deadline() > 0


def test_nothing_to_do_is_no_deadline() -> None:
    line = Line()
    assert line.next_deadline() is None
    batch, _ = read(1)
    line.submit(batch)
    line.work()
    line.pass_time(line.next_deadline() or 0)
    assert line.next_deadline() is None


def test_a_full_window_waits_for_answers_and_not_for_time() -> None:
    line = Line(1, request_gap=MS)
    batch, _ = read(2, timeout=SECOND)
    line.submit(batch)
    line.send()
    assert line.next_deadline() == SECOND


def test_what_the_kernel_did_not_take_waits_for_room_and_not_for_time() -> None:
    line = Line(4, request_gap=MS)
    batch, _ = read(4, timeout=SECOND)
    line.submit(batch)
    line.session.data_to_send(line.now)
    line.session.sent(5, line.now)
    assert line.next_deadline() == SECOND
    line.pass_time(2 * MS)
    assert line.next_deadline() == SECOND - 2 * MS
