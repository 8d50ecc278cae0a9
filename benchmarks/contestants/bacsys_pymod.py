"""bacsys-pymod: pipelines every read that is awaited at the same time; a poll is one call with all its items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pymod

from .base import Asynchronous, Registers


class Client(Asynchronous):
    package = "bacsys-pymod"
    most_in_flight = 4096

    async def connect(self, host: str, port: int) -> None:
        self._client = pymod.AsyncClient.tcp(host, port)
        await self._client.connect()

    async def read_one(self, address: int, registers: int) -> Registers:
        [answer] = await self._client.read([pymod.Holding(address, registers)])
        return np.array(answer.values, dtype=np.uint16)

    async def _poll(self, wanted: Sequence[int]) -> Registers:
        answers = await self._client.read([pymod.Holding(address, 1) for address in wanted])
        return np.array([answer.values[0] for answer in answers], dtype=np.uint16)

    async def disconnect(self) -> None:
        await self._client.close()
