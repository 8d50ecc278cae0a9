"""What the kernel knows about TCP connections over loopback, for tests that must act when the other side has read."""

import socket
import sys
import time
from pathlib import Path

TABLE = Path("/proc/net/tcp")
POLL_SECONDS = 0.0005
STILL_SECONDS = 0.05  # a queue that is the same after so long does not move


def kernel_name(address: tuple[str, int]) -> str:
    """An IPv4 address as the kernel's table prints it."""
    packed = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{packed:08X}:{address[1]:04X}"


def queues(local: tuple[str, int], remote: tuple[str, int]) -> tuple[int, int] | None:
    """Bytes in the send and receive queue of one end of a connection; None when there is no such connection."""
    names = [kernel_name(local), kernel_name(remote)]
    for line in TABLE.read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1:3] == names:
            sending, receiving = columns[4].split(":")
            return int(sending, 16), int(receiving, 16)
    return None


def wait_until_blocked(connection: socket.socket, patience: float) -> bool:
    """Wait until the other end holds bytes that this end has no room for. False when it does not come to that."""
    here, there = connection.getsockname(), connection.getpeername()
    deadline = time.monotonic() + patience
    before: tuple[int, int] | None = None
    while time.monotonic() < deadline:
        theirs = queues(there, here)
        if theirs is not None and theirs[0] > 0 and theirs == before:
            return True
        before = theirs
        time.sleep(STILL_SECONDS)
    return False


def wait_until_read(connection: socket.socket, patience: float) -> bool:
    """Wait until the other end has read all that this end sent, or is gone. False when it does not come to that."""
    if not TABLE.exists():
        return True
    try:
        here, there = connection.getsockname(), connection.getpeername()
    except OSError:
        return True
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        mine, theirs = queues(here, there), queues(there, here)
        if mine is None or theirs is None or (mine[0] == 0 and theirs[1] == 0):
            return True
        time.sleep(POLL_SECONDS)
    return False
