"""What all parts of the blocking client stand on: its settings, its link, running a call, opening and closing.

Only the parts of `Client` use it. It knows no function of Modbus.
"""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .. import errors
from ..calls import Call, Steps
from ..settings import Settings
from ..transport import Link

if TYPE_CHECKING:
    from ..statistics import Statistics

T = TypeVar("T")


class Base:
    """A client without functions."""

    def _set_up(self, link: Link, settings: Settings, parent: Base | None = None) -> None:
        self._link, self._settings = link, settings
        settings.connections = link.connections
        self._default, self._has_deadline = settings.default, settings.options.deadline is not None
        self._parent = parent  # of a view: it keeps the client alive whose connection it uses
        self._closed = False
        self._companion: Any = None

    # -------------------------------------------------------------------------------------------- running

    def _call(self, unit: int | None, timeout: Any, deadline: Any) -> Call:
        """The settings of one call: the client's, with what the call itself gives."""
        if self._closed:
            raise errors.ClientClosed(
                f"{self._default.where.label}, unit {self.unit}: the client is closed", host=self.host, port=self.port
            )
        if unit is None and timeout is None and deadline is None and not self._has_deadline:
            return self._default
        return self._settings.call(unit, timeout, deadline)

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

    def _explain_loss(self, call: Call) -> None:
        if call.where.lost != self._link.lost:
            call.where = call.where._replace(lost=self._link.lost)

    # -------------------------------------------------------------------------------------------- the client itself

    @property
    def host(self) -> str:
        return self._link.host

    @property
    def port(self) -> int:
        return self._link.port

    @property
    def unit(self) -> int:
        return self._default.unit

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known without sending anything."""
        return self._link.core.connected and not self._closed

    @property
    def stats(self) -> Statistics:
        """Counters and round trips of the connection since the client was made."""
        from ..statistics import Statistics

        return Statistics.of(self._link.core)

    def trace(self, capacity: int = 1 << 18) -> None:
        """Keep the traffic from now on in a ring of `capacity` bytes for `drain_trace`; 0 stops it."""
        from .. import checks

        self._link.core.start_trace(checks.integer("capacity", capacity, 0, 1 << 30))

    def drain_trace(self) -> tuple[list[tuple[int, bool, bytes]], int]:
        """What was recorded since the last call: [(monotonic ns, received, bytes), ...] and how many found no room."""
        return self._link.core.drain_trace()

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
            self._link.close()
            if self._companion is not None:
                self._companion.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_parent", self) is None and not self._closed and self._link.core.connected:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __repr__(self) -> str:
        state = (
            "closed" if self._closed or self._link.core.closed else "connected" if self.connected else "not connected"
        )
        return f"<{type(self).__name__} {self._default.where.label} unit {self.unit}, {state}>"
