"""What was asked for of one client or view, made complete, and what follows from it for every call.

Shared by all kinds of clients, and below them: it connects nothing and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import calls, checks, options
from ._core import reactor
from .calls import Call
from .explain import Where
from .options import Options

if TYPE_CHECKING:
    from pathlib import Path

    from .maps import Map
    from .naming import Names
    from .plan import Learnt


class Settings:
    """The options and the map of one client or view.

    Attributes
    ----------
    options : Options
        Complete: built-in values filled in.
    map : Map or None
    default : Call
        The settings of a call that gives none itself.
    unit_limit : int or None
        Requests in flight that a view allows its unit; None where the connection's window counts.
    learnt_file : Path or None
        Where what the unit teaches is kept.
    connections : callable
        How many connections the client has made so far; the client says so.
    in_flight : callable
        How many requests in flight have paid, 0 when that is not known; the client says so.
    """

    __slots__ = (
        "_kept", "_names", "connections", "default", "in_flight", "learnt_file", "map", "options", "unit_limit",
    )  # fmt: skip

    def __init__(
        self, complete: Options, map: Map | None, learnt: Any, where: Where, unit_limit: int | None = None
    ) -> None:
        self.options, self.map, self.unit_limit = complete, map, unit_limit
        self.connections: Callable[[], int] = lambda: 0
        self.in_flight: Callable[[], int] = lambda: 0
        self.default = _call_of(complete, where)
        self._names: dict[int, Names] = {}
        self.learnt_file: Path | None = None
        self._kept: tuple[Learnt, int] | None = None
        if learnt is not None:
            from pathlib import Path

            self.learnt_file = Path(learnt)
            self._load(self.learnt_file)

    @classmethod
    def of_client(cls, host: str, port: int | None, map: Any, learnt: Any, given: Mapping[str, Any]) -> Settings:
        """Those of a client that has a connection of its own.

        Raises
        ------
        TypeError, ValueError
            An option is unknown, of the wrong type or out of range.
        """
        if not isinstance(host, str):
            raise TypeError(f"host is {host!r}, a {type(host).__name__}; a name or an address is needed")
        if not host:
            raise ValueError("host is empty; a name or an address is needed")
        device = _map_of(map)
        complete = _with_map(options.parse(given), device).over(options.BUILT_IN)
        transport = options.transport_of(complete)
        port = options.port_of(transport) if port is None else checks.integer("port", port, 1, 65535)
        where = Where(complete.name or "", host, port, complete.timeout or 0.0, secure=transport == "tls")
        return cls(complete._replace(transport=transport), device, learnt, where)

    def view(self, unit: int, map: Any, learnt: Any, given: Mapping[str, Any]) -> Settings:
        """Those of a view of another unit behind the same connection.

        Raises
        ------
        TypeError
            An option that belongs to the connection.
        """
        device = _map_of(map)
        wanted = _with_map(options.parse({"unit": unit, **given}), device)
        shared = sorted(name for name in given if name in options.OF_CONNECTION)
        if shared:
            raise TypeError(f"{', '.join(shared)} belong to the connection: give them to the client, not to a view")
        complete = wanted.over(self.options)
        where = self.default.where._replace(name=complete.name or "", timeout=complete.timeout or 0.0)
        limit = wanted.in_flight if isinstance(wanted.in_flight, int) else None
        return Settings(complete, device, learnt, where, limit)

    def call(self, unit: int | None, timeout: Any, deadline: Any) -> Call:
        """The settings of one call: these, with what the call itself gives."""
        own = options.parse({"unit": unit, "timeout": timeout, "deadline": deadline}).over(self.options)
        assert own.unit is not None and own.timeout is not None
        until = calls.NO_DEADLINE if own.deadline is None else reactor.now() + int(own.deadline * 1e9)
        return replace(
            self.default,
            unit=own.unit,
            timeout=int(own.timeout * 1e9),
            deadline=until,
            where=self.default.where._replace(timeout=own.timeout),
        )

    def names(self, unit: int) -> Names:
        """What can be read and written by name in a unit."""
        if unit not in self._names:
            from .naming import Names

            self._names[unit] = Names(
                self.map,
                unit=unit,
                max_registers=self.default.max_registers,
                max_bits=self.default.max_bits,
                connections=self._made,
                keep=self.keep,
            )
        return self._names[unit]

    def _made(self) -> int:
        return self.connections()

    def _load(self, file: Path) -> None:
        """What was learnt before, where there is anything."""
        from .plan import Learnt

        names = self.names(self.default.unit)
        if file.exists():
            names.learn(Learnt.load(file), names.learnt, reactor.now() / 1e9)
        self._kept = names.learnt, names.learnt.in_flight or 0

    @property
    def known_in_flight(self) -> int:
        """How many requests in flight paid another day; 0 when that is not known."""
        return self._kept[1] if self._kept else 0

    def learnt(self) -> Learnt:
        """All that the unit has taught, and what the connection has."""
        names = self.names(self.default.unit)
        in_flight = self.in_flight() or self.known_in_flight
        return names.learnt if in_flight == (names.learnt.in_flight or 0) else names.learnt.with_in_flight(in_flight)

    def keep(self) -> None:
        """Write down what the unit has taught since the last time. A file that cannot be written fails no call."""
        if self.learnt_file is None or self._kept is None:
            return
        names, in_flight = self._names[self.default.unit], self.in_flight() or self._kept[1]
        if names.learnt is self._kept[0] and in_flight == self._kept[1]:
            return
        self._kept = names.learnt, in_flight
        try:
            self.learnt().save(self.learnt_file)
        except OSError as error:
            from logging import getLogger  # as long to load as all of the package

            place = self.default.where.label
            getLogger("fastmodbus").warning("%s: what was learnt cannot be kept: %s", place, error)


def _call_of(complete: Options, where: Where) -> Call:
    assert complete.unit is not None and complete.timeout is not None and complete.retries is not None
    return Call(
        unit=complete.unit,
        timeout=int(complete.timeout * 1e9),
        deadline=calls.NO_DEADLINE,
        retries=complete.retries,
        max_registers=complete.max_registers or 1,
        max_bits=complete.max_bits or 1,
        read_only=bool(complete.read_only),
        write_single=complete.write_single or "fc06",
        where=where,
    )


def _map_of(map: Any) -> Map | None:
    if map is None:
        return None
    from .maps import Map, load_map

    return map if isinstance(map, Map) else load_map(map)


def _with_map(given: Options, map: Map | None) -> Options:
    """What a map asks for counts where nothing else is given; of limits the smaller."""
    if map is None:
        return given
    limits = map.limits
    its = options.parse({**map.options, "max_registers": limits.max_registers, "max_bits": limits.max_bits})
    merged = given.over(its)
    if limits.in_flight is None:
        return merged
    most = merged.in_flight if isinstance(merged.in_flight, int) else limits.in_flight
    return merged._replace(in_flight=min(most, limits.in_flight))
