"""fastmodbus as a row asks for it: single calls when one transaction is in flight, else bulk reads of whole batches.

What a row does not ask for stays at its default: one at a time is ``fm.Client(host)``, 16 in flight with one request
per segment is ``fm.Client(host, in_flight=16)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import fastmodbus as fm

from .base import BATCH, Contestant, Registers, Sample, addresses

OUT = np.zeros(65536, np.uint16)
"""Where bulk reads go. One for all connections of the process: it belongs to the user, not to the client."""


class Client(Contestant):
    package = "fastmodbus"
    most_in_flight = 4096

    def setup(self, host: str, port: int) -> None:
        # A client has one window; each connects at its first call, which belongs to no measured round.
        self._where = host, port
        self._clients: dict[tuple[tuple[str, Any], ...], fm.Client] = {}

    def wishes(self, registers: int, in_flight: int, coalesce: bool) -> dict[str, Any]:
        """Options for a bulk read that are not the default's."""
        wanted: dict[str, Any] = {"in_flight": in_flight}
        if coalesce:
            wanted["coalesce"] = True
        if registers < 125:
            wanted["max_registers"] = registers
        return wanted

    def read(self, requests: int, registers: int, in_flight: int, coalesce: bool) -> Sample:
        if in_flight == 1:
            return _read_in_turn(self._client(), requests, registers)
        client = self._client(**self.wishes(registers, in_flight, coalesce))
        for first in range(0, requests, BATCH):
            count = min(BATCH, requests - first) * registers
            client.read_holding_registers(0, count, out=OUT[:count])
        return Sample(0, OUT[:count])

    def poll(self, wanted: Sequence[int]) -> Registers:
        first = wanted[0]
        block = self._client(**self.wishes(125, 16, False)).read_holding_registers(first, wanted[-1] - first + 1)
        picked: Registers = block[np.array(wanted) - first]
        return picked

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, **options: Any) -> fm.Client:
        key = tuple(sorted(options.items()))
        if key not in self._clients:
            self._clients[key] = fm.Client(*self._where, **options)
        return self._clients[key]


def _read_in_turn(client: fm.Client, requests: int, registers: int) -> Sample:
    for address in addresses(requests, registers):
        values = client.read_holding_registers(address, registers)
    return Sample(address, values)
