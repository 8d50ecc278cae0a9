"""modbuslink, the blocking client."""

from __future__ import annotations

import numpy as np
from modbuslink.client import SyncModbusClient
from modbuslink.transport import SyncTcpTransport

from .base import Blocking, Registers


class Client(Blocking):
    package = "modbuslink"

    def setup(self, host: str, port: int) -> None:
        self._transport = SyncTcpTransport(host, port)
        self._transport.open()
        self._client = SyncModbusClient(self._transport)

    def read_one(self, address: int, registers: int) -> Registers:
        return np.array(self._client.read_holding_registers(1, address, registers), dtype=np.uint16)

    def close(self) -> None:
        self._transport.close()
