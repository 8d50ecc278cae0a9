"""Registers and bits as they travel: big-endian words (ap 4.2), bits from the lowest of each byte up (ap 6.1)."""

from collections.abc import Iterable


def word(value: int) -> bytes:
    """One 16-bit field."""
    return value.to_bytes(2, "big")


def registers_to_bytes(values: Iterable[int]) -> bytes:
    return b"".join(word(value) for value in values)


def bytes_to_registers(data: bytes) -> list[int]:
    if len(data) % 2:
        raise ValueError(f"{len(data)} bytes are not a whole number of registers")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def bits_to_bytes(bits: Iterable[int]) -> bytes:
    """Pack bits; the unused high bits of the last byte are zero."""
    packed = bytearray()
    for i, bit in enumerate(bits):
        if i % 8 == 0:
            packed.append(0)
        if bit:
            packed[-1] |= 1 << (i % 8)
    return bytes(packed)


def bytes_to_bits(data: bytes, count: int) -> list[bool]:
    """Unpack the first `count` bits; whatever the padding holds is ignored."""
    if len(data) != bit_bytes(count):
        raise ValueError(f"{len(data)} bytes cannot be exactly {count} bits")
    return [bool(data[i // 8] >> (i % 8) & 1) for i in range(count)]


def bit_bytes(count: int) -> int:
    """How many bytes `count` bits fill."""
    return (count + 7) // 8
