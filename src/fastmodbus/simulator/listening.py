"""What the simulator checks and opens before it serves. Only the server uses this."""

import socket
from collections.abc import Sequence

BACKLOG = 1024
MAX_UNIT = 255
MAX_PORT = 65535


def listen(host: str, port: int, transport: str) -> socket.socket:
    """A listening socket, of UDP one that takes datagrams; an OSError names host and port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if transport == "udp":
            listener = socket.socket(family, socket.SOCK_DGRAM)
            listener.bind(address)
        else:
            listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(error.errno, f"the simulator cannot listen on {host}:{port}: {reason}") from error
    listener.setblocking(False)
    return listener


def check(
    *,
    port: int,
    units: Sequence[int],
    answer_delay: float,
    service_time: float,
    max_in_flight: int | None,
    transport: str,
    secured: bool,
) -> None:
    """Find fault with what a simulator is asked to be."""
    if transport not in ("tcp", "udp"):
        raise ValueError(f"transport is {transport!r}; allowed are 'tcp' and 'udp'; with an ssl_context 'tcp' is TLS")
    if secured and transport == "udp":
        raise ValueError("transport is 'udp' and there is an ssl_context; TLS is for 'tcp'")
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"port is {port}; ports are 0 to {MAX_PORT}")
    if not units or not all(0 <= number <= MAX_UNIT for number in units):
        raise ValueError(f"units is {units!r}; give at least one, each 0 to {MAX_UNIT}")
    if not (answer_delay >= 0 and service_time >= 0):
        raise ValueError(f"answer_delay {answer_delay} and service_time {service_time} must not be negative")
    if max_in_flight is not None and max_in_flight < 1:
        raise ValueError(f"max_in_flight is {max_in_flight}; it must be at least 1, or None for any number")
