"""pymodbus, the blocking client."""

from __future__ import annotations

import numpy as np
from pymodbus.client import ModbusTcpClient

from .base import Blocking, Registers


class Client(Blocking):
    package = "pymodbus"

    def setup(self, host: str, port: int) -> None:
        self._client = ModbusTcpClient(host, port=port)
        self._client.connect()

    def read_one(self, address: int, registers: int) -> Registers:
        answer = self._client.read_holding_registers(address, count=registers)
        return np.array(answer.registers, dtype=np.uint16)

    def close(self) -> None:
        self._client.close()
