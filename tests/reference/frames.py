"""Framing: a data unit (PDU) in its MBAP, RTU or ASCII frame, and out of it again.

MBAP is mg 3.1.3; RTU, ASCII, CRC and LRC are sl 2.5 and 6.2. No PDU is looked into here.
"""

from typing import NamedTuple

LARGEST_PDU = 253
MBAP_BEFORE_LENGTH_COUNTS = 6


class BrokenStream(ValueError):
    """The bytes of a TCP stream cannot be an MBAP frame: nothing after them can be trusted."""


class BrokenFrame(ValueError):
    """A serial frame fails its check."""


class Frame(NamedTuple):
    transaction_id: int
    unit: int
    pdu: bytes


def mbap_frame(transaction_id: int, unit: int, pdu: bytes) -> bytes:
    """Transaction id, protocol id 0, length of what follows, unit id, PDU."""
    length = 1 + len(pdu)
    return transaction_id.to_bytes(2, "big") + bytes(2) + length.to_bytes(2, "big") + bytes([unit]) + pdu


def split_mbap(stream: bytes, smallest_pdu: int = 1) -> tuple[list[Frame], int]:
    """Every complete frame at the start of `stream`, and how many bytes they fill.

    `smallest_pdu` is 1 for requests (the function code alone) and 2 for answers (an exception).
    """
    frames = []
    used = 0
    while len(stream) - used >= MBAP_BEFORE_LENGTH_COUNTS:
        head = stream[used : used + MBAP_BEFORE_LENGTH_COUNTS]
        protocol_id = int.from_bytes(head[2:4], "big")
        length = int.from_bytes(head[4:6], "big")
        if protocol_id != 0:
            raise BrokenStream(f"protocol id {protocol_id}")
        if not 1 + smallest_pdu <= length <= 1 + LARGEST_PDU:
            raise BrokenStream(f"length {length}")
        end = used + MBAP_BEFORE_LENGTH_COUNTS + length
        if len(stream) < end:
            break
        body = stream[used + MBAP_BEFORE_LENGTH_COUNTS : end]
        frames.append(Frame(int.from_bytes(head[:2], "big"), body[0], body[1:]))
        used = end
    return frames, used


def crc16(data: bytes) -> int:
    """Bit by bit, as the serial line document describes it (6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            carry = crc & 1
            crc >>= 1
            if carry:
                crc ^= 0xA001
    return crc


def lrc(data: bytes) -> int:
    """Two's complement of the sum of the bytes (6.2.1)."""
    return -sum(data) & 0xFF


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return body + crc16(body).to_bytes(2, "little")


def parse_rtu(frame: bytes) -> tuple[int, bytes]:
    """Unit and PDU of one RTU frame, which silence on the line has delimited."""
    if not 1 + 1 + 2 <= len(frame) <= 1 + LARGEST_PDU + 2:
        raise BrokenFrame(f"{len(frame)} bytes")
    body, check = frame[:-2], int.from_bytes(frame[-2:], "little")
    if check != crc16(body):
        raise BrokenFrame(f"CRC {check:04x}, computed {crc16(body):04x}")
    return body[0], body[1:]


def ascii_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"


def parse_ascii(frame: bytes) -> tuple[int, bytes]:
    """Unit and PDU of one line, from the colon to the line feed."""
    digits = frame[1:-2]
    if frame[:1] != b":" or frame[-2:] != b"\r\n" or len(digits) % 2:
        raise BrokenFrame("not a colon, pairs of digits, CR and LF")
    if set(digits) - set(b"0123456789ABCDEF"):
        raise BrokenFrame("a character that is no upper case hexadecimal digit")
    body = bytes.fromhex(digits.decode())
    if not 1 + 1 + 1 <= len(body) <= 1 + LARGEST_PDU + 1:
        raise BrokenFrame(f"{len(body)} bytes")
    if body[-1] != lrc(body[:-1]):
        raise BrokenFrame(f"LRC {body[-1]:02x}, computed {lrc(body[:-1]):02x}")
    return body[0], body[1:-1]
