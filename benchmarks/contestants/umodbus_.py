"""uModbus: its user owns the socket. Each request is one write and waits for its answer, so Nagle does not matter."""

from __future__ import annotations

import socket

import numpy as np
from umodbus.client import tcp

from .base import Blocking, Registers


class Client(Blocking):
    package = "uModbus"

    def setup(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))

    def read_one(self, address: int, registers: int) -> Registers:
        request = tcp.read_holding_registers(slave_id=1, starting_address=address, quantity=registers)
        return np.array(tcp.send_message(request, self._socket), dtype=np.uint16)

    def close(self) -> None:
        self._socket.close()
