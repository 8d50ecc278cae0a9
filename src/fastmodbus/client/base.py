"""What all parts of the blocking client stand on: its link, running a call, opening and closing.

Only the parts of `Client` use it. It knows no function of Modbus.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from ..anyclient import AnyClient
from ..calls import Call, Steps
from ..transport import Link

T = TypeVar("T")


class Base(AnyClient):
    """A client without functions."""

    _link: Link

    def _run(self, call: Call, steps: Steps[T]) -> T:
        try:
            batch = next(steps)
            while True:
                self._link.run(batch)
                self._explain_loss(call)
                batch = next(steps)
        except StopIteration as finished:
            result: T = finished.value
            return result

    def connect(self) -> Self:
        """Connect now instead of at the first call.

        Raises
        ------
        ConnectionFailed
        """
        deadline = self._call(None, None, None).deadline
        self._link.open(deadline)
        return self

    def close(self) -> None:
        """Close the connection for good; a view only closes itself. Calls in progress end with `ClientClosed`."""
        self._closed = True
        if self._parent is None:
            self._link.shut()
            if self._companion is not None:
                self._companion.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
