"""Long reads over TLS beside a bare Python ``ssl`` socket that moves the same bytes.

``python -m benchmarks.secure HOST PORT ROUNDS`` prints a line per figure: name, tab, the rounds' values in µs a
request. socat speaks TLS in front of the Modbus server, in a process of its own. The bare socket keeps as many requests
in flight, sends each as a record of its own or all that it may at once, and only counts what comes.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import fastmodbus as fm

BATCH = 480
IN_FLIGHT = 16
REGISTERS = 125
ANSWER = 9 + 2 * REGISTERS
OUT = np.zeros(BATCH * REGISTERS, np.uint16)
PATIENCE_SECONDS = 20.0
WAYS = {"separate": False, "coalesced": True}

Figures = dict[str, list[float]]


class Bare:
    """The socket, and the bytes of all requests."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(connection, server_hostname="localhost")
        self._buffer = memoryview(bytearray(1 << 16))
        self._requests = [
            i.to_bytes(2, "big") + b"\0\0\0\6\1\3" + (REGISTERS * i).to_bytes(2, "big") + REGISTERS.to_bytes(2, "big")
            for i in range(BATCH)
        ]

    def read(self, coalesce: bool) -> None:
        """Ask all, and take as many bytes as the answers have."""
        sent = received = 0
        while received < BATCH * ANSWER:
            following = min(BATCH, received // ANSWER + IN_FLIGHT)
            if coalesce and sent < following:
                self._socket.sendall(b"".join(self._requests[sent:following]))
            elif not coalesce:
                for request in self._requests[sent:following]:
                    self._socket.sendall(request)
            sent = following
            received += self._socket.recv_into(self._buffer)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@contextmanager
def terminated(host: str, port: int) -> Iterator[tuple[int, str]]:
    """The port of a TLS server in front of another server, and the file of the certificate that it shows."""
    with tempfile.TemporaryDirectory() as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "cert.key")
        name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        files = ("-keyout", str(key), "-out", str(cert))
        command = ("openssl", "req", "-x509", *curve, "-nodes", "-days", "1", *name, *files)
        subprocess.run(command, check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            found = free.getsockname()[1]
        listen = f"OPENSSL-LISTEN:{found},bind=127.0.0.1,reuseaddr,fork,verify=0,nodelay,cert={cert},key={key}"
        server = subprocess.Popen(["socat", listen, f"TCP:{host}:{port},nodelay"], stderr=subprocess.DEVNULL)
        try:
            _wait_for(found)
            yield found, str(cert)
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _note(figures: Figures, name: str, started: int) -> None:
    figures.setdefault(name, []).append((time.perf_counter_ns() - started) / 1e3 / BATCH)


async def _measure(port: int, ca: str, rounds: int) -> Figures:
    figures: Figures = {}
    context = ssl.create_default_context(cafile=ca)
    for how, coalesce in WAYS.items():
        options = {"ca": ca, "in_flight": IN_FLIGHT, "coalesce": coalesce}
        bare = Bare(port, context)
        with fm.Client("127.0.0.1", port, **options) as blocking:
            async with fm.AsyncClient("127.0.0.1", port, **options) as client:
                for _ in range(rounds + 1):
                    started = time.perf_counter_ns()
                    bare.read(coalesce)
                    _note(figures, f"{how}, bare ssl socket", started)
                    started = time.perf_counter_ns()
                    blocking.read_holding_registers(0, OUT.size, out=OUT)
                    _note(figures, f"{how}, blocking", started)
                    started = time.perf_counter_ns()
                    await client.read_holding_registers(0, OUT.size, out=OUT)
                    _note(figures, f"{how}, asyncio", started)
        bare.close()
    return {name: taken[1:] for name, taken in figures.items()}  # the first is with the handshake


def main(host: str, port: int, rounds: int) -> None:
    """Print the figures; nothing where a tool is missing."""
    for tool in ("openssl", "socat"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing", file=sys.stderr)
            return
    with terminated(host, port) as (found, ca):
        for name, taken in asyncio.run(_measure(found, ca, rounds)).items():
            print(name, *(f"{one:.3f}" for one in taken), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
