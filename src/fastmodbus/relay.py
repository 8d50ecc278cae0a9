"""A thread between a TLS socket and one end of a socket pair, so that the reactor can drive a connection over TLS.

The blocking client and the poller use it. What it carries is a stream to it but for one thing: each request leaves in
a TLS record, and so in a segment, of its own unless they may share one.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections import deque
from typing import Any

from . import tls
from ._core import codec

_SIZE = 1 << 16
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
#: Not now. What TLS waits for beside that does not matter: it is tried again when anything comes.
_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


class Relay:
    """Carries bytes both ways until one side ends.

    Attributes
    ----------
    descriptor : int
        The end of the pair that the reactor gets.
    reason : str
        Why the device's side broke, in words; empty as long as it did not.
    """

    def __init__(self, connection: ssl.SSLSocket, coalesce: bool) -> None:
        self._device, self._coalesce = connection, coalesce
        self._near, far = socket.socketpair()
        for each in (self._device, self._near):
            each.setblocking(False)
        self.descriptor = far.detach()
        self.reason = ""
        self._over = False
        self._buffer = memoryview(bytearray(_SIZE))
        self._answers = self._buffer[:0]  # on their way to the reactor
        self._records: deque[bytes] = deque()  # on their way to the device
        self._record = b""  # the next of them, as long as TLS has not taken it
        threading.Thread(target=self._run, name="TLS relay", daemon=True).start()

    def abandon(self) -> None:
        """Close the descriptors and do nothing else: for a forked child, whose copies they are."""
        self._device.close()
        self._near.close()

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                watched: dict[socket.socket, int] = {}
                ready: set[Any] = {self._device, self._near}
                while self._carry(ready):
                    self._watch(selector, watched)
                    ready = {key.fileobj for key, _ in selector.select()}
        except OSError as error:
            self.reason = tls.in_words(error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                self._device.unwrap()
            self._device.close()
            self._near.close()

    def _watch(self, selector: selectors.BaseSelector, watched: dict[socket.socket, int]) -> None:
        """Answers that wait stop more from being received, and requests that wait stop more from being taken."""
        for side, receiving, sending in (
            (self._device, not self._answers, bool(self._record)),
            (self._near, not self._record, bool(self._answers)),
        ):
            wanted = _READ * receiving | _WRITE * sending
            if wanted == watched.get(side, 0):
                continue
            if watched.get(side, 0) == 0:
                selector.register(side, wanted)
            elif wanted == 0:
                selector.unregister(side)
            else:
                selector.modify(side, wanted)
            watched[side] = wanted

    def _carry(self, ready: set[Any]) -> bool:
        """Carry what can be carried now; False when a side has ended and what came from it is carried.

        Answers come first, and requests that cannot be there are not looked for.
        """
        self._carry_answers()
        if not self._over and (self._near in ready or self._record):
            try:
                self._carry_requests()
            except OSError:
                self._carry_answers()  # an alert says more than the failure that follows it
                raise
        return not self._over

    def _carry_answers(self) -> None:
        with contextlib.suppress(*_LATER):
            while True:
                while self._answers:
                    self._answers = self._answers[self._near.send(self._answers) :]
                size = self._device.recv_into(self._buffer)
                if size == 0:
                    self._over = True
                    return
                self._answers = self._buffer[:size]

    def _carry_requests(self) -> None:
        with contextlib.suppress(*_LATER):
            while True:
                while self._record:
                    self._record = self._record[self._device.send(self._record) :]
                if not self._records and not self._take_requests():
                    self._over = True
                    return
                self._record = self._records.popleft()

    def _take_requests(self) -> bool:
        """What the reactor has sent, cut where each request ends; False when it has closed its end."""
        data = self._near.recv(_SIZE)
        start = 0
        for end in [len(data)] if self._coalesce else [*codec.adu_ends(data), len(data)]:
            if end > start:
                self._records.append(data[start:end])
            start = end
        return bool(data)
