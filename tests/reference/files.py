"""Requests that read queues and files: functions 14, 15 and 18 (ap 6.14, 6.15, 6.18)."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from .bank import Bank
from .frames import LARGEST_PDU
from .packing import bytes_to_registers, registers_to_bytes, word
from .request import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Echoed, Request, counted, expect, require, require_range, u16

REFERENCE_TYPE = 6
LARGEST_RECORD = 9999


class FilePart(NamedTuple):
    """`length` registers of a file, from a record number on."""

    file: int
    record: int
    length: int

    def encode(self) -> bytes:
        return bytes([REFERENCE_TYPE]) + word(self.file) + word(self.record) + word(self.length)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        require(data[0] == REFERENCE_TYPE, ILLEGAL_VALUE)
        return cls(u16(data, 1), u16(data, 3), u16(data, 5))

    def limits(self) -> None:
        require(self.file >= 1 and self.record <= LARGEST_RECORD, ILLEGAL_ADDRESS)

    def within(self, bank: Bank) -> list[int]:
        """The file, after making sure that it holds this part."""
        require(self.file in bank.files, ILLEGAL_ADDRESS)
        require_range(self.record, self.length, len(bank.files[self.file]))
        return bank.files[self.file]


@dataclass(frozen=True)
class ReadFifo(Request):
    """18: the queue behind a pointer register, at most 31 registers; its byte count has 16 bits."""

    function: int = field(default=0x18, init=False)
    address: int

    def encode(self) -> bytes:
        return bytes([self.function]) + word(self.address)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 3, ILLEGAL_VALUE)
        return cls(u16(pdu, 1))

    def limits(self) -> None:
        require_range(self.address, 1)

    def verify(self, answer: bytes) -> bytes:
        expect(len(answer) >= 5, "no byte count and count")
        byte_count, count = u16(answer, 1), u16(answer, 3)
        expect(count <= 31, f"{count} registers in a queue of at most 31")
        expect(byte_count == 2 + 2 * count, f"byte count {byte_count} for {count} registers")
        expect(len(answer) == 3 + byte_count, f"byte count {byte_count} with {len(answer) - 3} bytes")
        return answer[5:]

    def answer(self, bank: Bank) -> bytes:
        require(self.address in bank.queues, ILLEGAL_ADDRESS)
        queue = bank.queues[self.address]
        require(len(queue) <= 31, ILLEGAL_VALUE)
        return bytes([self.function]) + word(2 + 2 * len(queue)) + word(len(queue)) + registers_to_bytes(queue)


@dataclass(frozen=True)
class ReadFile(Request):
    """14: parts of files; the answer is a chain of (length, 06, registers)."""

    function: int = field(default=0x14, init=False)
    parts: tuple[FilePart, ...]

    def encode(self) -> bytes:
        body = b"".join(part.encode() for part in self.parts)
        return bytes([self.function, len(body)]) + body

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) >= 2 and pdu[1] == len(pdu) - 2 and pdu[1] % 7 == 0, ILLEGAL_VALUE)
        return cls(tuple(FilePart.parse(pdu[i : i + 7]) for i in range(2, len(pdu), 7)))

    def limits(self) -> None:
        require(1 <= len(self.parts) <= 35, ILLEGAL_VALUE)
        answer_size = 2 + sum(2 + 2 * part.length for part in self.parts)
        require(answer_size <= LARGEST_PDU, ILLEGAL_VALUE)
        for part in self.parts:
            part.limits()

    def verify(self, answer: bytes) -> bytes:
        chain = counted(answer)
        rest = chain
        for part in self.parts:
            size = 1 + 2 * part.length
            expect(len(rest) >= 2, "fewer parts than asked for")
            expect(rest[0] == size, f"a part of {rest[0]} bytes instead of {size}")
            expect(rest[1] == REFERENCE_TYPE, f"reference type {rest[1]}")
            expect(len(rest) >= 1 + size, "the last part is cut off")
            rest = rest[1 + size :]
        expect(not rest, f"{len(rest)} bytes after the last part")
        return chain

    def answer(self, bank: Bank) -> bytes:
        chain = b""
        for part in self.parts:
            registers = part.within(bank)[part.record : part.record + part.length]
            chain += bytes([1 + 2 * part.length, REFERENCE_TYPE]) + registers_to_bytes(registers)
        return bytes([self.function, len(chain)]) + chain


@dataclass(frozen=True)
class WriteFile(Echoed):
    """15: parts of files with their registers, given as bytes in wire order."""

    function: int = field(default=0x15, init=False)
    parts: tuple[tuple[FilePart, bytes], ...]

    def encode(self) -> bytes:
        body = b"".join(part.encode() + data for part, data in self.parts)
        return bytes([self.function, len(body)]) + body

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) >= 2 and pdu[1] == len(pdu) - 2, ILLEGAL_VALUE)
        parts = []
        rest = pdu[2:]
        while rest:
            require(len(rest) >= 7, ILLEGAL_VALUE)
            part = FilePart.parse(rest)
            end = 7 + 2 * part.length
            require(len(rest) >= end, ILLEGAL_VALUE)
            parts.append((part, rest[7:end]))
            rest = rest[end:]
        return cls(tuple(parts))

    def limits(self) -> None:
        require(len(self.parts) >= 1 and len(self.encode()) <= LARGEST_PDU, ILLEGAL_VALUE)
        for part, data in self.parts:
            require(part.length >= 1 and len(data) == 2 * part.length, ILLEGAL_VALUE)
            part.limits()

    def apply(self, bank: Bank) -> None:
        for part, _ in self.parts:
            part.within(bank)
        for part, data in self.parts:
            bank.files[part.file][part.record : part.record + part.length] = bytes_to_registers(data)
