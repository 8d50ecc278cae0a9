"""A simulated device without its socket: the responder and one bank, asked one PDU at a time."""

import numpy as np

from fastmodbus._core import codec
from fastmodbus._core.responder import Bank, Responder

SIZE = 65536
OK, EXCEPTION = codec.STATUSES["OK"], codec.STATUSES["EXCEPTION"]


class Device:
    """A responder with one bank for unit 1, asked one PDU at a time."""

    def __init__(self, size: int = SIZE, unknown_unit: str = "silent") -> None:
        self.holding = (np.arange(size) * 3).astype(np.uint16)
        self.input = (np.arange(size) + 7).astype(np.uint16)
        self.coils = np.arange(size) % 3 == 0
        self.discrete = np.arange(size) % 5 == 0
        self.bank = Bank(self.holding, self.input, self.coils.view(np.uint8), self.discrete.view(np.uint8))
        self.responder = Responder(unknown_unit)
        self.responder.attach(1, self.bank)

    def __call__(self, pdu: bytes, unit: int = 1) -> bytes:
        """The answer PDU, empty for silence; the header is checked on the way."""
        answered = self.responder.answer_mbap(codec.encode_mbap(0x1234, unit, pdu))
        if not answered.answers:
            return b""
        ((transaction_id, answered_unit, answer),), used, _ = codec.split_mbap(answered.answers)
        assert (transaction_id, answered_unit, used) == (0x1234, unit, len(answered.answers))
        return answer

    def judged(self, pdu: bytes) -> bytes:
        """The values of an answer that the codec finds right."""
        status, fault, exception, values = codec.check_answer(pdu, self(pdu))
        assert (status, fault, exception) == (OK, 0, 0)
        return values


def pdu(text: str) -> bytes:
    return bytes.fromhex(text)


def stream(*pdus: bytes, unit: int = 1) -> bytes:
    return b"".join(codec.encode_mbap(number, unit, each) for number, each in enumerate(pdus, 1))
