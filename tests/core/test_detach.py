"""The end of a loan: after detach nothing is written to a batch's memory, wherever in its life it was."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import MS, PATTERN, SECOND, Line, expected, left, read, registers, statuses, write
from fastmodbus.spec import Status
from reference import mbap_frame, split_mbap

OVERWRITTEN = 0x5A5A


def come_back(line: Line, frames: list) -> None:
    """All that may still happen to a session after a batch left it."""
    rest, _ = line.session.data_to_send(line.now)
    line.session.sent(len(rest), line.now)
    line.answer(*frames)
    for frame in frames:
        line.answer_with(frame, b"\x03\x02\xbe\xef")
    line.work()
    line.pass_time(10 * SECOND)
    line.work()
    line.reconnect()
    line.work()


STAGES = ["queued", "buffered", "part sent", "sent", "part answered", "repeated", "busy", "down", "broken", "in part"]


def bring_to(line: Line, batch, stage: str) -> list:
    """Bring a batch of four requests, in a window of two, to a point of its life; its requests in flight."""
    if stage == "queued":
        return []
    data, _ = line.session.data_to_send(line.now)
    frames, _ = split_mbap(data)
    if stage == "buffered":
        return frames
    if stage == "part sent":
        line.session.sent(14, line.now)
        return frames
    line.session.sent(len(data), line.now)
    if stage == "part answered":
        line.answer(frames[0])
    elif stage == "repeated":
        line.pass_time(SECOND)
    elif stage == "busy":
        line.answer_with(frames[0], "83 06")
    elif stage == "down":
        line.lose()
    elif stage == "broken":
        line.receive(b"\xff\xff\0\1")  # of no request
    elif stage == "in part":
        line.receive(line.honest(frames[0])[:10])
    return frames


@pytest.mark.parametrize("stage", STAGES)
def test_after_detach_nothing_is_written(stage: str) -> None:
    line = Line(2)
    batch, out = read(4, repeats=2)
    line.submit(batch)
    frames = bring_to(line, batch, stage)
    line.session.detach(batch, Status.DEADLINE)
    assert batch.unfinished == 0
    assert not batch.attached
    done = 1 if stage == "part answered" else 0
    assert statuses(batch) == [Status.OK] * done + [Status.DEADLINE] * (4 - done)
    assert out.tolist() == expected(0, done) + [PATTERN] * (4 - done)
    out[:] = OVERWRITTEN
    results = [batch.result(i) for i in range(4)]
    come_back(line, frames)
    assert out.tolist() == [OVERWRITTEN] * 4
    assert [batch.result(i) for i in range(4)] == results
    assert line.session.in_flight == 0
    after, values = read(5)
    line.submit(after)
    line.work()
    assert values.tolist() == expected(0, 5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_batch_that_is_dropped_is_detached(stage: str) -> None:
    line = Line(2)
    batch, out = read(4, repeats=2)
    line.submit(batch)
    frames = bring_to(line, batch, stage)
    gone = weakref.ref(out)
    del batch
    gc.collect()
    out[:] = OVERWRITTEN
    come_back(line, frames)
    assert out.tolist() == [OVERWRITTEN] * 4
    del out
    assert gone() is None


def test_detaching_twice_or_by_another_session_changes_nothing() -> None:
    line, other = Line(), Line()
    batch, _ = read(1)
    line.submit(batch)
    other.session.detach(batch, Status.CLOSED)
    assert statuses(batch) == [Status.QUEUED]
    assert batch.attached
    line.session.detach(batch)
    line.session.detach(batch, Status.CLOSED)
    assert statuses(batch) == [Status.CANCELLED]


def test_a_finished_batch_keeps_its_results() -> None:
    line = Line()
    batch, _ = read(2)
    line.submit(batch)
    line.work()
    line.session.detach(batch, Status.CLOSED)
    assert batch.ok()


def test_abandon_ends_every_batch() -> None:
    line = Line(3)
    batches = [read(2)[0], write(2), read(2, unit=2)[0], write(1, unit=2)]
    line.submit(*batches)
    line.send()
    line.session.abandon(Status.UNREACHABLE)
    assert {status for batch in batches for status in statuses(batch)} == {Status.UNREACHABLE}
    assert line.send() == []


def test_what_was_not_sent_of_a_detached_batch_leaves_the_send_buffer() -> None:
    line = Line(6)
    one, _ = read(2, address=10)
    two, two_out = read(2, address=20)
    three, three_out = read(2, address=30)
    line.submit(one, two, three)
    data, ends = line.session.data_to_send(line.now)
    line.session.sent(5, line.now)
    line.session.detach(one)
    rest, rest_ends = line.session.data_to_send(line.now)
    frames, used = split_mbap(data[:5] + rest)
    # The first request of batch one has begun to leave and must go on; its second has not.
    assert used == 5 + len(rest)
    assert [int.from_bytes(frame.pdu[1:3], "big") for frame in frames] == [10, 20, 30, 21, 31]
    assert rest_ends == [end - 5 for end in ends[:5]]
    assert line.session.in_flight == 5
    line.session.sent(len(rest), line.now)
    line.answer(*frames)
    assert two_out.tolist() == expected(20, 2)
    assert three_out.tolist() == expected(30, 2)
    assert line.counted("stale") == [1]


@given(st.data())
def test_any_part_sent_and_any_batch_detached(data: st.DataObject) -> None:
    """The peer always sees whole requests, and each of the batches that stay gets its own values."""
    line = Line(12)
    targets = [registers(3) for _ in range(4)]
    batches = [read(3, address=10 * i, out=out)[0] for i, out in enumerate(targets)]
    line.submit(*batches)
    seen = b""
    staying = set(range(4))
    for _ in range(4):
        buffered, _ = line.session.data_to_send(line.now)
        part = data.draw(st.integers(0, len(buffered)))
        seen += buffered[:part]
        line.session.sent(part, line.now)
        gone = data.draw(st.sampled_from(range(4)))
        line.session.detach(batches[gone])
        staying.discard(gone)
    while (buffered := line.session.data_to_send(line.now)[0]) != b"":
        seen += buffered
        line.session.sent(len(buffered), line.now)
    frames, used = split_mbap(seen)
    assert used == len(seen)
    line.answer(*frames)
    for i, out in enumerate(targets):
        assert out.tolist() == (expected(10 * i, 3) if i in staying else [PATTERN] * 3)
    assert line.session.in_flight == 0


def test_a_detached_write_that_waits_in_the_buffer_is_never_sent() -> None:
    line = Line(2, pipeline_writes=True)
    batch = write(2, address=100)
    line.submit(batch)
    line.session.data_to_send(line.now)
    line.session.detach(batch)
    assert left(batch) == [False, False]
    assert line.session.data_to_send(line.now) == (b"", [])
    assert line.session.in_flight == 0
    assert line.session.quarantined == 0


def test_the_arrays_are_free_when_the_batch_is_gone() -> None:
    line = Line()
    out = registers(4)
    view = memoryview(bytearray(8))
    batch, _ = read(4, out=np.frombuffer(view, np.uint16))
    line.submit(batch)
    line.work()
    line.session.detach(batch)
    del batch
    view.release()
    assert out.tolist() == [PATTERN] * 4


def test_a_session_may_go_before_its_batches() -> None:
    line = Line()
    batch, out = read(2)
    line.submit(batch)
    frames = line.send()
    session = weakref.ref(line)
    honest = line.honest(frames[0])
    del line
    assert session() is None
    assert batch.attached  # the batch keeps the session that borrowed it
    assert out.tolist() == [PATTERN] * 2
    assert honest == mbap_frame(frames[0].transaction_id, 1, b"\x03\x02\x00\x03")


def test_in_flight_requests_of_a_detached_batch_hold_their_place() -> None:
    line = Line(2)
    one, _ = read(2, timeout=100 * MS)
    line.submit(one)
    late = line.send()
    line.session.detach(one)
    two, out = read(2, address=7)
    line.submit(two)
    assert line.send() == []
    assert line.next_deadline() == 100 * MS
    line.pass_time(100 * MS)
    line.answer(*late, *line.send())
    line.work()
    assert out.tolist() == expected(7, 2)


def test_a_batch_in_a_garbage_cycle_releases_its_buffers() -> None:
    """The collector breaks the cycle at will: were it at the batch, the memory would die with a buffer still lent."""
    script = """
import gc
from fastmodbus._core.batch import pdu_batch

class Node: pass

gc.disable()
for _ in range(200):
    batch = pdu_batch(7, b"\\x07", bytearray(253))
    node = Node()
    node.batch, node.self = batch, node
    del batch, node
gc.collect()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
