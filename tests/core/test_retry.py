"""What is sent again and what never is, and what a caller learns about a write: design 4.3. Driven by hand."""

import pytest

from core.line import (
    MS,
    PATTERN,
    SECOND,
    Line,
    addresses,
    expected,
    faults,
    left,
    read,
    request,
    statuses,
    tries,
    write,
)
from fastmodbus.spec import Fault, Status

REPEATABLE = {
    "read coils": "01 0000 0001",
    "read discrete inputs": "02 0000 0001",
    "read holding registers": "03 0000 0001",
    "read input registers": "04 0000 0001",
    "read exception status": "07",
    "get comm event counter": "0b",
    "get comm event log": "0c",
    "report server id": "11",
    "read file record": "14 07 06 0004 0001 0002",
    "read fifo queue": "18 04de",
    "read device identification": "2b 0e 01 00",
}
SENT_ONCE = {
    "write coil": "05 0001 ff00",
    "write register": "06 0001 0003",
    "diagnostics": "08 0000 a537",
    "write coils": "0f 0000 0001 01 01",
    "write registers": "10 0000 0001 02 0007",
    "write file record": "15 09 06 0004 0007 0001 06af",
    "mask write register": "16 0004 00f2 0025",
    "read and write registers": "17 0000 0001 0000 0001 02 0007",
    "user-defined": "41 00",
}


def pdus(kinds: dict[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("pdu", kinds.values(), ids=kinds.keys())


# ---------------------------------------------------------------------------------------------- by function code


@pdus(REPEATABLE)
def test_reads_are_repeated_after_a_timeout_a_loss_and_busy(pdu: str) -> None:
    line = Line()
    batch, _ = request(pdu, repeats=3)
    line.submit(batch)
    sent = line.send()
    line.pass_time(SECOND)
    sent += line.send()
    line.reconnect()
    sent += line.send()
    line.answer_with(sent[-1], bytes([sent[-1].pdu[0] | 0x80, 6]))
    line.pass_time(10 * SECOND)
    sent += line.send()
    assert len({frame.transaction_id for frame in sent}) == 4
    assert {frame.pdu for frame in sent} == {bytes.fromhex(pdu)}
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.TIMEOUT]
    assert tries(batch) == [4]
    assert line.counted("retries", "requests") == [3, 4]


@pdus(SENT_ONCE)
@pytest.mark.parametrize(
    ("end", "status"), [("timeout", Status.TIMEOUT), ("loss", Status.LOST), ("busy", Status.EXCEPTION)]
)
def test_what_changes_the_device_is_never_sent_twice(pdu: str, end: str, status: Status) -> None:
    line = Line()
    batch, _ = request(pdu, repeats=3)
    line.submit(batch)
    [frame] = line.send()
    if end == "timeout":
        line.pass_time(SECOND)
    elif end == "loss":
        line.reconnect()
    else:
        line.answer_with(frame, bytes([frame.pdu[0] | 0x80, 6]))
    line.pass_time(10 * SECOND)
    assert line.send() == []
    assert statuses(batch) == [status]
    assert left(batch) == [True]
    assert tries(batch) == [1]


def test_nothing_is_repeated_more_often_than_allowed() -> None:
    for repeats in (0, 1, 5):
        line = Line()
        batch, _ = read(1, repeats=repeats)
        line.submit(batch)
        while batch.unfinished:
            assert len(line.send()) == 1
            line.pass_time(SECOND)
        assert tries(batch) == [repeats + 1]


def test_as_often_as_can_be_allowed() -> None:
    line = Line()
    batch, _ = read(1, repeats=255)
    line.submit(batch)
    sent = 0
    while batch.unfinished:
        sent += len(line.send())
        line.pass_time(SECOND)
        assert sent <= 300
    assert statuses(batch) == [Status.TIMEOUT]
    assert sent == 255


def test_an_exception_other_than_busy_is_final() -> None:
    for code in (1, 2, 3, 4, 5, 7, 8, 10, 11, 99):
        line = Line()
        batch, _ = read(1, repeats=3)
        line.submit(batch)
        line.answer_with(*line.send(), bytes([0x83, code]))
        assert statuses(batch) == [Status.EXCEPTION]
        assert batch.result(0)[2] == code


def test_busy_backs_off_longer_every_time() -> None:
    line = Line()
    batch, out = read(1, repeats=6, timeout=1000 * SECOND)
    line.submit(batch)
    waits = []
    for _ in range(6):
        line.answer_with(*line.send(), "83 06")
        assert line.send() == []
        waits.append(line.next_deadline())
        line.pass_time(waits[-1])
    for tries_before, wait in enumerate(waits):
        assert 50 * MS << tries_before <= wait < 100 * MS << tries_before
    line.work()
    assert out.tolist() == expected(0, 1)
    assert tries(batch) == [7]


def test_other_requests_go_on_while_one_backs_off() -> None:
    line = Line(2)
    batch, out = read(4, repeats=2)
    line.submit(batch)
    frames = line.send()
    line.answer_with(frames[0], "83 06")
    line.answer(frames[1])
    frames = line.send()
    assert addresses(frames) == [2, 3]
    line.answer(*frames)
    assert statuses(batch) == [Status.QUEUED] + [Status.OK] * 3
    line.pass_time(line.next_deadline())
    line.work()
    assert out.tolist() == expected(0, 4)


def test_sessions_do_not_back_off_in_step() -> None:
    waits = set()
    lines = [Line() for _ in range(8)]
    for line in lines:
        batch, _ = read(1, repeats=1)
        line.submit(batch)
        line.answer_with(*line.send(), "83 06")
        waits.add(line.next_deadline())
        line.session.detach(batch)
    assert len(waits) > 1


# ---------------------------------------------------------------------------------------------- losses


def test_a_lost_connection_repeats_reads_in_their_order() -> None:
    line = Line(4)
    batch, out = read(8, repeats=1)
    line.submit(batch)
    frames = line.send()
    line.answer(frames[2])
    line.reconnect()
    assert addresses(line.work()) == [0, 1, 3, 4, 5, 6, 7]
    assert out.tolist() == expected(0, 8)
    assert tries(batch) == [2, 2, 1, 2, 1, 1, 1, 1]
    assert line.counted("losses", "connections", "retries") == [1, 2, 3]


def test_a_lost_connection_without_repeats_is_told() -> None:
    line = Line(2)
    batch, out = read(3)
    line.submit(batch)
    line.send()
    line.lose()
    assert statuses(batch) == [Status.LOST, Status.LOST, Status.QUEUED]
    line.session.connected(line.now)
    line.work()
    assert out.tolist() == [PATTERN, PATTERN, *expected(2, 1)]


def test_losing_twice_is_losing_once() -> None:
    line = Line()
    line.lose()
    line.lose()
    assert line.counted("losses") == [1]


def test_what_never_left_survives_a_loss_without_counting_as_a_try() -> None:
    line = Line(4, pipeline_writes=True)
    writes, reads = write(2, address=100), read(2)[0]
    line.submit(writes, reads)
    data, ends = line.session.data_to_send(line.now)
    assert len(ends) == 4
    assert line.counted("requests") == [4]
    line.lose()  # before a byte of it was sent
    assert left(writes) == [False] * 2
    assert statuses(writes) + statuses(reads) == [Status.QUEUED] * 4
    line.session.connected(line.now)
    line.work()
    assert writes.ok()
    assert reads.ok()
    assert tries(writes) + tries(reads) == [1] * 4
    assert line.bank.holding[100:102] == [0, 1]
    assert len(data) == ends[-1]


@pytest.mark.parametrize("sent", range(0, 31))
def test_one_byte_that_left_makes_a_writes_fate_unknown(sent: int) -> None:
    """Two writes in one batch, pipelined, 15 bytes each; the connection is lost after `sent` of them."""
    line = Line(2, pipeline_writes=True)
    batch = write(2, address=100)
    line.submit(batch)
    _, ends = line.session.data_to_send(line.now)
    assert ends == [15, 30]
    line.session.sent(sent, line.now)
    line.reconnect()
    if sent == 0:
        line.work()
        assert batch.ok()
        return
    assert line.send() == []
    assert batch.unfinished == 0
    assert left(batch) == [True, sent > 15]
    assert statuses(batch) == [Status.LOST, Status.LOST if sent > 15 else Status.CANCELLED]


def test_a_break_is_told_to_writes_that_had_left() -> None:
    line = Line(2)
    batch = write(1)
    reads, _ = read(1, repeats=1)
    line.submit(batch, reads)
    frames = line.send()
    line.receive(frames[1].transaction_id.to_bytes(2, "big") + b"\0\1\0\0")
    line.lose()
    assert statuses(batch) == [Status.PROTOCOL]
    assert faults(batch) == [Fault.PROTOCOL_ID]
    assert left(batch) == [True]


def test_a_peer_that_does_not_read_ends_the_connection() -> None:
    line = Line(2)
    batch = write(1)
    reads, out = read(1, repeats=1)
    line.submit(batch, reads)
    data, _ = line.session.data_to_send(line.now)
    line.session.sent(15 + 5, line.now)
    line.pass_time(SECOND)
    assert line.session.wants_close
    assert statuses(batch) == [Status.TIMEOUT]
    assert left(batch) == [True]
    assert line.session.data_to_send(line.now) == (data[20:], [7])
    line.reconnect()
    line.work()
    assert out.tolist() == expected(0, 1)


def test_a_write_that_waits_in_the_buffer_has_not_left() -> None:
    line = Line(2)
    reads, _ = read(1, timeout=100 * SECOND)
    line.submit(reads)
    line.session.data_to_send(line.now)
    line.session.sent(3, line.now)
    batch = write(1, deadline=line.now + SECOND)
    line.submit(batch)
    line.session.data_to_send(line.now)
    line.pass_time(SECOND)
    assert statuses(batch) == [Status.DEADLINE]
    assert left(batch) == [False]


# ---------------------------------------------------------------------------------------------- ordered writes


@pytest.mark.parametrize("end", ["exception", "timeout", "loss", "wrong"])
def test_after_a_write_that_failed_the_rest_is_cancelled(end: str) -> None:
    line = Line(8)
    batch = write(4, address=100)
    line.submit(batch)
    line.answer(*line.send())
    [frame] = line.send()
    if end == "exception":
        line.answer_with(frame, "90 04")
    elif end == "timeout":
        line.pass_time(SECOND)
    elif end == "loss":
        line.reconnect()
    else:
        line.answer_with(frame, "10 0000 0001")
    final = {"exception": Status.EXCEPTION, "timeout": Status.TIMEOUT, "loss": Status.LOST, "wrong": Status.PROTOCOL}
    assert statuses(batch) == [Status.OK, final[end], Status.CANCELLED, Status.CANCELLED]
    assert left(batch) == [True, True, False, False]
    assert batch.unfinished == 0
    assert line.send() == []


def test_pipelined_writes_in_flight_are_awaited_when_one_failed() -> None:
    line = Line(3, pipeline_writes=True)
    batch = write(5, address=100)
    line.submit(batch)
    frames = line.send()
    line.answer_with(frames[1], "90 04")
    assert statuses(batch) == [Status.SENT, Status.EXCEPTION, Status.SENT, Status.CANCELLED, Status.CANCELLED]
    line.answer(frames[0], frames[2])
    assert statuses(batch) == [Status.OK, Status.EXCEPTION, Status.OK, Status.CANCELLED, Status.CANCELLED]
    assert batch.unfinished == 0


def test_pipelined_writes_that_never_left_are_cancelled_with_the_rest() -> None:
    line = Line(3, pipeline_writes=True)
    batch = write(5, address=100)
    line.submit(batch)
    data, ends = line.session.data_to_send(line.now)
    line.session.sent(ends[0], line.now)
    line.reconnect()
    assert statuses(batch) == [Status.LOST] + [Status.CANCELLED] * 4
    assert left(batch) == [True] + [False] * 4
    assert line.send() == []
    assert len(data) == ends[-1]
