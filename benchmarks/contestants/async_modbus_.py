"""async-modbus: one transaction at a time, since concurrent calls read each other's answers; so poll() asks in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from async_modbus import AsyncClient, modbus_for_url

from .base import Asynchronous, Registers


class Client(Asynchronous):
    package = "async-modbus"

    async def connect(self, host: str, port: int) -> None:
        self._client: AsyncClient = modbus_for_url(f"tcp://{host}:{port}")
        await self.read_one(0, 1)

    async def read_one(self, address: int, registers: int) -> Registers:
        # It hands over a read-only big-endian view; the conversion is what its user needs before computing.
        return np.array(await self._client.read_holding_registers(1, address, registers), dtype=np.uint16)

    async def _poll(self, wanted: Sequence[int]) -> Registers:
        return np.concatenate([await self.read_one(address, 1) for address in wanted])

    async def disconnect(self) -> None:
        await self._client.stream.close()
