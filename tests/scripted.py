"""A TCP server that does to its client what a test says, byte by byte: the device of the fault tests.

    def late(connection):
        request = connection.receive()
        connection.wait(gate)                       # a threading.Event of the test
        connection.answer(request)                  # what an honest device would say
        connection.serve()                          # and honestly on

    with ScriptedServer(late) as server:
        ...client on server.port...
        assert server.connections == 1

The n-th connection runs the n-th script, and the last script again from then on. A script that returns leaves its
connection open and silent; frames that still arrive are counted. A script ends quietly when its client is gone; what
else it raises, failed assertions too, comes out of the `with` block. Nothing here sleeps to wait for a moment: scripts
and tests wait for conditions, and for at most `PATIENCE_SECONDS`.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from reference import Bank, Frame, answer, mbap_frame, split_mbap
from tcp_state import wait_until_blocked, wait_until_read

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.05  # how soon a blocked thread of the server notices that the test is over
HOST = "127.0.0.1"


class ClientGone(Exception):
    """The client closed or reset the connection, or the test is over."""


class Seen(NamedTuple):
    """A request, and which connection it came by, counted from 0."""

    connection: int
    frame: Frame


class Connection:
    """The server's end of one connection; the scripts' hands. Used by its script's thread only."""

    def __init__(self, server: "ScriptedServer", number: int, accepted: socket.socket) -> None:
        self.server = server
        self.number = number
        self.socket = accepted
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = b""
        self._waiting: list[Frame] = []

    @property
    def bank(self) -> Bank:
        return self.server.bank

    def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        try:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        except OSError as error:
            raise ClientGone from error

    def receive(self) -> Frame:
        """The next request; waits for it."""
        while not self._waiting:
            self._take(self._read())
        return self._waiting.pop(0)

    def receive_many(self, count: int) -> list[Frame]:
        return [self.receive() for _ in range(count)]

    def honest(self, request: Frame) -> bytes:
        """The frame with which an honest device answers; empty when it does not."""
        pdu = answer(request.pdu, self.bank)
        return mbap_frame(request.transaction_id, request.unit, pdu) if pdu else b""

    def answer(self, request: Frame, pdu: bytes | None = None) -> None:
        """Answer a request with this PDU, or honestly."""
        frame = self.honest(request) if pdu is None else mbap_frame(request.transaction_id, request.unit, pdu)
        self.send(frame)

    def serve(self, count: int | None = None) -> None:
        """Be an honest device for so many requests, or until the client is gone."""
        served = 0
        while count is None or served < count:
            self.answer(self.receive())
            served += 1

    def send(self, data: bytes) -> None:
        """Send anything, in one piece."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ClientGone from error

    def send_pieces(self, pieces: Sequence[bytes]) -> None:
        """Send piece by piece, each after the client has taken the one before out of its socket."""
        for piece in pieces:
            self.send(piece)
            self.wait_until_read()

    def wait_until_read(self) -> None:
        """Wait until the client has received all that was sent (Linux; elsewhere this returns at once)."""
        if not wait_until_read(self.socket, PATIENCE_SECONDS):
            raise AssertionError("the client does not read what it was sent")

    def wait(self, event: threading.Event) -> None:
        """Wait for an event of the test."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not event.wait(POLL_SECONDS):
            if self.server.stopping.is_set():
                raise ClientGone
            if time.monotonic() > deadline:
                raise AssertionError("the script waits for an event that does not come")

    def finish(self) -> None:
        """Close the sending side: the client sees the end of the stream (FIN)."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def close(self) -> None:
        """Close altogether."""
        self.socket.close()

    def reset(self) -> None:
        """Tear the connection down (RST)."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def drain(self) -> None:
        """Count frames until the client is gone; answer none."""
        while True:
            self._take(self._read())

    def _read(self) -> bytes:
        try:
            chunk = self.socket.recv(65536)
        except OSError as error:
            raise ClientGone from error
        if not chunk:
            raise ClientGone
        return chunk

    def _take(self, chunk: bytes) -> None:
        frames, used = split_mbap(self._stream + chunk)
        self._stream = (self._stream + chunk)[used:]
        self._waiting += frames
        self.server.note_frames(self.number, frames)


Script = Callable[[Connection], None]


def honest(connection: Connection) -> None:
    """The script of a device without faults."""
    connection.serve()


def silent(connection: Connection) -> None:
    """The script of a device that never answers."""


class ScriptedServer:
    """Listens as long as the `with` block lasts. `receive_buffer` makes a client's sending block early."""

    def __init__(
        self,
        *scripts: Script,
        bank: Bank | None = None,
        receive_buffer: int | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.ssl_context = ssl_context
        self.scripts = scripts or (honest,)
        self.bank = bank or Bank()
        self.requests: list[Seen] = []
        self.connections = 0
        self.gone = 0
        self.stopping = threading.Event()
        self._failures: list[BaseException] = []
        self._open: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._closing = False
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((HOST, 0))
        self._listener.listen(128)
        self._listener.settimeout(POLL_SECONDS)
        self.host, self.port = self._listener.getsockname()
        self._acceptor = threading.Thread(target=self._accept_all, name="scripted server", daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"{'tls' if self.ssl_context else 'tcp'}://{self.host}:{self.port}"

    @property
    def pdus(self) -> list[bytes]:
        """The request PDUs seen so far, over all connections."""
        with self._changed:
            return [seen.frame.pdu for seen in self.requests]

    def wait_for_requests(self, count: int) -> None:
        self._wait(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_for_connections(self, count: int) -> None:
        self._wait(lambda: self.connections >= count, f"{count} connections")

    def wait_for_gone(self, count: int) -> None:
        """Wait until so many connections have ended."""
        self._wait(lambda: self.gone >= count, f"the end of {count} connections")

    def wait_until_full(self, connection: int = 0) -> None:
        """Wait until a client cannot send on: bytes stay in its queue because the script does not read (Linux)."""
        self.wait_for_connections(connection + 1)
        with self._changed:
            accepted = self._open[connection].socket
        if not wait_until_blocked(accepted, PATIENCE_SECONDS):
            raise AssertionError("the client's sending does not block")

    def stop_listening(self) -> None:
        """Refuse new connections from now on; those that are open stay."""
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(PATIENCE_SECONDS)
        self._listener.close()

    def note_frames(self, connection: int, frames: list[Frame]) -> None:
        """Called by connections for what they receive."""
        with self._changed:
            self.requests += [Seen(connection, frame) for frame in frames]
            self._changed.notify_all()

    def stop(self) -> None:
        """End all connections and threads; raise what a script raised."""
        self.stopping.set()
        self.stop_listening()
        with self._changed:
            still_open = list(self._open)
        for connection in still_open:
            with suppress(OSError):
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)  # an SSLSocket's own forgets that it is one
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        if self._failures:
            raise self._failures[0]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            met = self._changed.wait_for(condition, PATIENCE_SECONDS)
            seen = f"{self.connections} connections, {self.gone} ended, {len(self.requests)} requests"
        if not met:
            raise AssertionError(f"waited for {what} in vain: {seen}")

    def _accept_all(self) -> None:
        while not self._closing:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                continue
            self._begin(accepted)

    def _begin(self, accepted: socket.socket) -> None:
        accepted.setblocking(True)
        with self._changed:
            connection = Connection(self, self.connections, accepted)
            self._open.append(connection)
            self.connections += 1
            self._changed.notify_all()
        thread = threading.Thread(target=self._run, args=[connection], name="scripted connection", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, connection: Connection) -> None:
        script = self.scripts[min(connection.number, len(self.scripts) - 1)]
        try:
            if self.ssl_context:
                connection.secure(self.ssl_context)
            script(connection)
            connection.drain()
        except ClientGone:
            pass
        except BaseException as failure:  # noqa: BLE001 (`stop` raises it in the test)
            self._failures.append(failure)
        finally:
            connection.close()
            with self._changed:
                self._open.remove(connection)
                self.gone += 1
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except BaseException as failure:
            if error is None:
                raise
            error.add_note(f"the server's script failed as well: {failure!r}")
