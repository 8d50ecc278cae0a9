"""Devices, networks and a client's loop in virtual time, to see what the adaptive window makes of them.

A `Line` joins a `Session` without a socket to a model of a device: it sends every request in a segment of its own, lets
the network take its time, and hands over what arrived. Nothing runs in real time and all dice are seeded, so a run is
exact and the same everywhere. Times are ns.

The models answer reads of holding registers from `IMAGE` and echo writes; what they do about several requests at once
tells them apart.
"""

import heapq
import random
import struct
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fastmodbus._core.batch import Batch, read_batch, write_batch
from fastmodbus._core.reactor import EVENTS
from fastmodbus._core.verbs import Session

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000
TIMEOUT = 1 * SECOND
REGISTERS = (np.arange(65536, dtype=np.uint32) * 40503 % 65521).astype(np.uint16)
IMAGE = REGISTERS.astype(">u2").tobytes()
NEVER = 1 << 62
NAMES = {kind: name for name, kind in EVENTS.items()}
BUSY = 6
READ, WRITE = 3, 16
EACH = 10  # registers a request


class Request:
    """One request as it reached the device."""

    __slots__ = ("adu", "arrived", "connection")

    def __init__(self, adu: bytes, connection: int, arrived: int) -> None:
        self.adu, self.connection, self.arrived = adu, connection, arrived

    @property
    def function(self) -> int:
        return self.adu[7]

    def answer(self) -> bytes:
        """The honest answer's ADU."""
        function, address, count = struct.unpack_from(">BHH", self.adu, 7)
        if function == READ:
            body = IMAGE[2 * address : 2 * (address + count)]
            return self.adu[:4] + struct.pack(">HBBB", 3 + len(body), self.adu[6], function, len(body)) + body
        return self.adu[:4] + struct.pack(">HBBHH", 6, self.adu[6], function, address, count)

    def refusal(self, code: int) -> bytes:
        return self.adu[:4] + struct.pack(">HBBB", 3, self.adu[6], self.function | 0x80, code)


class Device:
    """Answers at once. The other models say when, and whether."""

    def __init__(self) -> None:
        self.line: Line
        self.writes: list[bytes] = []

    def attach(self, line: "Line") -> None:
        self.line = line
        self.dice = random.Random(20)

    def connected(self) -> None:
        """A new connection: what the old one left is forgotten."""

    def arrive(self, request: Request) -> None:
        self.reply(request)

    def reply(self, request: Request, late: int = 0) -> None:
        if request.function == WRITE:
            self.writes.append(request.adu[8:])
        self.line.to_client(request, request.answer(), late)


class Line:
    """A session, a device, and the network between them.

    Parameters
    ----------
    one_way : int
        Ns that a segment takes in either direction; segments stay in order.
    jitter : float
        How much longer it may take, as a share of `one_way`.
    send_cost : int
        Ns of the client for each request.
    """

    def __init__(
        self, session: Session, device: Device, *, one_way: int, jitter: float = 0, send_cost: int = US
    ) -> None:
        self.session, self.device = session, device
        self.one_way, self.jitter, self.send_cost = one_way, jitter, send_cost
        self.now = SECOND
        self.stall_until = 0
        self.connection = 0
        self.up = False
        self.reached = self.returned = 0
        self.inbox = b""
        self.lost = False
        self.idle: list[tuple[int, int]] = []  # spans in which nothing happened until something expired
        self.most_in_flight = 0
        self.events: Counter[str] = Counter()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._dice = random.Random(7)
        device.attach(self)

    # the network

    def at(self, time: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (max(time, self.now), self._order, action))

    def travel(self) -> int:
        if not self.jitter:
            return self.one_way
        return int(self.one_way * (1 + self.jitter * self._dice.random()))

    def to_client(self, request: Request, adu: bytes, late: int = 0) -> None:
        """`late` answers do not hold up those behind them."""
        due = max(self.now, self.stall_until) + self.travel()
        if not late:
            due = self.returned = max(due, self.returned)
        connection = request.connection

        def arrive() -> None:
            if connection == self.connection and self.up:
                self.inbox += adu

        self.at(due + late, arrive)

    def to_device(self, adu: bytes) -> None:
        connection = self.connection
        self.reached = due = max(self.reached, max(self.now, self.stall_until) + self.travel())

        def arrive() -> None:
            if connection == self.connection and self.up:
                self.device.arrive(Request(adu, connection, self.now))

        self.at(due, arrive)

    def close(self) -> None:
        """The device closes the connection."""
        connection = self.connection

        def arrive() -> None:
            self.lost = self.lost or connection == self.connection

        self.at(self.now + self.travel(), arrive)

    # the client's loop

    def run(self, *batches: Batch) -> int:
        """Submit batches and drive until all are over; returns the ns it took."""
        start = self.now
        for batch in batches:
            self.session.submit(batch)
        while self._unfinished(batches):
            self._step()
            if self._unfinished(batches):
                self._wait()
        for batch in batches:
            self.session.detach(batch)
        return self.now - start

    def run_callers(self, make: Callable[[], Batch], callers: int, calls: int) -> int:
        """So many callers, each with one batch at a time, until `calls` are over; returns the ns it took."""
        start = self.now
        active: list[Batch] = []
        while calls or active:
            while len(active) < callers and calls:
                active.append(make())
                self.session.submit(active[-1])
                calls -= 1
            self._step()
            if self._unfinished(tuple(active)):
                self._wait()
            for batch in [each for each in active if each.unfinished == 0]:
                active.remove(batch)
                self.session.detach(batch)
        return self.now - start

    @staticmethod
    def _unfinished(batches: tuple[Batch, ...]) -> bool:
        return any(batch.unfinished for batch in batches)

    def _step(self) -> None:
        """Let time pass, connect, send."""
        session = self.session
        session.expire(self.now)
        if session.wants_close or self.lost:
            self._drop()
        if not self.up:
            self._connect()
        data, ends = session.data_to_send(self.now)
        start = 0
        for end in ends:
            self.to_device(data[start:end])
            self.now += self.send_cost
            start = end
        if data:
            session.sent(len(data), self.now)
        events, missed = session.drain_events()
        assert missed == 0
        self.events.update(NAMES[kind] for _, kind, *_ in events)
        self.most_in_flight = max(self.most_in_flight, session.in_flight)

    def _wait(self) -> None:
        """Until something arrives or is due."""
        deadline = self.session.next_deadline(self.now)
        due = self._events[0][0] if self._events else NEVER
        until = min(due, NEVER if deadline is None else deadline)
        assert until < NEVER, "nothing will ever happen again"
        if self.now < until < due:
            self.idle.append((self.now, until))
        self.now = max(self.now, until)
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        if self.inbox:
            data, self.inbox = self.inbox, b""
            self.session.receive(data, self.now)

    def _drop(self) -> None:
        self.session.connection_lost(self.now)
        self.up = self.lost = False
        self.inbox = b""

    def _connect(self) -> None:
        self.now += 2 * self.one_way
        self.connection += 1
        self.up = True
        self.device.connected()
        self.session.connected(self.now)


# ---------------------------------------------------------------------------------------------------- models


class Parallel(Device):
    """Requests take `service`, side by side; a share of `tail` of the answers is `late` ns late and overtaken."""

    def __init__(self, service: int, *, spread: int = 0, tail: float = 0, late: int = 0) -> None:
        super().__init__()
        self.service, self.spread, self.tail, self.late = service, spread, tail, late

    def arrive(self, request: Request) -> None:
        late = self.service
        if self.spread:
            late += self.dice.randrange(self.spread)
        if self.tail and self.dice.random() < self.tail:
            late += self.late
        self.reply(request, late)


class Serial(Device):
    """One request after the other, each `service` ns: a serial gateway, or a server's one thread."""

    def __init__(self, service: int, *, jitter: float = 0, crowd: float = 0) -> None:
        super().__init__()
        self.service, self.jitter, self.crowd = service, jitter, crowd
        self.free = 0
        self.waiting = 0

    def connected(self) -> None:
        self.waiting = 0

    def arrive(self, request: Request) -> None:
        cost = self.service * (1 + self.jitter * self.dice.random()) * (1 + self.crowd * self.waiting)
        self.free = max(self.free, self.line.now) + int(cost)
        self.waiting += 1
        self.line.at(self.free, lambda: self._serve(request))

    def _serve(self, request: Request) -> None:
        if request.connection == self.line.connection:
            self.waiting -= 1
            self.reply(request)


class Limited(Device):
    """Stands `most` requests at once, each `service` ns; what it does about one more is `excess`.

    "busy": exception 6. "drop": no answer. "close": the connection ends. "drop all": nothing that it holds is answered.
    With a probability of `share`, that is; else it takes it on all the same.
    """

    def __init__(self, most: int, excess: str, service: int = 2 * MS, share: float = 1) -> None:
        super().__init__()
        self.most, self.excess, self.service, self.share = most, excess, service, share
        self.held: set[Request] = set()

    def connected(self) -> None:
        self.held.clear()

    def arrive(self, request: Request) -> None:
        if len(self.held) < self.most or self.dice.random() >= self.share:
            self.held.add(request)
            self.line.at(self.line.now + self.service, lambda: self._serve(request))
        elif self.excess == "busy":
            self.line.to_client(request, request.refusal(BUSY))
        elif self.excess == "close":
            self.held.clear()
            self.line.close()
        elif self.excess == "drop all":
            self.held.clear()

    def _serve(self, request: Request) -> None:
        if request in self.held:
            self.held.remove(request)
            self.reply(request)


class FirstOfReceive(Device):
    """Wakes up `wake` ns after something came, answers the first request of all that is there, drops the others.

    Or only with a probability of `share`; else it answers all.
    """

    def __init__(self, wake: int, service: int, share: float = 1) -> None:
        super().__init__()
        self.wake, self.service, self.share = wake, service, share
        self.received: list[Request] = []
        self.free = 0

    def connected(self) -> None:
        self.received.clear()

    def arrive(self, request: Request) -> None:
        self.received.append(request)
        if len(self.received) == 1:
            self.line.at(max(self.free, self.line.now + self.wake), self._serve)

    def _serve(self) -> None:
        received, self.received = self.received, []
        for request in received[:1] if self.dice.random() < self.share else received:
            self.free = max(self.free, self.line.now) + self.service
            self.line.at(self.free, lambda request=request: self.reply(request))  # type: ignore[misc]


class Reversing(FirstOfReceive):
    """Answers all that one receive brings, the last one first."""

    def _serve(self) -> None:
        received, self.received = self.received, []
        for request in reversed(received):
            self.free = max(self.free, self.line.now) + self.service
            self.line.at(self.free, lambda request=request: self.reply(request))  # type: ignore[misc]


# ---------------------------------------------------------------------------------------------------- batches


def read(count: int, *, retries: int = 2, deadline: int = NEVER) -> tuple[Batch, npt.NDArray[np.uint16]]:
    """A read of so many requests, and where its values go."""
    out = np.zeros(count * EACH, np.uint16)
    batch = read_batch(READ, 1, 100, count * EACH, EACH, out)
    return batch.limits(TIMEOUT, (1 << 63) - 1 if deadline == NEVER else deadline, retries), out


def right(out: npt.NDArray[np.uint16]) -> bool:
    return bool(np.array_equal(out, REGISTERS[100 : 100 + len(out)]))


def write(address: int, count: int = 1) -> Batch:
    """A write of so many requests of one register each, from an address on."""
    return write_batch(WRITE, 1, address, count, 1, REGISTERS[:count].copy()).limits(TIMEOUT, (1 << 63) - 1, 2)
