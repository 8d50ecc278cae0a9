"""Ports for tests: free ones, and such that take no connection. Used by tests only."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, for the moment."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def has_ipv6() -> bool:
    """Whether ::1 can be listened on."""
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            return True
    except OSError:
        return False


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port of 127.0.0.1 whose queue is full: the kernel answers no further attempt to connect."""
    waiting: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        port: int = listener.getsockname()[1]
        for _ in range(64):
            attempt = socket.socket()
            attempt.settimeout(0.05)
            waiting.append(attempt)
            try:
                attempt.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        else:
            raise AssertionError("the queue does not fill")
        yield port
        for each in waiting:
            each.close()
