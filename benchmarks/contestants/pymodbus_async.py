"""pymodbus, the asyncio client: it has a lock, so gathering calls leaves one in flight."""

from __future__ import annotations

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from .base import Asynchronous, Registers


class Client(Asynchronous):
    package = "pymodbus"

    async def connect(self, host: str, port: int) -> None:
        self._client = AsyncModbusTcpClient(host, port=port)
        await self._client.connect()

    async def read_one(self, address: int, registers: int) -> Registers:
        answer = await self._client.read_holding_registers(address, count=registers)
        return np.array(answer.registers, dtype=np.uint16)

    async def disconnect(self) -> None:
        self._client.close()
