"""The reference codec's three verbs over all function codes: parse a request, check an answer, answer a request."""

from .bank import Bank
from .device import CanOpen, Diagnostics, Opaque, Plain, ReadIdentification
from .files import ReadFifo, ReadFile, WriteFile
from .frames import LARGEST_PDU
from .request import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Refused, Request, Verdict, Wrong, expect, require
from .tables import MaskWrite, Read, ReadWrite, WriteMany, WriteOne

CLASSES: dict[int, type[Request]] = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04), Read),
    **dict.fromkeys((0x05, 0x06), WriteOne),
    **dict.fromkeys((0x07, 0x0B, 0x0C, 0x11), Plain),
    0x08: Diagnostics,
    **dict.fromkeys((0x0F, 0x10), WriteMany),
    0x14: ReadFile,
    0x15: WriteFile,
    0x16: MaskWrite,
    0x17: ReadWrite,
    0x18: ReadFifo,
}
ENCAPSULATED: dict[int, type[Request]] = {0x0D: CanOpen, 0x0E: ReadIdentification}


def class_of(pdu: bytes) -> type[Request]:
    if pdu[0] == 0x2B and len(pdu) >= 2:
        return ENCAPSULATED.get(pdu[1], Opaque)
    return CLASSES.get(pdu[0], Opaque)


def parse_request(pdu: bytes) -> Request:
    """The request in a data unit; `Refused` when it is laid out in a way no request is."""
    require(1 <= len(pdu) <= LARGEST_PDU, ILLEGAL_VALUE)
    require(1 <= pdu[0] <= 127, ILLEGAL_FUNCTION)
    return class_of(pdu).parse(pdu)


def check(request_pdu: bytes, answer_pdu: bytes) -> Verdict:
    """Judge an answer by its request, as strictly as the specification allows.

    The request must be a well-formed one (`Refused` escapes otherwise). An exception counts as one whatever its code.
    """
    request = parse_request(request_pdu)
    try:
        expect(1 <= len(answer_pdu) <= LARGEST_PDU, f"{len(answer_pdu)} bytes")
        if answer_pdu[0] == request.function | 0x80:
            expect(len(answer_pdu) == 2, f"an exception of {len(answer_pdu)} bytes instead of 2")
            return Verdict("exception", exception=answer_pdu[1])
        expect(answer_pdu[0] == request.function, f"function {answer_pdu[0]} instead of {request.function}")
        return Verdict("ok", payload=request.verify(answer_pdu))
    except Wrong as complaint:
        return Verdict("wrong", reason=str(complaint))


def answer(request_pdu: bytes, bank: Bank) -> bytes:
    """What a device that holds `bank` answers: a normal answer, an exception, or nothing (`b""`, 08/04 only)."""
    try:
        request = parse_request(request_pdu)
        request.limits()
        return request.answer(bank)
    except Refused as refusal:
        return bytes([request_pdu[0] | 0x80, refusal.code])
