"""TLS over a connection of the simulator: a socket that looks like one without it. The server's thread uses it."""

import contextlib
import socket
import ssl

_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SecureWire:
    """The server's side of TLS over a non-blocking socket; the handshake is made with the first receives."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def recv(self, size: int, /) -> bytes:
        try:
            data = self._sock.recv(size)
            while self._sock.pending():
                data += self._sock.recv(size)
        except _LATER:
            raise BlockingIOError from None
        return data

    def send(self, data: bytearray, /) -> int:
        try:
            return self._sock.send(data)
        except _LATER:
            raise BlockingIOError from None

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        self._sock.setsockopt(level, option, value)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._sock.unwrap()
        self._sock.close()
