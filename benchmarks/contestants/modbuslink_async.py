"""modbuslink, the asyncio client: its transport has a lock, so one transaction is in flight."""

from __future__ import annotations

import numpy as np
from modbuslink.client import AsyncModbusClient
from modbuslink.transport import AsyncTcpTransport

from .base import Asynchronous, Registers


class Client(Asynchronous):
    package = "modbuslink"

    async def connect(self, host: str, port: int) -> None:
        self._transport = AsyncTcpTransport(host, port)
        await self._transport.open()
        self._client = AsyncModbusClient(self._transport)

    async def read_one(self, address: int, registers: int) -> Registers:
        return np.array(await self._client.read_holding_registers(1, address, registers), dtype=np.uint16)

    async def disconnect(self) -> None:
        await self._transport.close()
