"""What clients of both kinds have in common: the settings of their calls, what they say of themselves.

The blocking and the asyncio client stand on it. It runs nothing.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol

from . import errors
from .calls import Call
from .settings import Settings

if TYPE_CHECKING:
    from ._core.state import SessionState
    from .statistics import Statistics


NOTHING: Any = object()  #: an argument that was not given


class AnyLink(Protocol):
    """The connection of a client, whoever drives it."""

    host: str
    port: int

    @property
    def core(self) -> SessionState: ...
    @property
    def lost(self) -> str: ...
    @property
    def connected(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def connections(self) -> int: ...
    def shut(self) -> None: ...


class AnyClient:
    """A client that cannot run anything yet."""

    _link: AnyLink

    def _set_up(self, settings: Settings, parent: AnyClient | None = None) -> None:
        self._settings = settings
        settings.connections = self._link.connections
        self._default, self._has_deadline = settings.default, settings.options.deadline is not None
        self._parent = parent  # of a view: it keeps the client alive whose connection it uses
        self._closed = False
        self._companion: Any = None
        if parent is None:
            core = self._link.core
            settings.in_flight = lambda: core.learnt
            core.learnt = settings.known_in_flight
        if settings.unit_limit is not None:
            self._link.core.limit_unit(self.unit, settings.unit_limit)

    def _call(self, unit: int | None, timeout: Any, deadline: Any) -> Call:
        """The settings of one call: the client's, with what the call itself gives."""
        if self._closed:
            raise errors.ClientClosed(
                f"{self._default.where.label}, unit {self.unit}: the client is closed", host=self.host, port=self.port
            )
        if unit is None and timeout is None and deadline is None and not self._has_deadline:
            return self._default
        return self._settings.call(unit, timeout, deadline)

    def _explain_loss(self, call: Call) -> None:
        if call.where.lost != self._link.lost:
            call.where = call.where._replace(lost=self._link.lost)

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
        return self._link.connected and not self._closed

    @property
    def stats(self) -> Statistics:
        """Counters and round trips of the connection since the client was made."""
        from .statistics import Statistics

        return Statistics.of(self._link.core)

    def trace(self, capacity: int = 1 << 18) -> None:
        """Keep the traffic from now on in a ring of `capacity` bytes for `drain_trace`; 0 stops it."""
        from . import checks

        self._link.core.start_trace(checks.integer("capacity", capacity, 0, 1 << 30))

    def drain_trace(self) -> tuple[list[tuple[int, bool, bytes]], int]:
        """What was recorded since the last call: [(monotonic ns, received, bytes), ...] and how many found no room."""
        return self._link.core.drain_trace()

    def __del__(self) -> None:
        if getattr(self, "_parent", self) is None and not self._closed and self._link.connected:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self._link.shut()
            if self._companion is not None:
                self._companion.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed or self._link.closed else "connected" if self.connected else "not connected"
        return f"<{type(self).__name__} {self._default.where.label} unit {self.unit}, {state}>"
