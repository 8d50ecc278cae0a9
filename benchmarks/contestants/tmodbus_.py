"""tmodbus on its bare TCP transport, which pipelines; its own factory puts a lock around every transaction."""

from __future__ import annotations

import numpy as np
from tmodbus import AsyncModbusClient, AsyncTcpTransport

from .base import Asynchronous, Registers


class Client(Asynchronous):
    package = "tmodbus"
    most_in_flight = 4096

    async def connect(self, host: str, port: int) -> None:
        self._client = AsyncModbusClient(AsyncTcpTransport(host, port), unit_id=1)
        await self._client.connect()

    async def read_one(self, address: int, registers: int) -> Registers:
        return np.array(await self._client.read_holding_registers(address, registers), dtype=np.uint16)

    async def disconnect(self) -> None:
        await self._client.disconnect()
