"""modbus-tk."""

from __future__ import annotations

import numpy as np
from modbus_tk import defines
from modbus_tk.modbus_tcp import TcpMaster

from .base import Blocking, Registers


class Client(Blocking):
    package = "modbus-tk"

    def setup(self, host: str, port: int) -> None:
        self._client = TcpMaster(host, port)
        self._client.open()

    def read_one(self, address: int, registers: int) -> Registers:
        return np.array(self._client.execute(1, defines.READ_HOLDING_REGISTERS, address, registers), dtype=np.uint16)

    def close(self) -> None:
        self._client.close()
