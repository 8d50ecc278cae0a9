"""What every request has: base classes, refusals and complaints, and the small helpers the verbs are written with.

The verbs themselves are in tables.py and device.py; codec.py chooses among them.
"""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple, Self

from .bank import ADDRESSES, Bank

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


class Refused(Exception):
    """A device answers this request with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Wrong(Exception):
    """An answer does not belong to its request, or breaks the protocol."""


class Verdict(NamedTuple):
    """What `check` found: the payload of a good answer, the code of an exception, or the reason why it is neither.

    The payload is what follows the function code, less the byte counts and the sub-function in front of the values.
    """

    kind: Literal["ok", "exception", "wrong"]
    payload: bytes = b""
    exception: int = 0
    reason: str = ""


def require(condition: bool, code: int) -> None:
    if not condition:
        raise Refused(code)


def expect(condition: bool, reason: str) -> None:
    if not condition:
        raise Wrong(reason)


def u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def require_range(address: int, quantity: int, size: int = ADDRESSES) -> None:
    require(address >= 0 and address + quantity <= size, ILLEGAL_ADDRESS)


def counted(answer: bytes) -> bytes:
    """The bytes that the byte count in front of them announces, and nothing else."""
    expect(len(answer) >= 2, "no byte count")
    expect(answer[1] == len(answer) - 2, f"byte count {answer[1]} with {len(answer) - 2} bytes")
    return answer[2:]


class Request(ABC):
    """One request; the function code is the first byte on the wire."""

    function: int

    @abstractmethod
    def encode(self) -> bytes: ...

    @classmethod
    @abstractmethod
    def parse(cls, pdu: bytes) -> Self:
        """The request in `pdu`, whose function code is this class's; `Refused` when the layout is impossible."""

    @abstractmethod
    def limits(self) -> None:
        """Raise `Refused` when the specification forbids the request whatever the device holds."""

    @abstractmethod
    def verify(self, answer: bytes) -> bytes:
        """The payload of a normal answer; `Wrong` when it is not one. The function code has been looked at."""

    @abstractmethod
    def answer(self, bank: Bank) -> bytes:
        """The normal answer of a device that holds `bank`; empty when none is ever sent."""


class Echoed(Request):
    """A request whose normal answer repeats it byte by byte."""

    def verify(self, answer: bytes) -> bytes:
        expect(answer == self.encode(), "the answer does not repeat the request")
        return answer[1:]

    def answer(self, bank: Bank) -> bytes:
        self.apply(bank)
        return self.encode()

    @abstractmethod
    def apply(self, bank: Bank) -> None:
        """Write into the bank, or refuse."""
