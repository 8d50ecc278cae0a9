"""The simplest Modbus client that works: a blocking socket and the reference codec. It judges servers before the real
client is judged by them, and never interprets an answer.
"""

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from reference import Frame, mbap_frame, split_mbap

PATIENCE_SECONDS = 10.0


class PlainClient:
    """One connection; every call raises `TimeoutError` or `ConnectionError` as the socket does."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = PATIENCE_SECONDS) -> None:
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._last_id = 0

    def ask(self, pdu: bytes, unit: int = 1) -> bytes:
        """The answer to one request, which must carry its transaction id and unit."""
        [frame] = self.ask_many([pdu], unit)
        return frame

    def ask_many(self, pdus: Sequence[bytes], unit: int = 1, *, one_segment: bool = False) -> list[bytes]:
        """Send all requests before reading; the answers in the order of the requests, whatever order they came in."""
        ids = self.send(pdus, unit, one_segment=one_segment)
        frames = self.receive(len(pdus))
        by_id = {frame.transaction_id: frame.pdu for frame in frames if frame.unit == unit}
        if set(by_id) != set(ids):
            raise AssertionError(f"asked {ids} of unit {unit}, answered {frames}")
        return [by_id[each] for each in ids]

    def send(self, pdus: Sequence[bytes], unit: int = 1, *, one_segment: bool = False) -> list[int]:
        """Send requests, each by a call of its own unless told otherwise; their transaction ids."""
        ids = [(self._last_id + i) & 0xFFFF for i in range(1, len(pdus) + 1)]
        self._last_id = ids[-1]
        frames = [mbap_frame(each, unit, pdu) for each, pdu in zip(ids, pdus, strict=True)]
        for piece in [b"".join(frames)] if one_segment else frames:
            self.socket.sendall(piece)
        return ids

    def receive(self, count: int) -> list[Frame]:
        """The next frames, at least `count` of them."""
        frames: list[Frame] = []
        while len(frames) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError(f"closed after {len(frames)} of {count} answers")
            self._received += chunk
            complete, used = split_mbap(self._received, smallest_pdu=2)
            self._received = self._received[used:]
            frames += complete
        return frames

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
