"""One connection of the simulator: its socket, what is left of the stream, and what is still to be sent.

Used by the server's thread, under the server's lock. It knows nothing of the protocol, of selectors or of time.
"""

import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from fastmodbus.simulator.effect import Effect, Ending

RECEIVE_SIZE = 65536
MAX_UNSENT = 1 << 20  # bytes; beyond either limit nothing more is read from this peer
MAX_WAITING = 1 << 16  # answers

_LINGER_NOT = struct.pack("ii", 1, 0)


class Wire(Protocol):
    """What of a non-blocking socket is used."""

    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytearray, /) -> int: ...
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class Connection:
    """The state of one connection."""

    number: int
    sock: Wire
    left_over: bytes = b""  # the beginning of a request whose rest has not come
    receives: int = 0
    waiting: int = 0  # answers that are made but not yet due
    free_at: float = 0.0  # when the device has worked off what this connection asked (service time)
    out: bytearray = field(default_factory=bytearray)
    unfinished: Effect | None = None  # an answer of which pieces are still to come; others wait in `held`
    held: deque[Effect] = field(default_factory=deque)
    draining: bool = False  # nothing more is read; closed when everything is sent
    ending: Ending | None = None  # closed, reset or silent when `out` is sent, whatever else waits
    closed: bool = False
    watched: int = 0  # the selector events asked for

    def receive(self) -> bytes:
        """The stream from the last whole request on; nothing and `draining` when the peer has ended it."""
        try:
            data = self.sock.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            self.ending = "close"
            self.out.clear()
            return b""
        if not data:
            self.draining = True
            return b""
        self.receives += 1
        return self.left_over + data

    def flush(self) -> None:
        """Send what the kernel takes; the rest stays."""
        while self.out:
            try:
                sent = self.sock.send(self.out)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.ending = "close"
                self.out.clear()
                return
            del self.out[:sent]

    def end(self, ending: Ending | None) -> None:
        """Be closed, reset or silent when `out` is sent; what was decided before stands."""
        if self.ending is None:
            self.ending = ending

    @property
    def readable(self) -> bool:
        """Whether more requests are wanted."""
        full = len(self.out) > MAX_UNSENT or self.waiting > MAX_WAITING
        return not (self.draining or self.ending in ("close", "reset") or full)

    @property
    def over(self) -> bool:
        """Whether it is time to close."""
        if self.out:
            return False
        return self.ending in ("close", "reset") or (self.draining and (self.waiting == 0 or self.ending == "hang"))

    def close(self) -> None:
        """FIN, or RST where that is the ending."""
        if self.ending == "reset":
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.closed = True
        self.sock.close()
