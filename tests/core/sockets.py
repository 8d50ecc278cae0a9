"""Connections over real sockets for tests: made when a batch needs one, driven from any thread."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from core.line import HOLDING
from fastmodbus._core.batch import Batch
from fastmodbus._core.reactor import CONNECT, Connection
from reference import Bank
from scripted import Script, ScriptedServer

PATIENCE_SECONDS = 30.0
FOREVER = 10**13  # ns: what a test that ends by something else gives as timeout


def server_of(*scripts: Script, **given: int) -> ScriptedServer:
    """A device whose holding registers hold what line.expected says."""
    return ScriptedServer(*scripts, bank=Bank(holding=HOLDING.copy()), **given)


def connect(link: Connection, server: ScriptedServer, send_buffer: int | None = None) -> None:
    made = socket.create_connection((server.host, server.port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if send_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    link.attach(made.detach())


def drive(link: Connection, batch: Batch, server: ScriptedServer) -> None:
    """Run a batch to its end, connecting as often as it takes; whatever happens, its loan is over afterwards."""
    main = threading.current_thread() is threading.main_thread()
    try:
        while link.run(batch, main) == CONNECT:
            connect(link, server)
    finally:
        link.detach(batch)


class Driver:
    """Runs a batch in a thread; `end` waits for it, and raises what it raised."""

    def __init__(self, link: Connection, batch: Batch, server: ScriptedServer) -> None:
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=[link, batch, server], daemon=True)
        self.thread.start()

    def _run(self, *what: object) -> None:
        try:
            drive(*what)  # type: ignore[arg-type]
        except BaseException as failure:  # noqa: BLE001 - raised again by end()
            self.failure = failure

    def end(self) -> None:
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive(), "the thread hangs"
        if self.failure is not None:
            raise self.failure


def wait_for(condition: Callable[[], bool], what: str = "a condition") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        threading.Event().wait(0.001)


@contextmanager
def handler(action: Callable[[], None], number: int = signal.SIGUSR1) -> Iterator[Callable[[], None]]:
    """Install a signal handler; yields what sends the signal to the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        action()

    before = signal.signal(number, handle)
    main = threading.main_thread().ident
    assert main is not None
    try:
        yield lambda: signal.pthread_kill(main, number)
    finally:
        signal.signal(number, before)
