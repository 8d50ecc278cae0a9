"""Deviations of real devices: named in the error where they are certain, accepted only where the user said so."""

from functools import cache

import pytest

from core.line import PATTERN, SECOND, Line, expected, faults, read, request, statuses
from fastmodbus import spec
from fastmodbus.spec import Fault, Status
from reference import Frame, crc16, mbap_frame

TID_ZERO, UNIT_ZERO, EXCEPTION_LENGTH, TRAILING_CRC = (
    spec.QUIRKS[name] for name in ("tid_zero", "unit_zero", "exception_length", "trailing_crc")
)


def one(line: Line, **given: int) -> tuple:
    batch, out = read(1, **given)
    line.submit(batch)
    [frame] = line.send()
    return batch, out, frame


# ---------------------------------------------------------------------------------------------- transaction id 0


def test_answers_with_id_0_are_taken_one_at_a_time() -> None:
    line = Line(8, quirks=TID_ZERO)
    batch, out = read(20)
    line.submit(batch)
    while frames := line.send():
        assert len(frames) == 1
        line.answer(frames[0]._replace(transaction_id=0))
    assert out.tolist() == expected(0, 20)


def test_with_id_0_a_timeout_ends_the_connection() -> None:
    """A late answer could not be told from the next one."""
    line = Line(1, quirks=TID_ZERO)
    batch, _, late = one(line, repeats=1)
    line.pass_time(SECOND)
    assert line.session.wants_close
    line.reconnect()
    [frame] = line.send()
    assert frame.transaction_id != late.transaction_id
    line.answer(frame)
    assert batch.ok()


def test_with_id_0_a_request_without_an_answer_ends_the_connection() -> None:
    """Force Listen Only Mode: a refusal of it could not be told from the answer to the next request."""
    line = Line(1, quirks=TID_ZERO)
    quiet, _ = request("08 0004 0000")
    line.submit(quiet)
    line.send()
    assert quiet.ok()
    assert line.session.wants_close
    line.reconnect()
    batch, out, frame = one(line)
    line.answer(frame._replace(transaction_id=0))
    assert out.tolist() == expected(0, 1)
    assert batch.ok()


def test_what_a_device_says_to_a_request_without_an_answer_is_nobodys() -> None:
    line = Line(1)
    quiet, _ = request("08 0004 0000")
    line.submit(quiet)
    [unanswered] = line.send()
    batch, out, frame = one(line)
    line.answer_with(unanswered, "88 01")
    line.answer(frame)
    assert out.tolist() == expected(0, 1)
    assert batch.ok()
    assert line.counted("stale") == [1]


def test_id_0_among_several_is_named_when_they_expire() -> None:
    line = Line(2)
    batch, out = read(2)
    line.submit(batch)
    for frame in line.send():
        line.answer(frame._replace(transaction_id=0))
    assert line.counted("unknown") == [2]
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.PROTOCOL] * 2
    assert faults(batch) == [Fault.ZERO_ID] * 2
    assert out.tolist() == [PATTERN] * 2


# ---------------------------------------------------------------------------------------------- unit 0


@pytest.mark.parametrize("quirks", [0, UNIT_ZERO])
def test_unit_0(quirks: int) -> None:
    line = Line(1, quirks=quirks)
    batch, out, frame = one(line, unit=7)
    line.answer(frame._replace(unit=0))
    if quirks:
        assert out.tolist() == expected(0, 1)
    else:
        assert faults(batch) == [Fault.ZERO_UNIT]
        assert out.tolist() == [PATTERN]


def test_another_unit_is_never_accepted() -> None:
    line = Line(1, quirks=UNIT_ZERO)
    batch, _, frame = one(line, unit=7)
    line.answer(frame._replace(unit=8))
    assert faults(batch) == [Fault.UNIT]


def test_with_unit_0_a_unit_is_asked_one_at_a_time() -> None:
    line = Line(4, quirks=UNIT_ZERO)
    one_unit, _ = read(3, unit=7)
    other_unit, _ = read(3, unit=8)
    line.submit(one_unit, other_unit)
    assert sorted(frame.unit for frame in line.send()) == [7, 8]


# ---------------------------------------------------------------------------------------------- lengths of exceptions


def exception(frame: Frame, length: int) -> bytes:
    return mbap_frame(frame.transaction_id, frame.unit, b"\x83\x02")[:4] + length.to_bytes(2, "big") + b"\x01\x83\x02"


@pytest.mark.parametrize("length", [2, 4])
@pytest.mark.parametrize("cut", range(10))
def test_exceptions_with_a_wrong_length(length: int, cut: int) -> None:
    line = Line(1, quirks=EXCEPTION_LENGTH)
    batch, _, frame = one(line)
    data = exception(frame, length)
    line.receive(data[:cut])
    line.receive(data[cut:])
    assert statuses(batch) == [Status.EXCEPTION]
    assert batch.result(0)[2] == 2
    after, out, frame = one(line)
    line.answer(frame)
    assert out.tolist() == expected(0, 1)
    assert after.ok()
    assert not line.session.wants_close


@pytest.mark.parametrize("length", [2, 4])
def test_a_wrong_length_is_named_and_ends_the_connection(length: int) -> None:
    line = Line(1)
    batch, _, frame = one(line)
    line.receive(exception(frame, length))
    assert faults(batch) == [Fault.EXCEPTION_HEADER]
    assert line.session.wants_close


def test_one_byte_too_many_inside_the_length_is_that_requests_error() -> None:
    line = Line(1)
    batch, _, frame = one(line)
    line.receive(exception(frame, 4) + b"\0")
    assert faults(batch) == [Fault.EXCEPTION_LENGTH]
    assert not line.session.wants_close


def test_short_answers_that_are_no_exceptions_are_framed_as_ever() -> None:
    line = Line(1, quirks=EXCEPTION_LENGTH)
    batch, _, frame = one(line)
    line.receive(mbap_frame(frame.transaction_id, 1, b"\x03\x02\x00"))  # length 4
    assert statuses(batch) == [Status.PROTOCOL]
    assert faults(batch) == [Fault.LENGTH]
    line.reconnect()  # it counted more bytes than its frame had
    batch, _, frame = one(line)
    line.receive(mbap_frame(frame.transaction_id, 1, b"\x03"))  # length 2
    assert faults(batch) == [Fault.ADU_LENGTH]


# ---------------------------------------------------------------------------------------------- leaked checksums


def with_crc(line: Line, frame: Frame) -> bytes:
    answer = line.honest(frame)
    return answer + crc16(answer[6:]).to_bytes(2, "little")


def test_checksums_behind_answers_are_passed_over() -> None:
    line = Line(4, quirks=TRAILING_CRC)
    batch, out = read(12)
    line.submit(batch)
    while frames := line.send():
        line.receive(b"".join(with_crc(line, frame) for frame in frames))
    assert out.tolist() == expected(0, 12)
    assert not line.session.wants_close


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("held", [0, 1, 2])
def test_checksums_may_arrive_behind_the_next_request(held: int, joined: bool) -> None:
    """So many of their bytes come late: by themselves, or with the answer to that request."""
    line = Line(1, quirks=TRAILING_CRC)
    late = b""
    for _ in range(300):
        _, out, frame = one(line)
        data = with_crc(line, frame)
        if not joined:
            line.receive(late)
            late = b""
        line.receive(late + data[: len(data) - held])
        assert out.tolist() == expected(0, 1)
        late = data[len(data) - held :]
    assert not line.session.wants_close


@cache
def a_value_with_such_a_checksum() -> int:
    """What the first of two registers must hold for the checksum of the first answer to be the id of the second."""
    line = Line(2, quirks=TRAILING_CRC)
    batch, _ = read(2)
    line.submit(batch)
    first, second = line.send()
    wanted = second.transaction_id.to_bytes(2, "big")
    for value in range(65536):
        line.bank.holding[0] = value
        if crc16(line.honest(first)[6:]).to_bytes(2, "little") == wanted:
            return value
    raise AssertionError("there is one")


@pytest.mark.parametrize("leaked", [False, True])
def test_a_checksum_that_is_like_the_id_of_the_next_answer(leaked: bool) -> None:
    """What follows tells whether it is one, however the bytes are cut."""
    for cut in range(24):
        line = Line(2, quirks=TRAILING_CRC)
        batch, out = read(2)
        line.submit(batch)
        first, second = line.send()
        line.bank.holding[0] = a_value_with_such_a_checksum()
        assert crc16(line.honest(first)[6:]).to_bytes(2, "little") == second.transaction_id.to_bytes(2, "big")
        data = with_crc(line, first) if leaked else line.honest(first)
        data += line.honest(second)
        line.receive(data[:cut])
        line.receive(data[cut:])
        assert batch.ok()
        assert out.tolist() == [line.bank.holding[0], line.bank.holding[1]]
        assert not line.session.wants_close


def test_answers_without_a_checksum_are_taken_too() -> None:
    line = Line(4, quirks=TRAILING_CRC)
    batch, out = read(12)
    line.submit(batch)
    line.work()
    assert out.tolist() == expected(0, 12)


def test_a_checksum_that_nobody_declared_gives_the_value_and_ends_the_connection() -> None:
    line = Line(1)
    batch, out, frame = one(line)
    line.receive(with_crc(line, frame))
    assert out.tolist() == expected(0, 1)
    assert batch.ok()
    after, _ = read(1)
    line.submit(after)
    assert line.send() == []
    assert line.session.wants_close
    assert line.session.fault == Fault.TRAILING_CRC


def test_a_checksum_amid_answers_is_named_to_who_comes_next() -> None:
    line = Line(3)
    batch, out = read(3)
    line.submit(batch)
    frames = line.send()
    line.receive(with_crc(line, frames[0]) + line.honest(frames[1]))
    line.lose()
    assert statuses(batch)[0] == Status.OK
    assert faults(batch)[1:] == [Fault.TRAILING_CRC] * 2
    assert out.tolist() == [*expected(0, 1), PATTERN, PATTERN]


def test_a_request_that_expires_unsent_behind_a_leaked_checksum_is_closed_once() -> None:
    line = Line(2)
    first, out = read(1)
    line.submit(first)
    [frame] = line.send()
    second, _ = read(1)
    line.submit(second)
    assert line.session.data_to_send(line.now)[0]  # written, and the kernel takes none of it
    line.receive(with_crc(line, frame))
    line.pass_time(SECOND)
    assert out.tolist() == expected(0, 1)
    assert statuses(second) == [Status.TIMEOUT]
    assert line.session.wants_close
