"""The log of what a simulator received: bounded, cheap to append to, taken apart only when somebody looks."""

from collections import deque
from typing import NamedTuple

from fastmodbus._core.responder import split_requests

_DATA_FUNCTIONS = {1: "co", 2: "di", 3: "hr", 4: "ir", 5: "co", 6: "hr", 15: "co", 16: "hr", 22: "hr", 23: "hr"}
_QUANTITY_FUNCTIONS = (1, 2, 3, 4, 15, 16, 23)
_WORDS_PDU = 5


class Request(NamedTuple):
    """One request as it was received.

    Attributes
    ----------
    connection : int
        Number of the connection, counted from 1 since the simulator was made.
    receive : int
        Number of the receive that completed it, counted from 1 on its connection: requests that came in one segment
        have the same.
    transaction_id, unit : int
        From the MBAP header.
    pdu : bytes
        Function code and data.
    """

    connection: int
    receive: int
    transaction_id: int
    unit: int
    pdu: bytes

    @property
    def function(self) -> int:
        """Function code."""
        return self.pdu[0]

    @property
    def span(self) -> tuple[str, int, int] | None:
        """Area, first address and the address after the last, for the functions that read or write a table.

        For function 23 it is the range that is read.
        """
        area = _DATA_FUNCTIONS.get(self.pdu[0])
        if area is None or len(self.pdu) < _WORDS_PDU:
            return None
        start = int.from_bytes(self.pdu[1:3], "big")
        count = int.from_bytes(self.pdu[3:5], "big") if self.pdu[0] in _QUANTITY_FUNCTIONS else 1
        return area, start, start + count


def parse_requests(connection: int, receive: int, data: bytes) -> list[Request]:
    """Take whole request ADUs apart."""
    requests, _, _ = split_requests(data)
    return [Request(connection, receive, *request) for request in requests]


class RequestLog:
    """Whole receives, as bytes, until `limit` requests are in; then the oldest receives go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._receives: deque[tuple[int, int, bytes, int]] = deque()
        self._held = 0
        self.total = 0

    def append(self, connection: int, receive: int, data: bytes, count: int) -> None:
        """Note `count` whole requests that one receive brought."""
        self._receives.append((connection, receive, data, count))
        self._held += count
        self.total += count
        while self._held - self._receives[0][3] >= self._limit:
            self._held -= self._receives.popleft()[3]

    def requests(self) -> list[Request]:
        """The newest `limit` requests, oldest first."""
        parsed = [request for entry in self._receives for request in parse_requests(*entry[:3])]
        return parsed[-self._limit :]

    def clear(self) -> None:
        """Forget the requests, not their total."""
        self._receives.clear()
        self._held = 0
