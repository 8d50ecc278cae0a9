"""Streams that cannot be trusted, and answers that cannot be what they seem. The session is driven by hand."""

from collections.abc import Callable

import pytest

from core.line import (
    PATTERN,
    SECOND,
    Line,
    expected,
    faults,
    left,
    read,
    statuses,
    write,
)
from fastmodbus._core.batch import Batch
from fastmodbus.spec import Fault, Status
from reference import mbap_frame, split_mbap


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda frame: frame[:2] + b"\0\1" + frame[4:], Fault.PROTOCOL_ID),
        (lambda frame: frame[:4] + b"\0\0" + frame[6:], Fault.ADU_LENGTH),
        (lambda frame: frame[:4] + b"\0\2" + frame[6:], Fault.ADU_LENGTH),
        (lambda frame: frame[:4] + b"\0\xff" + frame[6:], Fault.ADU_LENGTH),
        (lambda frame: frame[:4] + b"\xff\xff" + frame[6:], Fault.ADU_LENGTH),
    ],
)
@pytest.mark.parametrize("at", [0, 7, 15])
def test_a_header_that_cannot_be_is_told_its_request_and_ends_the_connection(damage, fault, at: int) -> None:
    line = Line(16)
    batch, out = read(16, repeats=1)
    line.submit(batch)
    frames = line.send()
    answers = [line.honest(frame) for frame in frames]
    answers[at] = damage(answers[at])
    line.receive(b"".join(answers))
    assert line.session.wants_close
    assert line.session.fault == fault
    assert statuses(batch)[: at + 1] == [Status.OK] * at + [Status.PROTOCOL]
    assert faults(batch)[at] == fault
    assert line.session.data_to_send(line.now) == (b"", [])
    line.receive(line.honest(frames[15]))  # nothing that still comes is looked at
    line.reconnect()
    line.work()
    assert statuses(batch) == [Status.PROTOCOL if i == at else Status.OK for i in range(16)]
    assert out.tolist() == [PATTERN if i == at else value for i, value in enumerate(expected(0, 16))]
    assert line.counted("protocol_errors", "losses", "connections") == [1, 1, 2]


def test_what_cannot_be_framed_belongs_to_the_only_request() -> None:
    line = Line()
    batch, _ = read(1, repeats=3)
    line.submit(batch)
    line.send()
    line.receive(b"HTTP/1.1 400 Bad Request")
    assert statuses(batch) == [Status.PROTOCOL]
    assert faults(batch) == [Fault.PROTOCOL_ID]


def test_of_several_requests_nobody_is_blamed_for_what_carries_no_id() -> None:
    line = Line(4)
    batch, _ = read(4, repeats=0)
    line.submit(batch)
    line.send()
    line.receive(b"HTTP/1.1 400 Bad Request")
    assert statuses(batch) == [Status.SENT] * 4
    line.lose()
    assert statuses(batch) == [Status.PROTOCOL] * 4
    assert faults(batch) == [Fault.PROTOCOL_ID] * 4


def test_a_part_of_a_frame_and_then_silence_ends_the_connection() -> None:
    line = Line(3)
    batch, out = read(3, repeats=0)
    line.submit(batch)
    frames = line.send()
    line.answer(frames[1])
    line.receive(line.honest(frames[0])[:-1])
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.TIMEOUT, Status.OK, Status.TIMEOUT]
    assert line.session.wants_close
    assert line.session.fault == Fault.PARTIAL
    assert out[0] == PATTERN


def test_those_not_yet_overdue_are_lost_with_a_partial_frame() -> None:
    line = Line(2)
    first, _ = read(1)
    second, out = read(1, address=5, repeats=1)
    line.submit(first)
    [frame] = line.send()
    line.receive(line.honest(frame)[:5])
    line.pass_time(SECOND // 2)
    line.submit(second)
    line.send()
    line.pass_time(SECOND // 2)
    assert statuses(first) == [Status.TIMEOUT]
    assert line.session.wants_close
    line.reconnect()
    line.work()
    assert out.tolist() == expected(5, 1)


def test_silence_without_a_part_of_a_frame_keeps_the_connection() -> None:
    line = Line()
    batch, _ = read(1)
    line.submit(batch)
    line.send()
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.TIMEOUT]
    assert not line.session.wants_close


def test_bytes_that_nobody_asked_for_close_before_the_next_request() -> None:
    line = Line()
    first, _ = read(1)
    line.submit(first)
    [frame] = line.send()
    line.receive(line.honest(frame) + b"\x8d\x2b")
    assert first.ok()
    assert not line.session.wants_close
    second, out = read(1, address=4)
    line.submit(second)
    assert line.session.data_to_send(line.now) == (b"", [])
    assert line.session.wants_close
    assert line.session.fault == Fault.LEFT_OVER
    line.reconnect()
    line.work()
    assert out.tolist() == expected(4, 1)


def test_left_over_bytes_may_be_the_beginning_of_a_late_answer() -> None:
    line = Line()
    late, _ = read(1)
    line.submit(late)
    [frame] = line.send()
    line.pass_time(SECOND)
    line.receive(line.honest(frame)[:7])
    batch, out = read(1, address=4)
    line.submit(batch)
    [second] = line.send()
    line.receive(line.honest(frame)[7:] + line.honest(second))
    assert out.tolist() == expected(4, 1)
    assert line.counted("stale") == [1]


@pytest.mark.parametrize("sent", [0, 5])
def test_no_answer_belongs_to_a_request_that_has_not_left(sent: int) -> None:
    """A device cannot have answered it: what comes is not about it, and whether it leaves still has to be known."""
    line = Line(1)
    batch = write(1, address=100)
    line.submit(batch)
    data, _ = line.session.data_to_send(line.now)
    line.session.sent(sent, line.now)
    [frame] = split_mbap(data)[0]
    line.answer_with(frame, frame.pdu[:5])
    line.receive(mbap_frame(0, 1, frame.pdu[:5]))  # nor one without its id
    assert statuses(batch) == [Status.SENT]
    assert line.counted("unknown") == [2]
    line.session.sent(len(data) - sent, line.now)
    line.answer(frame)
    assert batch.ok()
    assert left(batch) == [True]


def _detach(line: Line, batch: Batch) -> None:
    line.session.detach(batch)


def _lose(line: Line, batch: Batch) -> None:
    line.session.connection_lost(line.now)


def _expire(line: Line, batch: Batch) -> None:
    line.pass_time(10 * SECOND)


@pytest.mark.parametrize("end", [_detach, _lose, _expire])
@pytest.mark.parametrize("sent", [0, 1, 11, 12])
def test_a_write_says_whether_a_byte_of_it_left(sent: int, end: Callable[[Line, Batch], None]) -> None:
    line = Line(1)
    batch = write(1, address=100)
    line.submit(batch)
    line.session.data_to_send(line.now)
    line.session.sent(sent, line.now)
    end(line, batch)
    assert left(batch) == [sent > 0]


def test_a_double_answer_with_id_0_is_dropped_as_any_other() -> None:
    """Id 0 is an ordinary one: only where nobody used it, an answer with it says something about the device."""
    line = Line(1)
    line.session.next_id = 0
    first, _ = read(1)
    line.submit(first)
    [frame] = line.send()
    line.answer(frame)
    second, out = read(1, address=9)
    line.submit(second)
    [other] = line.send()
    line.answer(frame, other)
    assert out.tolist() == expected(9, 1)
    assert line.counted("unknown", "protocol_errors") == [1, 0]
    third, _ = read(1)
    line.submit(third)
    line.send()
    line.pass_time(SECOND)
    assert statuses(third) == [Status.TIMEOUT]


def test_an_answer_with_id_0_that_nobody_asked_for_is_told() -> None:
    line = Line(1)
    batch, out = read(1, repeats=3)
    line.submit(batch)
    line.answer_with(line.send()[0]._replace(transaction_id=0), "03 02 1234")
    assert statuses(batch) == [Status.PROTOCOL]
    assert faults(batch) == [Fault.ZERO_ID]
    assert out.tolist() == [PATTERN]
