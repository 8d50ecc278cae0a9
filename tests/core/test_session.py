"""Bytes in, values out: matching, delivery, broken streams. The session is driven by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import (
    MS,
    PATTERN,
    SECOND,
    Line,
    addresses,
    expected,
    faults,
    left,
    limits,
    read,
    registers,
    request,
    statuses,
    tries,
    write,
)
from fastmodbus._core.batch import pdu_batch, read_batch, read_write_batch, write_batch
from fastmodbus._core.reactor import EVENTS
from fastmodbus.spec import Fault, Status
from reference import Frame, bits_to_bytes, mbap_frame, registers_to_bytes, split_mbap

# -------------------------------------------------------------------------------------------------------- good answers


def test_the_first_worked_example() -> None:
    line = Line()
    line.session.next_id = 1
    batch, out = read(1, address=0x1020, each=2)
    line.submit(batch)
    assert line.session.data_to_send(line.now)[0] == bytes.fromhex("0001 0000 0006 01 03 1020 0002")
    line.session.sent(12, line.now)
    line.now += 5 * MS
    line.receive(bytes.fromhex("0001 0000 0007 01 03 04 1234 5678"))
    assert out.tolist() == [0x1234, 0x5678]
    assert batch.ok()
    assert batch.unfinished == 0
    assert batch.times(0) == (line.now - 5 * MS, line.now)
    assert line.counted("requests", "answers", "bytes_sent", "bytes_received") == [1, 1, 12, 13]
    [(upper, count)] = line.session.round_trips()
    assert count == 1
    assert 5 * MS < upper <= 1.13 * 5 * MS


@pytest.mark.parametrize("window", [1, 2, 16, 300, 4096])
def test_a_long_read_is_split_and_put_together(window: int) -> None:
    line = Line(window)
    batch, out = read(300, address=1000, each=3)
    line.submit(batch)
    sent = []
    while frames := line.send():
        assert line.session.in_flight == len(frames) == min(window, 300 - len(sent))
        sent += frames
        line.answer(*frames)
    assert batch.ok()
    assert out.tolist() == expected(1000, 900)
    assert addresses(sent) == list(range(1000, 1900, 3))
    assert line.session.in_flight == 0


@given(st.permutations(range(40)), st.integers(1, 40))
def test_answers_in_any_order(order: list[int], at_once: int) -> None:
    line = Line(40)
    batch, out = read(40, each=2)
    line.submit(batch)
    frames = line.send()
    for i in range(0, 40, at_once):
        line.answer(*[frames[k] for k in order[i : i + at_once]])
    assert batch.ok()
    assert out.tolist() == expected(0, 80)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Kinds of answer and which of eight requests they answer."""
    kinds = st.sampled_from(["good", "exception", "short", "stranger", "twice"])
    return [(draw(kinds), i) for i in draw(st.permutations(range(8)))]


def stream_of(line: Line, plan: list[tuple[str, int]], frames: list[Frame]) -> bytes:
    made = {
        "good": line.honest,
        "exception": lambda frame: mbap_frame(frame.transaction_id, 1, b"\x83\x02"),
        "short": lambda frame: mbap_frame(frame.transaction_id, 1, b"\x03\x02\x00\x07"),
        "stranger": lambda frame: mbap_frame(frame.transaction_id ^ 0x8000, 1, b"\x03\x04abcd") + line.honest(frame),
        "twice": lambda frame: 2 * line.honest(frame),
    }
    return b"".join(made[kind](frames[i]) for kind, i in plan)


def outcome(plan: list[tuple[str, int]], tail: bytes, cuts: list[int]) -> tuple:
    line = Line(8)
    batch, out = read(8, each=2)
    line.submit(batch)
    stream = stream_of(line, plan, line.send()) + tail
    start = 0
    for end in [*cuts, len(stream)]:
        line.receive(stream[start:end])
        start = max(start, end)
    counters = line.session.counters()
    del counters["bytes_received"]  # those after a break are not looked at
    return statuses(batch), faults(batch), out.tolist(), counters, line.session.wants_close, line.session.fault


@given(streams(), st.sampled_from([b"", b"\0", b"\0\1\0\1", b"\0\1\0\0\xff\xff", b"GET / HTTP/1.1\r\n\r\n"]), st.data())
def test_any_cutting_of_a_stream_gives_what_one_piece_gives(plan, tail: bytes, data: st.DataObject) -> None:
    whole = outcome(plan, tail, [])
    cuts = data.draw(st.lists(st.integers(0, 300), max_size=20).map(sorted))
    assert outcome(plan, tail, cuts) == whole
    assert outcome(plan, tail, list(range(300))) == whole


def test_more_bytes_than_the_buffer_holds() -> None:
    line = Line(1)
    batch, out = read(1)
    line.submit(batch)
    [frame] = line.send()
    strange = mbap_frame(frame.transaction_id ^ 2, 1, bytes(253))
    line.receive(50 * strange + line.honest(frame))
    assert out.tolist() == expected(0, 1)
    assert line.counted("unknown") == [50]


# ---------------------------------------------------------------------------------------------- every kind of delivery


def test_bits_are_delivered_one_a_byte() -> None:
    line = Line(4)
    line.bank.coils[100:2200] = [i % 3 == 0 for i in range(2100)]
    out = np.full(2100, 7, np.uint8)
    batch = limits(read_batch(1, 1, 100, 2100, 2000, out))
    line.submit(batch)
    line.work()
    assert batch.count == 2
    assert batch.ok()
    assert out.tolist() == [i % 3 == 0 for i in range(2100)]


def test_writes_of_bits_and_registers() -> None:
    line = Line()
    bits = np.array([i % 5 for i in range(2000)], np.uint8)
    words = np.arange(40000, 40200, dtype=np.uint16)
    coils, holding = limits(write_batch(15, 1, 10, 2000, 9999, bits)), limits(write_batch(16, 1, 20, 200, 9999, words))
    line.submit(coils, holding)
    sizes = [len(frame.pdu) for frame in line.work()]
    assert sorted(sizes) == [6 + 4, 6 + 2 * 77, 252, 252]
    assert coils.ok()
    assert holding.ok()
    assert line.bank.coils[10:2010] == [bool(bit) for bit in bits]
    assert line.bank.holding[20:220] == words.tolist()


def test_registers_are_written_and_read_in_one_request() -> None:
    line = Line()
    out = registers(3)
    batch = limits(read_write_batch(1, 50, 3, 51, np.array([1, 2], np.uint16), out))
    line.submit(batch)
    line.work()
    assert out.tolist() == [*expected(50, 1), 1, 2]


def test_values_or_the_whole_answer_as_they_came() -> None:
    line = Line()
    values, whole = bytearray(253), bytearray(253)
    batches = [limits(pdu_batch(1, b"\x11", values)), limits(pdu_batch(1, b"\x11", whole, whole=True))]
    line.submit(*batches)
    for _ in batches:
        line.answer_with(*line.send(), "11 03 41 42 ff")
    assert values[: batches[0].received()] == b"AB\xff"
    assert whole[: batches[1].received()] == b"\x11\x03AB\xff"


def test_a_malformed_request_is_sent_only_when_asked_for() -> None:
    line = Line()
    out = bytearray(253)
    with pytest.raises(ValueError, match="malformed"):
        pdu_batch(1, b"\x03\x00", out)
    batch = limits(pdu_batch(1, b"\x03\x00", out, strict=False, whole=True))
    line.submit(batch)
    [frame] = line.send()
    assert frame.pdu == b"\x03\x00"
    line.answer_with(frame, "03 00 07")
    assert batch.ok()
    assert out[: batch.received()] == b"\x03\x00\x07"


@given(st.integers(1, 2000), st.binary(min_size=250, max_size=250))
def test_padding_bits_reach_nobody(count: int, noise: bytes) -> None:
    line = Line()
    out = np.full(count + 8, 7, np.uint8)
    batch = limits(read_batch(2, 1, 0, count, 2000, out[:count]))
    line.submit(batch)
    [frame] = line.send()
    size = (count + 7) // 8
    line.answer_with(frame, bytes([2, size]) + noise[:size])
    assert bits_to_bytes(out[:count])[:-1] == noise[: size - 1]
    assert set(out[:count].tolist()) <= {0, 1}
    assert out[count:].tolist() == [7] * 8


# ------------------------------------------------------------------------------------------ answers that are not right


@pytest.mark.parametrize(
    ("pdu", "status", "fault"),
    [
        ("83 02", Status.EXCEPTION, Fault.NONE),
        ("83 00", Status.EXCEPTION, Fault.NONE),
        ("83 06", Status.EXCEPTION, Fault.NONE),
        ("83 02 00", Status.PROTOCOL, Fault.EXCEPTION_LENGTH),
        ("84 02", Status.PROTOCOL, Fault.EXCEPTION_FUNCTION),
        ("04 04 0000 0000", Status.PROTOCOL, Fault.FUNCTION),
        ("03 02 0000", Status.PROTOCOL, Fault.BYTE_COUNT),
        ("03 06 0000 0000 0000", Status.PROTOCOL, Fault.BYTE_COUNT),
        ("03 04 0000 0000 00", Status.PROTOCOL, Fault.LENGTH),
    ],
)
@pytest.mark.parametrize("at", [0, 7, 15])
def test_a_wrong_answer_costs_its_own_values_and_nothing_else(pdu: str, status, fault, at: int) -> None:
    line = Line(16)
    batch, out = read(16, each=2)
    line.submit(batch)
    frames = line.send()
    for i, frame in enumerate(frames):
        if i == at:
            line.answer_with(frame, pdu)
        else:
            line.answer(frame)
    assert statuses(batch) == [status if i == at else Status.OK for i in range(16)]
    assert faults(batch)[at] == fault
    good = expected(0, 32)
    good[2 * at : 2 * at + 2] = [PATTERN, PATTERN]
    assert out.tolist() == good
    assert not line.session.wants_close
    assert batch.failures() == [at]
    assert batch.result(at)[2:7] == (int(pdu[3:5], 16) if status == Status.EXCEPTION else 0, 1, 3, 2 * at, 2)


def test_another_units_answer_is_wrong() -> None:
    line = Line()
    batch, out = read(1, unit=5)
    line.submit(batch)
    [frame] = line.send()
    line.receive(mbap_frame(frame.transaction_id, 6, b"\x03\x02\x00\x01"))
    assert statuses(batch) == [Status.PROTOCOL]
    assert faults(batch) == [Fault.UNIT]
    assert out.tolist() == [PATTERN]
    assert line.counted("protocol_errors") == [1]


def test_late_double_and_strange_answers_are_dropped_and_counted() -> None:
    line = Line(2)
    late, out = read(1)
    line.submit(late)
    [first] = line.send()
    line.pass_time(2 * SECOND)
    assert statuses(late) == [Status.TIMEOUT]
    batch, values = read(1, address=9)
    line.submit(batch)
    [second] = line.send()
    line.answer(first, second, second, first)
    line.receive(mbap_frame(second.transaction_id ^ 0x4000, 1, b"\x83\x02"))
    assert values.tolist() == expected(9, 1)
    assert out.tolist() == [PATTERN]
    assert line.counted("stale", "unknown", "timeouts", "answers") == [1, 3, 1, 1]
    events, more = line.session.drain_events()
    kinds = {number: name for name, number in EVENTS.items()}
    assert [(kinds[e[1]], e[3]) for e in events] == [
        ("CONNECTED", 0),
        ("TIMEOUT", first.transaction_id),
        ("STALE", first.transaction_id),
        ("UNKNOWN", second.transaction_id),
        ("UNKNOWN", first.transaction_id),
        ("UNKNOWN", second.transaction_id ^ 0x4000),
    ]
    assert more == 0
    assert line.session.drain_events() == ([], 0)


def test_events_that_find_no_room_are_counted() -> None:
    line = Line()
    batch, _ = read(1)
    line.submit(batch)
    [frame] = line.send()
    line.receive(30 * mbap_frame(frame.transaction_id ^ 1, 1, b"\x83\x02"))
    assert line.session.has_events
    events, more = line.session.drain_events()
    assert len(events) + more == 31
    assert not line.session.has_events


# ------------------------------------------------------------------------------------------ requests without an answer


def test_force_listen_only_is_done_when_it_was_sent() -> None:
    line = Line()
    batch, _ = request("08 0004 0000")
    line.submit(batch)
    data, _ = line.session.data_to_send(line.now)
    line.session.sent(5, line.now)
    assert statuses(batch) == [Status.SENT]
    line.session.sent(len(data) - 5, line.now)
    assert statuses(batch) == [Status.OK]
    assert left(batch) == [True]
    assert line.session.in_flight == 0
    [frame] = split_mbap(data)[0]
    line.answer_with(frame, "88 01")  # a device that does not know it
    assert line.counted("stale", "unknown") == [1, 0]


def test_a_busy_device_is_counted_and_asked_again() -> None:
    line = Line()
    batch, out = read(1, repeats=1)
    line.submit(batch)
    line.answer_with(*line.send(), "83 06")
    assert line.send() == []
    line.pass_time(100 * MS)
    line.work()
    assert out.tolist() == expected(0, 1)
    assert tries(batch) == [2]
    assert line.counted("exceptions", "retries", "requests", "answers") == [1, 1, 2, 2]


def test_wire_order_is_big_endian() -> None:
    line = Line()
    out = registers(2)
    batch = limits(read_batch(3, 1, 0, 2, 125, out))
    line.submit(batch)
    line.answer_with(*line.send(), b"\x03\x04" + registers_to_bytes([0x0102, 0xFFFE]))
    assert out.tolist() == [0x0102, 0xFFFE]


def test_a_write_batch_is_not_sent_while_down() -> None:
    line = Line()
    line.lose()
    batch = write(1)
    line.submit(batch)
    assert line.send() == []
    assert line.next_deadline() is None
