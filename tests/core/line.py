"""A session without a socket, driven by hand: a clock that the test turns, a device that the reference codec plays.

Only tests of the core may use it. Nothing happens by itself: a test sends, answers, and lets time pass.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastmodbus._core.batch import Batch, pdu_batch, read_batch, write_batch
from fastmodbus._core.verbs import Session
from fastmodbus.spec import FunctionCode, Status
from reference import Bank, Frame, answer, mbap_frame, split_mbap

MS = 10**6
SECOND = 1000 * MS
NEVER = 2**63 - 1
PATTERN = 0xA5A5

Registers = NDArray[np.uint16]


HOLDING = [(7 * address + 3) & 0xFFFF for address in range(65536)]


def expected(address: int, count: int) -> list[int]:
    """What the holding registers of the device hold."""
    return HOLDING[address : address + count]


def registers(count: int) -> Registers:
    """Memory to read into, filled with what no test takes for an answer."""
    return np.full(count, PATTERN, np.uint16)


def limits(batch: Batch, timeout: int = SECOND, deadline: int = NEVER, repeats: int = 0) -> Batch:
    return batch.limits(timeout, deadline, repeats)


def read(
    count: int, *, address: int = 0, each: int = 1, unit: int = 1, out: Registers | None = None, **given: int
) -> tuple[Batch, Registers]:
    """A batch of `count` requests that read `each` holding registers, and where they go."""
    out = registers(count * each) if out is None else out
    batch = read_batch(FunctionCode.READ_HOLDING_REGISTERS, unit, address, count * each, each, out)
    return limits(batch, **given), out


def write(count: int, *, address: int = 0, each: int = 1, unit: int = 1, **given: int) -> Batch:
    """A batch of `count` requests that write `each` holding registers."""
    values = np.arange(count * each, dtype=np.uint16)
    return limits(write_batch(FunctionCode.WRITE_REGISTERS, unit, address, count * each, each, values), **given)


def request(pdu: str | bytes, *, unit: int = 1, **given: int) -> tuple[Batch, bytearray]:
    """A batch of one request, and where the values of its answer go."""
    out = bytearray(253)
    pdu = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
    return limits(pdu_batch(unit, pdu, out), **given), out


def statuses(batch: Batch) -> list[Status]:
    return [Status(batch.result(i)[0]) for i in range(batch.count)]


def faults(batch: Batch) -> list[int]:
    return [batch.result(i)[1] for i in range(batch.count)]


def left(batch: Batch) -> list[bool]:
    """Of which requests some byte may have reached the device."""
    return [batch.result(i)[7] for i in range(batch.count)]


def tries(batch: Batch) -> list[int]:
    return [batch.result(i)[8] for i in range(batch.count)]


class Line:
    """A session that is connected, its clock, and its device.

    `sent` are the requests that left and that no test method has answered.
    """

    def __init__(self, window: int = 1, **options: int) -> None:
        self.session = Session(window, **options)
        self.now = 1000 * SECOND
        self.bank = Bank(holding=HOLDING.copy())
        self.session.connected(self.now)

    def submit(self, *batches: Batch) -> None:
        for batch in batches:
            self.session.submit(batch)

    def send(self) -> list[Frame]:
        """Send all that may be sent now; the requests that left."""
        frames: list[Frame] = []
        while True:
            data, ends = self.session.data_to_send(self.now)
            if not data:
                return frames
            found, used = split_mbap(data)
            assert used == len(data) == ends[-1]
            self.session.sent(len(data), self.now)
            frames += found

    def honest(self, frame: Frame) -> bytes:
        return mbap_frame(frame.transaction_id, frame.unit, answer(frame.pdu, self.bank))

    def receive(self, data: bytes) -> None:
        self.session.receive(data, self.now)

    def answer(self, *frames: Frame) -> None:
        """Answer these requests honestly, all in one piece."""
        self.receive(b"".join(map(self.honest, frames)))

    def answer_with(self, frame: Frame, pdu: str | bytes) -> None:
        pdu = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
        self.receive(mbap_frame(frame.transaction_id, frame.unit, pdu))

    def work(self) -> list[Frame]:
        """Send and answer until nothing more is sent; all requests that left."""
        all_sent: list[Frame] = []
        while frames := self.send():
            all_sent += frames
            self.answer(*frames)
        return all_sent

    def pass_time(self, ns: int) -> None:
        self.now += ns
        self.session.expire(self.now)

    def lose(self) -> None:
        self.session.connection_lost(self.now)

    def reconnect(self) -> None:
        self.lose()
        self.session.connected(self.now)

    def next_deadline(self) -> int | None:
        """In ns from now."""
        found = self.session.next_deadline(self.now)
        return None if found is None else found - self.now

    def counted(self, *names: str) -> list[int]:
        counters = self.session.counters()
        return [counters[name] for name in names]


def addresses(frames: Iterable[Frame]) -> list[int]:
    """The starting addresses of requests."""
    return [int.from_bytes(frame.pdu[1:3], "big") for frame in frames]
