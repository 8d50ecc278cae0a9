"""How the simulator serves: one thread, many connections, every complete request of a receive answered by one call.

Only the simulator builds on it. Here are the sockets; what a request means is the core's business (responder), when and
as what an answer leaves is schedule.py's. Everything but waiting happens under `Simulator.lock`.
"""

import selectors
import socket
import threading
import time
from typing import Any, Self

from fastmodbus._core.responder import Responder
from fastmodbus.simulator.alarm import Alarm
from fastmodbus.simulator.connection import Connection, Wire
from fastmodbus.simulator.datagrams import Peers
from fastmodbus.simulator.listening import listen
from fastmodbus.simulator.named import NamedValues
from fastmodbus.simulator.record import RequestLog
from fastmodbus.simulator.schedule import Pace, Schedule

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Serving:
    """The thread and the sockets of a simulator, which gives it what is declared here."""

    lock: threading.RLock
    answer_delay: float
    service_time: float
    max_in_flight: int | None
    one_answer_per_receive: bool
    _host: str
    _port: int
    _transport: str
    _ssl_context: Any
    _responder: Responder
    _named: NamedValues
    _log: RequestLog
    _schedule: Schedule
    _thread: threading.Thread | None
    _accepted: int

    def start(self) -> Self:
        """Listen and answer; does nothing when it does already.

        Raises
        ------
        OSError
            The address cannot be listened on; the message names host and port.
        """
        if self._thread is not None:
            return self
        self._listener = listen(self._host, self._port, self._transport)
        self._peers = Peers(self._listener, self._connected) if self._transport == "udp" else None
        self._port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._alarm = Alarm(self._selector)
        self._selector.register(self._listener, _READ, self)
        self._open: set[Connection] = set()
        self._touched: set[Connection] = set()
        self._stopping = False
        self._named.begin()
        self._thread = threading.Thread(target=self._run, name=f"modbus simulator {self._port}", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Close all connections and stop listening; does nothing when closed. `start` resumes, on the same port."""
        if self._thread is None:
            return
        self._stopping = True
        self._alarm.ring()
        self._thread.join()
        self._thread = None
        self._alarm.close()

    def _run(self) -> None:
        try:
            while not self._stopping:
                ready = self._alarm.wait(self._schedule.next_due)
                with self.lock:
                    self._round(ready)
        finally:
            with self.lock:
                for connection in self._open:
                    connection.close()
                self._open.clear()
                self._schedule.clear()
                self._listener.close()
                self._selector.close()

    def _round(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        now = time.monotonic()
        for key, _ in ready:
            if isinstance(key.data, Connection):
                self._hear(key.data, now)
            elif key.data is self and self._peers is not None:
                for peer in self._peers.receive():
                    self._hear(peer, now)
            elif key.data is self:
                self._accept()
            else:
                self._alarm.quiet()
        self._schedule.deliver(now, self._touched)
        while self._touched:
            self._settle(self._touched.pop())

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # nobody waits any more; or no descriptor is free, and the selector will say so again
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._touched.add(self._connected(self._over_tls(sock)))

    def _connected(self, wire: Wire) -> Connection:
        self._accepted += 1
        connection = Connection(self._accepted, wire)
        self._open.add(connection)
        return connection

    def _hear(self, connection: Connection, now: float) -> None:
        self._touched.add(connection)
        if connection.readable and not connection.closed:
            self._receive(connection, now)

    def _over_tls(self, sock: socket.socket) -> Wire:
        if self._ssl_context is None:
            return sock
        from fastmodbus.simulator.secure import SecureWire

        return SecureWire(sock, self._ssl_context)

    def _receive(self, connection: Connection, now: float) -> None:
        """Answer what one receive brought: at once, or when it is due."""
        data = connection.receive()
        if not data:
            return
        self._named.refresh()
        room = -1 if self.max_in_flight is None else max(0, self.max_in_flight - connection.waiting)
        answered = self._responder.answer_mbap(data, room, self.one_answer_per_receive)
        connection.left_over = data[len(answered.requests) :]
        if answered.count:
            self._log.append(connection.number, connection.receives, answered.requests, answered.count)
        if connection.ending:
            return
        delay, service = self.answer_delay, self.service_time
        if self._schedule.faults or delay or service or connection.waiting:
            self._schedule.add(connection, answered, room, now, Pace(delay, service))
        else:
            connection.out += answered.answers
        if answered.fault:
            connection.draining = True

    def _settle(self, connection: Connection) -> None:
        """After a round: send, then close or watch for what the connection needs next."""
        if connection.closed:
            return
        connection.flush()
        wanted = (_READ if connection.readable else 0) | (_WRITE if connection.out else 0)
        if connection.over:
            wanted = 0
        self._watch(connection, wanted)
        if connection.over:
            connection.close()
            self._open.discard(connection)

    def _watch(self, connection: Connection, wanted: int) -> None:
        if wanted == connection.watched or connection.sock.fileno() < 0:
            return
        if connection.watched == 0:
            self._selector.register(connection.sock, wanted, connection)
        elif wanted == 0:
            self._selector.unregister(connection.sock)
        else:
            self._selector.modify(connection.sock, wanted, connection)
        connection.watched = wanted
