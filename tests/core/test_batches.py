"""Batches and the arguments they are made with; what a session refuses and what it shows. Driven by hand."""

import numpy as np
import pytest

from core.line import (
    SECOND,
    Line,
    expected,
    limits,
    read,
    registers,
)
from fastmodbus._core.batch import image_batch, pdu_batch, read_batch, read_write_batch, write_batch
from fastmodbus._core.state import SessionState
from fastmodbus._core.verbs import Session
from reference import mbap_frame


def test_a_session_needs_a_window() -> None:
    for window in (0, -1, 4097):
        with pytest.raises(ValueError, match="1 to 4096"):
            Session(window)
    assert SessionState(4096).window == 4096


def test_batches_refuse_what_would_corrupt_memory() -> None:
    out = registers(10)
    for address, count, limit in ((-1, 5, 1), (0, 0, 1), (65535, 2, 1), (0, 65537, 1), (0, 5, 0), (0, 5, -1)):
        with pytest.raises(ValueError, match="address"):
            read_batch(3, 1, address, count, limit, out)
        with pytest.raises(ValueError, match="address"):
            write_batch(16, 1, address, count, limit, out)
    for size in (4, 6):
        with pytest.raises(ValueError, match=f"{2 * size} bytes, 10 are needed"):
            read_batch(3, 1, 0, 5, 125, out[:size])
        with pytest.raises(ValueError, match=f"{2 * size} bytes, 10 are needed"):
            write_batch(16, 1, 0, 5, 123, out[:size])
    with pytest.raises(ValueError, match="function 5"):
        read_batch(5, 1, 0, 1, 1, out)
    with pytest.raises(ValueError, match="function 6"):
        write_batch(6, 1, 0, 1, 1, out)
    with pytest.raises((ValueError, BufferError)):
        read_batch(3, 1, 0, 5, 125, out[::2])
    with pytest.raises((TypeError, BufferError, ValueError)):
        read_batch(3, 1, 0, 5, 125, bytes(10))
    for pdu in (b"", bytes([65]) * 254):
        with pytest.raises(ValueError, match="1 to 253"):
            pdu_batch(1, pdu, bytearray(253))
    with pytest.raises(ValueError, match="reads 126"):
        read_write_batch(1, 0, 126, 0, out, registers(126))
    with pytest.raises(ValueError, match="writes 0"):
        read_write_batch(1, 0, 1, 0, out[:0], registers(1))


def test_indices_are_checked() -> None:
    batch, _ = read(3)
    for look in (batch.result, batch.times, batch.received):
        with pytest.raises(IndexError):
            look(3)
        with pytest.raises(IndexError):
            look(-1)


def test_a_batch_is_submitted_once() -> None:
    line = Line()
    batch, _ = read(1)
    line.submit(batch)
    with pytest.raises(ValueError, match="before"):
        line.submit(batch)
    line.work()
    line.session.detach(batch)
    with pytest.raises(ValueError, match="before"):
        line.submit(batch)


def test_the_target_cannot_be_resized_while_it_is_lent() -> None:
    target = bytearray(253)
    batch = limits(pdu_batch(1, b"\x11", target))
    with pytest.raises(BufferError):
        target.extend(b"more")
    del batch
    target.extend(b"more")


def test_sent_may_not_be_more_than_there_is() -> None:
    line = Line()
    batch, _ = read(1)
    line.submit(batch)
    data, _ = line.session.data_to_send(line.now)
    with pytest.raises(ValueError, match="13 bytes sent of 12"):
        line.session.sent(len(data) + 1, line.now)


def test_the_trace_has_all_that_went_over_the_line() -> None:
    line = Line(4)
    line.session.start_trace(2000)
    batch, _ = read(4)
    line.submit(batch)
    frames = line.send()
    line.answer(*frames)
    records, dropped = line.session.drain_trace()
    requests = b"".join(mbap_frame(*frame) for frame in frames)
    assert records == [(line.now, False, requests), (line.now, True, b"".join(map(line.honest, frames)))]
    assert dropped == 0
    for _ in range(100):
        line.receive(mbap_frame(7, 1, bytes(100)))
    records, dropped = line.session.drain_trace()
    assert len(records) + dropped == 100
    assert dropped > 0
    line.session.start_trace(0)
    line.receive(bytes(3))
    assert line.session.drain_trace() == ([], 0)


# ---------------------------------------------------------------------------------------------- images


def test_an_image_of_several_tables_and_units() -> None:
    line = Line(3)
    line.bank.coils[7:10] = [True, False, True]
    line.bank.input[5] = 4711
    image = bytearray(b"\xaa" * 16)
    batch = limits(image_batch([(3, 1, 100, 2, 0), (1, 1, 7, 3, 5), (4, 9, 5, 1, 8), (3, 2, 65535, 1, 14)], image))
    line.submit(batch)
    assert {frame.unit for frame in line.work()} == {1, 2, 9}
    assert batch.ok()
    words = np.frombuffer(image, np.uint16)
    assert words[[0, 1, 4, 7]].tolist() == [*expected(100, 2), 4711, *expected(65535, 1)]
    assert image[4:8] == b"\xaa\1\0\1"
    assert image[10:14] == b"\xaa" * 4


@pytest.mark.parametrize(
    "one",
    [
        (0, 1, 0, 1, 0),
        (5, 1, 0, 1, 0),
        (3, -1, 0, 1, 0),
        (3, 256, 0, 1, 0),
        (3, 1, -1, 1, 0),
        (3, 1, 65535, 2, 0),
        (3, 1, 0, 0, 0),
        (3, 1, 0, 126, 0),
        (1, 1, 0, 2001, 0),
        (3, 1, 0, 1, 1),
        (3, 1, 0, 1, -2),
        (3, 1, 0, 8, 2),
        (3, 1, 0, 1, 16),
        (1, 1, 0, 17, 0),
    ],
)
def test_an_image_is_never_written_beside(one: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"function|address"):
        image_batch([(3, 1, 0, 1, 0), one], bytearray(16))


def test_an_image_needs_reads() -> None:
    with pytest.raises(ValueError, match="no reads"):
        image_batch([], bytearray(16))


def test_what_a_session_shows() -> None:
    line = Line(3)
    assert (line.session.window, line.session.limit, line.session.in_flight) == (3, 3, 0)
    batch = read(2, deadline=line.now + SECOND, repeats=3)[0]
    assert (batch.count, batch.unfinished, batch.repeats) == (2, 2, 3)
    assert batch.has_deadline
    assert batch.deadline == line.now + SECOND
    assert not read(1)[0].has_deadline
    assert not batch.attached
    line.submit(batch)
    assert batch.attached
    assert not batch.ok()
    assert batch.failures() == [0, 1]
