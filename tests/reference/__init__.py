"""The reference codec: Modbus frames and data units in plain, slow, obvious Python.

It is the oracle that the compiled codec, the client and the simulator are judged by, so it shares no code with them and
imports nothing of the package. Only tests may use it. It does no I/O.

    packing   registers and bits to bytes and back
    frames    MBAP, RTU and ASCII framing, CRC-16, LRC
    bank      what a device holds
    request   the base class; tables, files and device hold one small class per request: how it is laid out, its limits,
              what makes an answer to it right, what a device answers
    codec     the same by function code: parse_request, check, answer
"""

from .bank import Bank
from .codec import answer, check, parse_request
from .device import CanOpen, Diagnostics, Opaque, Plain, ReadIdentification, objects_in
from .files import FilePart, ReadFifo, ReadFile, WriteFile
from .frames import (
    BrokenFrame,
    BrokenStream,
    Frame,
    ascii_frame,
    crc16,
    lrc,
    mbap_frame,
    parse_ascii,
    parse_rtu,
    rtu_frame,
    split_mbap,
)
from .packing import bits_to_bytes, bytes_to_bits, bytes_to_registers, registers_to_bytes
from .request import Refused, Request, Verdict
from .tables import MaskWrite, Read, ReadWrite, WriteMany, WriteOne

__all__ = [
    "Bank",
    "BrokenFrame",
    "BrokenStream",
    "CanOpen",
    "Diagnostics",
    "FilePart",
    "Frame",
    "MaskWrite",
    "Opaque",
    "Plain",
    "Read",
    "ReadFifo",
    "ReadFile",
    "ReadIdentification",
    "ReadWrite",
    "Refused",
    "Request",
    "Verdict",
    "WriteFile",
    "WriteMany",
    "WriteOne",
    "answer",
    "ascii_frame",
    "bits_to_bytes",
    "bytes_to_bits",
    "bytes_to_registers",
    "check",
    "crc16",
    "lrc",
    "mbap_frame",
    "objects_in",
    "parse_ascii",
    "parse_request",
    "parse_rtu",
    "registers_to_bytes",
    "rtu_frame",
    "split_mbap",
]
