"""Requests that read and write the four tables: functions 01 to 06, 0F, 10, 16 and 17.

The paragraphs are ap 6.1 to 6.6, 6.11, 6.12, 6.16 and 6.17.
"""

from dataclasses import dataclass, field
from typing import Self

from .bank import Bank
from .packing import bit_bytes, bits_to_bytes, bytes_to_bits, bytes_to_registers, registers_to_bytes, word
from .request import ILLEGAL_VALUE, Echoed, Request, counted, expect, require, require_range, u16


@dataclass(frozen=True)
class Read(Request):
    """01 coils, 02 discrete inputs, 03 holding registers, 04 input registers (6.1 to 6.4)."""

    function: int
    address: int
    quantity: int

    @property
    def is_bits(self) -> bool:
        return self.function in (1, 2)

    def encode(self) -> bytes:
        return bytes([self.function]) + word(self.address) + word(self.quantity)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 5, ILLEGAL_VALUE)
        return cls(pdu[0], u16(pdu, 1), u16(pdu, 3))

    def limits(self) -> None:
        require(1 <= self.quantity <= (2000 if self.is_bits else 125), ILLEGAL_VALUE)
        require_range(self.address, self.quantity)

    def verify(self, answer: bytes) -> bytes:
        data = counted(answer)
        wanted = bit_bytes(self.quantity) if self.is_bits else 2 * self.quantity
        expect(len(data) == wanted, f"{len(data)} data bytes, {wanted} asked for")
        return data

    def answer(self, bank: Bank) -> bytes:
        table = bank.bits(self.function) if self.is_bits else bank.registers(self.function)
        require_range(self.address, self.quantity, len(table))
        values = table[self.address : self.address + self.quantity]
        data = bits_to_bytes(values) if self.is_bits else registers_to_bytes(values)
        return bytes([self.function, len(data)]) + data


@dataclass(frozen=True)
class WriteOne(Echoed):
    """05 one coil (FF00 or 0000), 06 one register (6.5, 6.6)."""

    function: int
    address: int
    value: int

    def encode(self) -> bytes:
        return bytes([self.function]) + word(self.address) + word(self.value)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 5, ILLEGAL_VALUE)
        return cls(pdu[0], u16(pdu, 1), u16(pdu, 3))

    def limits(self) -> None:
        require(self.function == 6 or self.value in (0x0000, 0xFF00), ILLEGAL_VALUE)
        require_range(self.address, 1)

    def apply(self, bank: Bank) -> None:
        require_range(self.address, 1, len(bank.coils if self.function == 5 else bank.holding))
        if self.function == 5:
            bank.coils[self.address] = self.value == 0xFF00
        else:
            bank.holding[self.address] = self.value


@dataclass(frozen=True)
class WriteMany(Request):
    """0F coils, 10 registers (6.11, 6.12); `data` as on the wire, without its byte count."""

    function: int
    address: int
    quantity: int
    data: bytes

    @property
    def is_bits(self) -> bool:
        return self.function == 15

    def encode(self) -> bytes:
        head = bytes([self.function]) + word(self.address) + word(self.quantity)
        return head + bytes([len(self.data)]) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) >= 6 and pdu[5] == len(pdu) - 6, ILLEGAL_VALUE)
        return cls(pdu[0], u16(pdu, 1), u16(pdu, 3), pdu[6:])

    def limits(self) -> None:
        require(1 <= self.quantity <= (1968 if self.is_bits else 123), ILLEGAL_VALUE)
        wanted = bit_bytes(self.quantity) if self.is_bits else 2 * self.quantity
        require(len(self.data) == wanted, ILLEGAL_VALUE)
        require_range(self.address, self.quantity)

    def verify(self, answer: bytes) -> bytes:
        expect(answer == self.encode()[:5], "the answer does not repeat address and quantity")
        return answer[1:]

    def answer(self, bank: Bank) -> bytes:
        places = slice(self.address, self.address + self.quantity)
        require_range(self.address, self.quantity, len(bank.coils if self.is_bits else bank.holding))
        if self.is_bits:
            bank.coils[places] = bytes_to_bits(self.data, self.quantity)
        else:
            bank.holding[places] = bytes_to_registers(self.data)
        return self.encode()[:5]


@dataclass(frozen=True)
class MaskWrite(Echoed):
    """16: register = (register and and_mask) or (or_mask and not and_mask) (6.16)."""

    function: int = field(default=0x16, init=False)
    address: int
    and_mask: int
    or_mask: int

    def encode(self) -> bytes:
        return bytes([self.function]) + word(self.address) + word(self.and_mask) + word(self.or_mask)

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) == 7, ILLEGAL_VALUE)
        return cls(u16(pdu, 1), u16(pdu, 3), u16(pdu, 5))

    def limits(self) -> None:
        require_range(self.address, 1)

    def apply(self, bank: Bank) -> None:
        require_range(self.address, 1, len(bank.holding))
        kept = bank.holding[self.address] & self.and_mask
        bank.holding[self.address] = kept | (self.or_mask & ~self.and_mask)


@dataclass(frozen=True)
class ReadWrite(Request):
    """17: write one range, then read another (6.17)."""

    function: int = field(default=0x17, init=False)
    read_address: int
    read_quantity: int
    write_address: int
    write_quantity: int
    data: bytes

    def encode(self) -> bytes:
        reading = word(self.read_address) + word(self.read_quantity)
        writing = word(self.write_address) + word(self.write_quantity)
        return bytes([self.function]) + reading + writing + bytes([len(self.data)]) + self.data

    @classmethod
    def parse(cls, pdu: bytes) -> Self:
        require(len(pdu) >= 10 and pdu[9] == len(pdu) - 10, ILLEGAL_VALUE)
        return cls(u16(pdu, 1), u16(pdu, 3), u16(pdu, 5), u16(pdu, 7), pdu[10:])

    def limits(self) -> None:
        require(1 <= self.read_quantity <= 125 and 1 <= self.write_quantity <= 121, ILLEGAL_VALUE)
        require(len(self.data) == 2 * self.write_quantity, ILLEGAL_VALUE)
        require_range(self.read_address, self.read_quantity)
        require_range(self.write_address, self.write_quantity)

    def verify(self, answer: bytes) -> bytes:
        data = counted(answer)
        expect(len(data) == 2 * self.read_quantity, f"{len(data)} data bytes for {self.read_quantity} registers")
        return data

    def answer(self, bank: Bank) -> bytes:
        require_range(self.read_address, self.read_quantity, len(bank.holding))
        require_range(self.write_address, self.write_quantity, len(bank.holding))
        bank.holding[self.write_address : self.write_address + self.write_quantity] = bytes_to_registers(self.data)
        data = registers_to_bytes(bank.holding[self.read_address : self.read_address + self.read_quantity])
        return bytes([self.function, len(data)]) + data
