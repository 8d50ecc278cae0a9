"""Requests about the device itself, functions 07, 08, 0B, 0C, 11 and 2B, and requests of unknown functions.

The paragraphs are ap 6.7 to 6.10, 6.13 and 6.19 to 6.21.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from .bank import Bank
from .frames import LARGEST_PDU
from .packing import word
from .request import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Refused, Request, counted, expect, require, u16

ECHOING_SUB_FUNCTIONS = (0x00, 0x01, 0x03, 0x0A, 0x14)
COUNTING_SUB_FUNCTIONS = (0x02, *range(0x0B, 0x13))
FORCE_LISTEN_ONLY = 0x04
BASIC, REGULAR, EXTENDED, ONE_OBJECT = 1, 2, 3, 4
LAST_OBJECT_OF_CATEGORY = {BASIC: 0x02, REGULAR: 0x7F, EXTENDED: 0xFF}
MORE_FOLLOWS = 0xFF


@dataclass(frozen=True)
class Plain(Request):
    """07 exception status, 0B event counter, 0C event log, 11 server id: the function code is the whole request."""

    function: int

    def encode(self) -> bytes:
        return bytes([self.function])

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 1, ILLEGAL_VALUE)
        return cls(pdu[0])

    def limits(self) -> None:
        pass

    def verify(self, answer: bytes) -> bytes:
        fixed = {0x07: 2, 0x0B: 5}.get(self.function)
        if fixed:
            expect(len(answer) == fixed, f"{len(answer)} bytes instead of {fixed}")
            return answer[1:]
        data = counted(answer)
        if self.function == 0x0C:
            expect(6 <= len(data) <= 6 + 64, f"{len(data)} bytes of log, which holds 6 and up to 64 events")
        return data

    def answer(self, bank: Bank) -> bytes:
        counters = word(bank.status) + word(bank.event_count)
        log = counters + word(bank.message_count) + bank.events
        body = {
            0x07: bytes([bank.exception_status]),
            0x0B: counters,
            0x0C: bytes([len(log)]) + log,
            0x11: bytes([len(bank.server_id)]) + bank.server_id,
        }[self.function]
        return bytes([self.function]) + body


@dataclass(frozen=True)
class Diagnostics(Request):
    """08 with a sub-function and its data; 04 is never answered."""

    function: int = field(default=0x08, init=False)
    sub_function: int
    data: bytes = b"\x00\x00"

    def encode(self) -> bytes:
        return bytes([self.function]) + word(self.sub_function) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) >= 5 and len(pdu) % 2 == 1, ILLEGAL_VALUE)
        return cls(u16(pdu, 1), pdu[3:])

    def limits(self) -> None:
        require(self.sub_function == 0 or len(self.data) == 2, ILLEGAL_VALUE)

    def verify(self, answer: bytes) -> bytes:
        expect(self.sub_function != FORCE_LISTEN_ONLY, "an answer to a request that has none")
        expect(len(answer) >= 3, "no sub-function")
        expect(answer[:3] == self.encode()[:3], f"sub-function {u16(answer, 1)} instead of {self.sub_function}")
        data = answer[3:]
        if self.sub_function in ECHOING_SUB_FUNCTIONS:
            expect(data == self.data, "the answer does not repeat the data")
        if self.sub_function in COUNTING_SUB_FUNCTIONS:
            expect(len(data) == 2, f"{len(data)} data bytes instead of 2")
        return data

    def answer(self, bank: Bank) -> bytes:
        if self.sub_function == FORCE_LISTEN_ONLY:
            return b""
        if self.sub_function in ECHOING_SUB_FUNCTIONS:
            return self.encode()
        require(self.sub_function in COUNTING_SUB_FUNCTIONS, ILLEGAL_FUNCTION)
        return self.encode()[:3] + word(bank.diagnostics.get(self.sub_function, 0))


@dataclass(frozen=True)
class ReadIdentification(Request):
    """2B/0E: identification objects of a category (codes 1 to 3) from an object id on, or one object (code 4)."""

    function: int = field(default=0x2B, init=False)
    code: int
    first_object: int = 0

    def encode(self) -> bytes:
        return bytes([self.function, 0x0E, self.code, self.first_object])

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 4, ILLEGAL_VALUE)
        return cls(pdu[2], pdu[3])

    def limits(self) -> None:
        require(self.code in (BASIC, REGULAR, EXTENDED, ONE_OBJECT), ILLEGAL_VALUE)

    def verify(self, answer: bytes) -> bytes:
        expect(len(answer) >= 7, f"{len(answer)} bytes, 7 come before the first object")
        expect(answer[1] == 0x0E, f"MEI type {answer[1]}")
        expect(answer[2] == self.code, f"code {answer[2]} instead of {self.code}")
        more, following, count = answer[4], answer[5], answer[6]
        expect(more in (0x00, MORE_FOLLOWS), f"more follows {more:02x}")
        found = list(objects_in(answer[7:]))
        expect(
            len(found) <= count, f"{len(found)} objects, {count} announced"
        )  # 6.21's own example announces one too many
        if self.code == ONE_OBJECT:
            expect(more == 0 and len(found) == 1, "one object was asked for")
        if more:
            expect(following > self.first_object, f"next object {following} does not advance")
        return answer[1:]

    def answer(self, bank: Bank) -> bytes:
        if self.code == ONE_OBJECT:
            require(self.first_object in bank.objects, ILLEGAL_ADDRESS)
            return self.page(bank, [self.first_object], following=0)
        wanted = [each for each in sorted(bank.objects) if each <= LAST_OBJECT_OF_CATEGORY[self.code]]
        start = self.first_object if self.first_object in wanted else 0
        wanted = [each for each in wanted if each >= start]
        fitting = self.how_many_fit(bank, wanted)
        following = wanted[fitting] if fitting < len(wanted) else 0
        return self.page(bank, wanted[:fitting], following)

    def how_many_fit(self, bank: Bank, wanted: list[int]) -> int:
        used = 7
        for i, each in enumerate(wanted):
            used += 2 + len(bank.objects[each])
            if used > LARGEST_PDU:
                return i
        return len(wanted)

    def page(self, bank: Bank, chosen: list[int], following: int) -> bytes:
        more = MORE_FOLLOWS if following else 0
        head = bytes([self.function, 0x0E, self.code, bank.conformity, more, following, len(chosen)])
        return head + b"".join(bytes([each, len(bank.objects[each])]) + bank.objects[each] for each in chosen)


def objects_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Object ids and values of an identification answer."""
    while data:
        expect(len(data) >= 2 and len(data) >= 2 + data[1], "the last object is cut off")
        yield data[0], data[2 : 2 + data[1]]
        data = data[2 + data[1] :]


@dataclass(frozen=True)
class CanOpen(Request):
    """2B/0D: opaque CANopen data under its own MEI type."""

    function: int = field(default=0x2B, init=False)
    data: bytes

    def encode(self) -> bytes:
        return bytes([self.function, 0x0D]) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        return cls(pdu[2:])

    def limits(self) -> None:
        require(len(self.encode()) <= LARGEST_PDU, ILLEGAL_VALUE)

    def verify(self, answer: bytes) -> bytes:
        expect(answer[1:2] == b"\x0d", "another MEI type")
        return answer[1:]

    def answer(self, bank: Bank) -> bytes:
        raise Refused(ILLEGAL_FUNCTION)


@dataclass(frozen=True)
class Opaque(Request):
    """A function of which only the code is known, a user-defined one for instance: any answer with it is right."""

    function: int
    data: bytes

    def encode(self) -> bytes:
        return bytes([self.function]) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        return cls(pdu[0], pdu[1:])

    def limits(self) -> None:
        pass

    def verify(self, answer: bytes) -> bytes:
        return answer[1:]

    def answer(self, bank: Bank) -> bytes:
        raise Refused(ILLEGAL_FUNCTION)
