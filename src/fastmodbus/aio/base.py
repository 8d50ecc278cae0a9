"""What all parts of the asyncio client stand on: its link, running a call, opening and closing.

Only the parts of `AsyncClient` use it. It knows no function of Modbus.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from ..anyclient import AnyClient
from ..calls import Call, Steps
from .link import Link

T = TypeVar("T")


class Base(AnyClient):
    """A client without functions."""

    _link: Link

    async def _run(self, call: Call, steps: Steps[T]) -> T:
        try:
            batch = next(steps)
            while True:
                await self._link.run(batch)
                self._explain_loss(call)
                batch = next(steps)
        except StopIteration as finished:
            result: T = finished.value
            return result

    async def connect(self) -> Self:
        """Connect now instead of at the first call.

        Raises
        ------
        ConnectionFailed
        """
        await self._link.open(self._call(None, None, None).deadline)
        return self

    async def close(self) -> None:
        """Close the connection for good; a view only closes itself. Calls in progress end with `ClientClosed`."""
        if self._parent is None:
            await self._link.close()
            if self._companion is not None:
                self._companion.close()
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
