"""Anything that can happen to a session, in any order: a hypothesis state machine over a session driven by hand.

The device of this test answers a read with values that only this request can have: its address, and how often that
address was asked for. Whatever else comes (late, double, foreign, spoilt) carries other values, so that a value that
landed in the wrong place, or twice, shows.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.line import MS, NEVER, PATTERN, limits
from fastmodbus._core.batch import Batch, image_batch, read_batch, write_batch
from fastmodbus._core.verbs import Session
from fastmodbus.spec import Status
from reference import Frame, mbap_frame, registers_to_bytes, split_mbap

FINAL = frozenset(Status) - {Status.QUEUED, Status.SENT}
SHORT, LONG = 20 * MS, 200 * MS


def value_of(address: int, unit: int) -> int:
    return (address * 31 + unit * 1009 + 1) & 0x7FFF


@dataclass(eq=False)
class Work:
    """A batch with what is known of it."""

    batch: Batch
    out: np.ndarray
    address: int
    units: list[int]
    writes: bool
    final: dict[int, Status] = field(default_factory=dict)
    detached: bool = False


class SessionMachine(RuleBasedStateMachine):
    works = Bundle("works")

    def __init__(self) -> None:
        super().__init__()
        self.now = 10**12
        self.all: list[Work] = []
        self.unanswered: list[Frame] = []  # seen by the device of this connection
        self.answered: list[Frame] = []
        self.seen: list[Frame] = []  # over all connections
        self.stream = b""  # sent and not yet a whole request
        self.connected = False

    @initialize(
        window=st.integers(1, 6),
        automatic=st.booleans(),
        pipelined=st.booleans(),
        gap=st.sampled_from([0, 0, 3 * MS]),
        start=st.sampled_from([1, 65530, 0]),
    )
    def make(self, window: int, automatic: bool, pipelined: bool, gap: int, start: int) -> None:
        self.window = window
        self.session = Session(window, automatic=automatic, pipeline_writes=pipelined, request_gap=gap)
        self.session.next_id = start
        self.connect()

    # ------------------------------------------------------------------------------------------ what callers do

    @rule(
        target=works,
        count=st.integers(1, 8),
        unit=st.integers(1, 3),
        repeats=st.integers(0, 2),
        deadline=st.sampled_from([NEVER, NEVER, 50 * MS, 400 * MS]),
        timeout=st.sampled_from([SHORT, LONG]),
    )
    def read(self, count: int, unit: int, repeats: int, deadline: int, timeout: int) -> Work:
        address = 10 * len(self.all)
        out = np.full(count, PATTERN, np.uint16)
        batch = read_batch(3, unit, address, count, 1, out)
        return self.submit(Work(batch, out, address, [unit] * count, writes=False), timeout, deadline, repeats)

    @rule(target=works, units=st.lists(st.integers(1, 3), min_size=2, max_size=8), repeats=st.integers(0, 2))
    def read_units(self, units: list[int], repeats: int) -> Work:
        address = 10 * len(self.all)
        out = np.full(len(units), PATTERN, np.uint16)
        batch = image_batch([(3, unit, address + i, 1, 2 * i) for i, unit in enumerate(units)], out)
        return self.submit(Work(batch, out, address, units, writes=False), SHORT, NEVER, repeats)

    @rule(target=works, count=st.integers(1, 4), unit=st.integers(1, 3), timeout=st.sampled_from([SHORT, LONG]))
    def write(self, count: int, unit: int, timeout: int) -> Work:
        address = 10 * len(self.all)
        values = np.arange(count, dtype=np.uint16)
        batch = write_batch(16, unit, address, count, 1, values)
        return self.submit(Work(batch, values, address, [unit] * count, writes=True), timeout, NEVER, 2)

    def submit(self, work: Work, timeout: int, deadline: int, repeats: int) -> Work:
        limits(work.batch, timeout, NEVER if deadline == NEVER else self.now + deadline, repeats)
        self.session.submit(work.batch)
        self.all.append(work)
        return work

    @rule(work=works)
    def detach(self, work: Work) -> None:
        self.session.detach(work.batch, Status.CANCELLED)
        work.detached = True

    @rule(status=st.sampled_from([Status.UNREACHABLE, Status.CLOSED]))
    def abandon(self, status: Status) -> None:
        self.session.abandon(status)

    @rule(unit=st.integers(1, 3), limit=st.integers(0, 2))
    def limit_unit(self, unit: int, limit: int) -> None:
        self.session.limit_unit(unit, limit)

    # ------------------------------------------------------------------------------------------ what the kernel does

    @precondition(lambda self: self.connected)
    @rule(part=st.floats(0, 1), whole=st.booleans())
    def send(self, part: float, whole: bool) -> None:
        data, ends = self.session.data_to_send(self.now)
        assert (ends[-1] if ends else 0) == len(data)
        if self.session.wants_close:
            return
        size = len(data) if whole else int(part * len(data))
        self.session.sent(size, self.now)
        frames, used = split_mbap(self.stream + data[:size])
        self.stream = (self.stream + data[:size])[used:]
        self.unanswered += frames
        self.seen += frames

    @precondition(lambda self: self.connected)
    @rule()
    def lose(self) -> None:
        self.session.connection_lost(self.now)
        self.connected = False

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.session.connected(self.now)
        self.unanswered, self.answered, self.stream, self.connected = [], [], b"", True

    @precondition(lambda self: self.connected and self.session.wants_close)
    @rule()
    def close_as_wished(self) -> None:
        self.lose()

    @rule(ns=st.sampled_from([0, MS, SHORT - 1, SHORT, LONG]))
    def pass_time(self, ns: int) -> None:
        self.now += ns
        self.session.expire(self.now)

    @precondition(lambda self: self.connected and not self.session.wants_close)
    @rule()
    def sleep(self) -> None:
        """What a driver does: expire, send, sleep exactly until the next deadline. It must never be in the past."""
        self.session.expire(self.now)
        self.send(1.0, True)
        if self.session.wants_close or self.session.data_to_send(self.now)[0]:
            return
        until = self.session.next_deadline(self.now)
        if until is None:
            assert not any(work.batch.unfinished for work in self.all)
            return
        assert until > self.now
        self.pass_time(until - self.now)

    # ------------------------------------------------------------------------------------------ what the device does

    def good(self, frame: Frame) -> bytes:
        if frame.pdu[0] == 16:
            return mbap_frame(frame.transaction_id, frame.unit, frame.pdu[:5])
        address = int.from_bytes(frame.pdu[1:3], "big")
        pdu = b"\x03\x02" + registers_to_bytes([value_of(address, frame.unit)])
        return mbap_frame(frame.transaction_id, frame.unit, pdu)

    def take(self, data: st.DataObject) -> Frame:
        frame = self.unanswered.pop(data.draw(st.integers(0, len(self.unanswered) - 1)))
        self.answered.append(frame)
        return frame

    @precondition(lambda self: self.connected and self.unanswered)
    @rule(data=st.data(), cut=st.integers(0, 20))
    def answer(self, data: st.DataObject, cut: int) -> None:
        answer = self.good(self.take(data))
        self.session.receive(answer[:cut], self.now)
        self.session.receive(answer[cut:], self.now)

    @precondition(lambda self: self.connected and self.unanswered)
    @rule()
    def answer_all(self) -> None:
        self.session.receive(b"".join(map(self.good, self.unanswered)), self.now)
        self.answered += self.unanswered
        self.unanswered = []

    @precondition(lambda self: self.connected and self.unanswered)
    @rule(data=st.data(), code=st.sampled_from([2, 4, 6, 6, 10, 11]))
    def refuse(self, data: st.DataObject, code: int) -> None:
        frame = self.take(data)
        answer = mbap_frame(frame.transaction_id, frame.unit, bytes([frame.pdu[0] | 0x80, code]))
        self.session.receive(answer, self.now)

    @precondition(lambda self: self.connected and self.unanswered)
    @rule(
        data=st.data(),
        pdu=st.sampled_from([b"\x03\x04\x7f\xff\x7f\xff", b"\x04\x02\x7f\xff", b"\x03\x02\x7f", b"\x10\x00"]),
    )
    def answer_wrongly(self, data: st.DataObject, pdu: bytes) -> None:
        frame = self.take(data)
        self.session.receive(mbap_frame(frame.transaction_id, frame.unit, pdu), self.now)

    @precondition(lambda self: self.connected and self.unanswered)
    @rule(data=st.data())
    def answer_for_another_unit(self, data: st.DataObject) -> None:
        frame = self.take(data)
        self.session.receive(mbap_frame(frame.transaction_id, frame.unit + 10, b"\x03\x02\x7f\xff"), self.now)

    @precondition(lambda self: self.connected and self.answered)
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        frame = data.draw(st.sampled_from(self.answered))
        if not any(frame.transaction_id == other.transaction_id for other in self.unanswered):
            self.session.receive(mbap_frame(frame.transaction_id, frame.unit, b"\x03\x02\x7f\xff"), self.now)

    @precondition(lambda self: self.connected)
    @rule(transaction_id=st.integers(20_000, 40_000))
    def answer_what_nobody_asked(self, transaction_id: int) -> None:
        self.session.receive(mbap_frame(transaction_id, 1, b"\x03\x02\x7f\xff"), self.now)

    @precondition(lambda self: self.connected)
    @rule(garbage=st.sampled_from([b"HTTP/1.1", b"\0", b"\x55\xaa\0\0\0", b"\x55\xaa\0\0\xff\xff"]))
    def garbage(self, garbage: bytes) -> None:
        self.session.receive(garbage, self.now)
        if not self.session.wants_close:  # a part of a frame: what follows it would be nonsense
            self.unanswered = []

    # ------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def a_status_is_final_once(self) -> None:
        for work in self.all:
            unfinished = 0
            for i in range(work.batch.count):
                status = Status(work.batch.result(i)[0])
                assert work.final.get(i, status) == status
                if status in FINAL:
                    work.final[i] = status
                else:
                    unfinished += 1
            assert unfinished == work.batch.unfinished
            assert not (work.detached and unfinished)

    @invariant()
    def values_are_right_or_untouched(self) -> None:
        for work in self.all:
            if work.writes:
                continue
            for i, value in enumerate(work.out.tolist()):
                right = value_of(work.address + i, work.units[i])
                assert value == (right if work.final.get(i) == Status.OK else PATTERN)

    @invariant()
    def the_window_is_kept(self) -> None:
        if hasattr(self, "session"):
            assert 0 <= self.session.in_flight <= self.window
            assert self.session.quarantined <= len(self.seen) + self.window

    @invariant()
    def no_id_is_used_twice_before_its_answer(self) -> None:
        ids = [frame.transaction_id for frame in self.unanswered]
        assert len(ids) == len(set(ids))

    @invariant()
    def writes_are_sent_once_and_in_order(self) -> None:
        written = [(f.unit, int.from_bytes(f.pdu[1:3], "big")) for f in self.seen if f.pdu[0] == 16]
        assert len(written) == len(set(written))
        for work in self.all:
            if work.writes:
                of_it = [a for unit, a in written if unit == work.units[0] and work.address <= a < work.address + 10]
                assert of_it == sorted(of_it)
                left = [work.batch.result(i)[7] for i in range(work.batch.count)]
                assert all(left[a - work.address] for a in of_it)

    def teardown(self) -> None:
        """With time alone, without any answer, everything ends and the session is empty."""
        if not hasattr(self, "session"):
            return
        if self.connected:
            self.lose()
        self.connect()
        for _ in range(5000):
            self.session.expire(self.now)
            if not any(work.batch.unfinished for work in self.all):
                break
            if self.session.wants_close:
                self.lose()
                self.connect()
            self.send(1.0, True)
            self.a_status_is_final_once()
            until = self.session.next_deadline(self.now)
            assert until is not None
            assert until > self.now
            self.now = until
        assert not any(work.batch.unfinished for work in self.all)
        self.values_are_right_or_untouched()
        self.writes_are_sent_once_and_in_order()
        self.now += 10 * LONG
        for _ in range(4):
            self.session.expire(self.now)
            self.now += 10 * LONG
        assert self.session.in_flight == 0
        for work in self.all:
            self.session.detach(work.batch)


TestSession = SessionMachine.TestCase
