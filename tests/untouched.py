"""For tests of calls that must be refused before anything is sent: a connected client, and proof that nothing was.

Used by tests only.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import fastmodbus as fm
from scripted import Connection, ScriptedServer


@contextmanager
def untouched_client(**options: object) -> Iterator[fm.Client]:
    """A connected client whose server must not see one byte until the block is over."""
    received: list[bytes] = []

    def listen(connection: Connection) -> None:
        while chunk := connection.socket.recv(65536):
            received.append(chunk)

    with ScriptedServer(listen) as server:
        client = fm.connect(server.url, **options)
        try:
            yield client
            assert client.stats.requests == 0
            assert client.stats.bytes_sent == 0
        finally:
            client.close()
        server.wait_for_gone(1)
        assert received == []
        assert server.connections == 1


@contextmanager
def refused(kind: type[Exception], *parts: object) -> Iterator[None]:
    """The block must raise exactly this kind of error, with each of these words in its message."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.type is kind, f"{caught.type.__name__}: {caught.value}"
    for part in parts:
        assert re.search(rf"(?<!\w){re.escape(str(part))}(?!\w)", str(caught.value)), f"no {part!r} in: {caught.value}"
