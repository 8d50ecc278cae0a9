"""What every contestant offers, and the loops that most of them share.

A contestant is one client library on one connection. It reads holding registers 0, ``registers``, ``2 * registers``,
... of the server, again from 0 after ``BATCH`` requests, and hands every answer over as a ``uint16`` array: a list of
ints is converted, since numpy is what its user wants. A module here may import its library at the top; only the process
that runs the contestant imports it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

BATCH = 512
"""Requests of one bulk read: about what a table holds at 125 registers each, and a multiple of every window."""

Registers = NDArray[np.uint16]


class Sample(NamedTuple):
    """The last values that were read, for the check after each round."""

    address: int
    values: Registers


def expected_holding(address: int, count: int) -> Registers:
    """What the server holds in these registers (``holding_value`` in ``c/bench.h``)."""
    return (np.arange(address, address + count, dtype=np.uint32) * 7919).astype(np.uint16)


def addresses(requests: int, registers: int) -> Iterator[int]:
    """Start addresses of a round's requests."""
    return (index % BATCH * registers for index in range(requests))


class Contestant(ABC):
    """One client library on one connection to ``host:port``."""

    package: ClassVar[str]
    """Name of the distribution, for its version."""
    most_in_flight: ClassVar[int] = 1
    """How many transactions its documented interface keeps in flight on one connection."""

    @abstractmethod
    def setup(self, host: str, port: int) -> None:
        """Connect."""

    @abstractmethod
    def read(self, requests: int, registers: int, in_flight: int, coalesce: bool) -> Sample:
        """Make so many requests; only contestants that can, look at the last two arguments."""

    @abstractmethod
    def poll(self, wanted: Sequence[int]) -> Registers:
        """The values of scattered registers, asked for as this library's users do."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""


class Blocking(Contestant):
    """A library whose call returns when its answer is there."""

    @abstractmethod
    def read_one(self, address: int, registers: int) -> Registers:
        """One transaction."""

    def read(self, requests: int, registers: int, in_flight: int, coalesce: bool) -> Sample:
        for address in addresses(requests, registers):
            values = self.read_one(address, registers)
        return Sample(address, values)

    def poll(self, wanted: Sequence[int]) -> Registers:
        return np.array([self.read_one(address, 1)[0] for address in wanted], dtype=np.uint16)


class Asynchronous(Contestant):
    """A library for asyncio. All connections of a process share one event loop, as in a real program."""

    _loop: ClassVar[asyncio.AbstractEventLoop | None] = None

    @abstractmethod
    async def connect(self, host: str, port: int) -> None:
        """Connect, inside the loop."""

    @abstractmethod
    async def read_one(self, address: int, registers: int) -> Registers:
        """One transaction."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Disconnect, inside the loop."""

    @classmethod
    def loop(cls) -> asyncio.AbstractEventLoop:
        """The event loop of this process."""
        if Asynchronous._loop is None:
            Asynchronous._loop = asyncio.new_event_loop()
        return Asynchronous._loop

    def setup(self, host: str, port: int) -> None:
        self.loop().run_until_complete(self.connect(host, port))

    def read(self, requests: int, registers: int, in_flight: int, coalesce: bool) -> Sample:
        return self.loop().run_until_complete(self._read(requests, registers, in_flight))

    async def _read(self, requests: int, registers: int, in_flight: int) -> Sample:
        if in_flight == 1:
            return await self._read_in_turn(addresses(requests, registers), registers)
        shared = addresses(requests, registers)
        samples = await asyncio.gather(*(self._read_in_turn(shared, registers) for _ in range(in_flight)))
        return samples[0]

    async def _read_in_turn(self, starts: Iterator[int], registers: int) -> Sample:
        address, values = 0, expected_holding(0, 0)
        for start in starts:
            address, values = start, await self.read_one(start, registers)
        return Sample(address, values)

    def poll(self, wanted: Sequence[int]) -> Registers:
        return self.loop().run_until_complete(self._poll(wanted))

    async def _poll(self, wanted: Sequence[int]) -> Registers:
        answers = await asyncio.gather(*(self.read_one(address, 1) for address in wanted))
        return np.concatenate(answers)

    def close(self) -> None:
        self.loop().run_until_complete(self.disconnect())
