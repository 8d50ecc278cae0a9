"""A plain client of the simulator: whole frames in and out of a socket, cut and joined as a test wants them."""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from fastmodbus._core import codec
from fastmodbus.simulator import Simulator

PATIENCE = 10.0
READ = codec.encode_request(3, address=0, quantity=2)
BUSY = b"\x83\x06"

Maker = Callable[..., Simulator]
Frame = tuple[int, int, bytes]


class Line:
    """A client's socket: sends bytes, receives frames."""

    def __init__(self, simulator: Simulator) -> None:
        self.sock = socket.create_connection(("127.0.0.1", simulator.port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = b""

    def send(self, *pdus: bytes, unit: int = 1, first: int = 1) -> None:
        """All in one segment, with ids counting up from `first`."""
        numbered = enumerate(pdus, first)
        self.sock.sendall(b"".join(codec.encode_mbap(number, unit, pdu) for number, pdu in numbered))

    def frames(self, count: int) -> list[Frame]:
        """The next `count` frames."""
        while True:
            frames, used, fault = codec.split_mbap(self._bytes)
            assert fault == 0
            if len(frames) >= count:
                assert len(frames) == count
                self._bytes = self._bytes[used:]
                return frames
            chunk = self.sock.recv(65536)
            assert chunk, f"closed after {len(frames)} of {count} frames"
            self._bytes += chunk

    def ask(self, pdu: bytes, unit: int = 1) -> bytes:
        self.send(pdu, unit=unit, first=77)
        ((transaction_id, answered_unit, answer),) = self.frames(1)
        assert (transaction_id, answered_unit) == (77, unit)
        return answer

    def registers(self, address: int, count: int, unit: int = 1) -> list[int]:
        request = codec.encode_request(3, address=address, quantity=count)
        status, _, exception, values = codec.check_answer(request, self.ask(request, unit))
        assert status == codec.STATUSES["OK"], exception
        return [int(value) for value in np.frombuffer(values, ">u2")]

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        while chunk := self.sock.recv(65536):
            self._bytes += chunk
        return self._bytes

    def is_silent(self) -> bool:
        """Whether nothing has come although a later request was answered."""
        return not select.select([self.sock], [], [], 0)[0]

    def ids(self, count: int) -> list[int]:
        return [frame[0] for frame in self.frames(count)]


@contextmanager
def line(simulator: Simulator) -> Iterator[Line]:
    made = Line(simulator)
    with made.sock:
        yield made
