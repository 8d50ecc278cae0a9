"""A UDP device that does to each request what a test says. One thread; a datagram is a request."""

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from reference import Bank, Frame, answer, mbap_frame, split_mbap

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 20.0

#: From a request and its right answer to the datagrams that are sent instead.
Behaviour = Callable[[Frame, bytes], Iterable[bytes]]


def honest(request: Frame, right: bytes) -> Iterable[bytes]:
    yield right


class UdpDevice:
    """Listens as long as the `with` block lasts.

    Attributes
    ----------
    requests : list of bytes
        The datagrams that came.
    """

    def __init__(self, behaviour: Behaviour = honest) -> None:
        self.behaviour = behaviour
        self.bank = Bank(holding=[(7 * address + 3) & 0xFFFF for address in range(65536)])
        self.requests: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(POLL_SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="UDP device", daemon=True)

    @property
    def url(self) -> str:
        return f"udp://127.0.0.1:{self.port}"

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                data, peer = self._socket.recvfrom(65536)
            except OSError:
                continue
            self.peer = peer
            self.requests.append(data)
            (request,), _ = split_mbap(data)
            right = mbap_frame(request.transaction_id, request.unit, answer(request.pdu, self.bank))
            for datagram in self.behaviour(request, right):
                self._socket.sendto(datagram, peer)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE_SECONDS)
        self._socket.close()
