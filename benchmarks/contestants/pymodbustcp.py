"""pyModbusTCP."""

from __future__ import annotations

import numpy as np
from pyModbusTCP.client import ModbusClient

from .base import Blocking, Registers


class Client(Blocking):
    package = "pyModbusTCP"

    def setup(self, host: str, port: int) -> None:
        self._client = ModbusClient(host=host, port=port, unit_id=1)
        self._client.open()

    def read_one(self, address: int, registers: int) -> Registers:
        return np.array(self._client.read_holding_registers(address, registers), dtype=np.uint16)

    def close(self) -> None:
        self._client.close()
