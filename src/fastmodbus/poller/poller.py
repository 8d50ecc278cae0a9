"""`Poller`: what is polled, from when to when, and the ways to its rows. The loop and the supervisor do the work."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any, Literal, Self

from .. import checks, errors
from .._core.loop import Loop
from ..options import seconds
from ..samples import Samples, concat
from ..transport import Link
from .anchors import Anchors
from .chunks import Chunks
from .feed import Feed, Grid
from .grouping import Group, Pollable, groups_of, name_of, phase_of
from .latest import Latest
from .statistics import PollStatistics, StatisticsByDevice, warnings_of
from .supervisor import Supervisor
from .worker import Worker

_pollers: weakref.WeakSet[Poller] = weakref.WeakSet()


class Poller:
    """Polls any number of devices at steady rates from one compiled thread, which does not need the interpreter.

    Each (device, group) has a grid of instants, absolute and monotonic, and gets one row for each of them: good values,
    and the reason where there is none. The rows are kept for consumers for a while; acquisition never waits for one.

    Parameters
    ----------
    buffer : float or str, default "60s"
        How long rows are kept, in seconds.
    on_full : {"drop_oldest", "raise"}
        What happens to a consumer that is slower than that: it misses the oldest rows, or gets `Overrun`.

    Examples
    --------
    >>> with fm.connect("sim:", name="plc") as plc, fm.Poller() as poller:
    ...     poller.add(plc, {"level": "hr0:i16"}, every="10ms")
    ...     for chunk in poller.chunks(rows=10):
    ...         break
    """

    def __init__(self, *, buffer: Any = "60s", on_full: Literal["drop_oldest", "raise"] = "drop_oldest") -> None:
        if on_full not in ("drop_oldest", "raise"):
            raise ValueError(f"on_full is {on_full!r}; allowed are 'drop_oldest' and 'raise'")
        self._buffer = seconds("buffer", buffer)
        self._strict = on_full == "raise"
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._loop = Loop()
        self._anchors = Anchors()
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._links: dict[Link, int] = {}
        self._own_links: dict[object, Link] = {}
        self._thread: Worker | None = None
        self._supervisor: Supervisor | None = None
        self._began = self._closed = False
        _pollers.add(self)

    # -------------------------------------------------------------------------------------------- what is polled

    def add(
        self,
        client: Pollable,
        tags: Any = None,
        *,
        every: Any = None,
        groups: Any = None,
        phase: Any = "spread",
        align: bool = True,
        device: str | None = None,
        group: str | None = None,
    ) -> list[tuple[str, str]]:
        """Poll a device, also while polling is under way.

        Parameters
        ----------
        client : Client
            It stays usable: its calls go out between the requests of polls, writes first.
        tags : str, Address or Tag, or a sequence or mapping of them, optional
            What `Client.read` takes. Without, what the client's map offers: its groups, or with `every` all of it.
        every : float or str, optional
            The period, in seconds or as text; 0 is back to back.
        groups : sequence of str, or mapping of str to period, optional
            Some of the map's groups, at other rates than the map's if given.
        phase : "spread", float or str
            How much later than the multiples of the period the instants are. "spread": the devices of one connection at
            once, and connections as far apart as can be.
        align : bool
            Multiples of the period of the wall clock, so that rows of several devices have the same times, and those of
            tomorrow's run as well; else from now on.
        device : str, optional
            What the rows are called; else the client's name, or its address.
        group : str, optional
            A name for `tags`, where a device has more than one set of them.

        Returns
        -------
        list of (device, group)
            What was added.

        Raises
        ------
        ValueError, TypeError
            No period, an unknown tag or group, or a (device, group) that is polled already; nothing is added.
        ForkedClient, ClientClosed
        """
        found = groups_of(client._settings, tags, every, groups, group)
        with self._lock:
            link = self._link_of(client)
            index = self._links.setdefault(link, len(self._links))
            grids = [Grid(phase_of(phase, one.every, index), bool(align)) for one in found]
            return self._put(client, device or name_of(client._settings), found, grids)

    def _put(self, client: Pollable, device: str, groups: list[Group], grids: list[Grid]) -> list[tuple[str, str]]:
        """Take up the groups of a device."""
        with self._lock:
            link = self._link_of(client)
            self._check_usable(link)
            for group in groups:
                if (device, group.name) in self._feeds:
                    raise ValueError(
                        f"{device!r}, group {group.name!r} is polled already; give another group or device"
                    )
            for group, grid in zip(groups, grids, strict=True):
                feed = Feed(device, group, link, client._settings.default, self._anchors, self._buffer)
                feed.grid, feed.owner = grid, client
                self._feeds[device, group.name] = feed
                try:
                    if self.running:
                        self._loop.add(link.core, feed.begin())
                except BaseException:  # Ctrl-C, or another poller has the connection
                    self._forget(feed)
                    raise
        self._loop.ring()
        return [(device, group.name) for group in groups]

    def _link_of(self, client: Pollable) -> Link:
        """The client's connection; one of its own for a client that an event loop drives."""
        link = getattr(client, "_link", None)
        if isinstance(link, Link):
            return link
        if link not in self._own_links:
            where = client._settings.default.where
            self._own_links[link] = Link(where.host, where.port, client._settings.options)
        return self._own_links[link]

    def _check_usable(self, link: Link) -> None:
        if self._closed:
            raise errors.ClientClosed("the poller is closed", host=link.host, port=link.port)
        if self._forked or link.core.forked:
            raise errors.ForkedClient(
                f"{link.log.place}: this was made before the process forked; make a new one in the child",
                host=link.host, port=link.port,
            )  # fmt: skip
        if link.core.closed:
            raise errors.ClientClosed(f"{link.log.place}: the client is closed", host=link.host, port=link.port)

    def remove(self, device: str | Pollable, group: str | None = None) -> None:
        """Poll a device, or one of its groups, no more; also while polling is under way. Its rows can still be read.

        Raises
        ------
        ValueError
            It is not polled.
        """
        name = device if isinstance(device, str) else name_of(device._settings)
        with self._lock:
            for feed in self._selected(name, group):
                self._forget(feed)
        self._loop.ring()

    def _forget(self, feed: Feed) -> None:
        feed.leave(self._loop)
        feed.removed = True
        del self._feeds[feed.device, feed.group]

    def _selected(self, device: str | None, group: str | None) -> list[Feed]:
        found = self._found(device, group)
        if not found and (device is not None or group is not None):
            known = ", ".join(f"{feed.device!r}/{feed.group!r}" for feed in self._found(None, None)) or "nothing"
            raise ValueError(f"device {device!r}, group {group!r} is not polled; polled are {known}")
        return found

    # -------------------------------------------------------------------------------------------- life

    @property
    def running(self) -> bool:
        """Whether polling is under way."""
        return self._thread is not None

    @property
    def _forked(self) -> bool:
        return self._process != os.getpid()

    def start(self) -> Self:
        """Begin; does nothing when polling is under way."""
        began = False
        try:
            with self._lock:
                if self._closed or self._forked:
                    raise errors.ClientClosed("the poller is closed" if self._closed else "the process was forked")
                self._began = True
                if self._thread is None:
                    began = True
                    self._start()
        except BaseException:
            if began:
                self.stop()
            raise
        return self

    def _start(self) -> None:
        self._supervisor = Supervisor(self._loop, self._anchors, lambda: self._selected(None, None))
        self._thread = Worker(self._loop.run, "fastmodbus poller")
        for feed in self._feeds.values():
            self._loop.add(feed.link.core, feed.begin())
        self._thread.start()
        self._supervisor.start()

    def stop(self) -> None:
        """Stop; rows can still be read. The clients are their callers' again. A grid goes on when `start` is called."""
        try:
            self._stop()
        except BaseException:
            self._stop()  # Ctrl-C came meanwhile; nobody else would stop what is left
            raise

    def _stop(self) -> None:
        with self._lock:
            if self._forked or (supervisor := self._supervisor) is None:
                return
            if self._thread is not None:
                if self._thread.going:
                    self._loop.stop()
                self._thread.wait()
                for feed in self._feeds.values():
                    feed.leave(self._loop)
                self._thread = None
        supervisor.stop()
        if self._supervisor is supervisor:
            self._supervisor = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._closed = True
        for link in self._own_links.values():
            link.shut()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------- rows

    def chunks(
        self,
        *,
        rows: int | None = None,
        every: Any = None,
        step: int | None = None,
        device: str | None = None,
        group: str | None = None,
    ) -> Chunks:
        """Rows as they come, a chunk at a time.

        Each call has a cursor of its own, and begins with the oldest rows that are kept.

        Parameters
        ----------
        rows : int, optional
            Rows a chunk.
        every : float or str, optional
            Rows of so many seconds a chunk, at least one; "1s" when neither is given.
        step : int, optional
            Rows from the beginning of one chunk to that of the next; fewer than `rows`: they overlap.
        device, group : str, optional
            Only these.

        Returns
        -------
        Chunks
            An iterator over `Samples`; it waits, and ends when polling does.

        Raises
        ------
        ValueError
            A chunk is longer than what is kept.
        """
        if rows is not None and every is not None:
            raise ValueError("a chunk has so many rows or so many seconds: give rows or every, not both")
        if rows is not None:
            rows = checks.integer("rows", rows, 1, 1 << 31)
        period = seconds("every", "1s" if every is None else every)
        if step is not None:
            if rows is None:
                raise ValueError("step counts in rows: give rows with it")
            step = checks.integer("step", step, 1, rows)
        for feed in self._selected(device, group):
            if rows is not None and rows > feed.capacity:
                raise ValueError(
                    f"rows is {rows}; the buffer keeps {feed.capacity} rows of {feed.label}: make it longer"
                )
            if rows is None and period > max(self._buffer, feed.period):
                raise ValueError(f"every is {every!r}; the buffer keeps {self._buffer:g} s: make it longer")
        return Chunks(
            self._loop, lambda: self._found(device, group), self._going_on,
            rows=rows, every=period, step=step, strict=self._strict,
        )  # fmt: skip

    def _going_on(self) -> bool:
        """Whether rows may still come.

        Raises
        ------
        ValueError
            Polling has not begun.
        """
        if not self._began:
            raise ValueError("polling has not begun: `with poller:` or poller.start() begins it")
        return self.running

    def _found(self, device: str | None, group: str | None) -> list[Feed]:
        with self._lock:
            feeds = list(self._feeds.values())
        return [feed for feed in feeds if device in (None, feed.device) and group in (None, feed.group)]

    def last(self, rows: int, *, device: str | None = None, group: str | None = None) -> Samples:
        """The newest rows of one (device, group), as many as there are; device and group need naming if there are more.

        Raises
        ------
        ValueError
            Several are meant, or none; or there is no row yet.
        """
        rows = checks.integer("rows", rows, 1, 1 << 31)
        feeds = self._selected(device, group)
        if len(feeds) != 1:
            named = ", ".join(feed.label for feed in feeds) or "nothing"
            raise ValueError(f"one device and group is needed, and meant are: {named}; name device and group")
        found = feeds[0].newest(rows)
        if not found:
            raise ValueError(f"{feeds[0].label}: there is no row yet")
        return concat([Samples.of(part) for part in found])

    def latest(self, device: str | None = None, group: str | None = None) -> Latest:
        """The newest value of each tag, by name; see `Latest` for what is known of it. Empty before the first row."""
        newest = [rows for feed in self._selected(device, group) if (rows := feed.last(1)) is not None]
        return Latest([Samples.of(rows) for rows in newest])

    # -------------------------------------------------------------------------------------------- how it goes

    @property
    def groups(self) -> int:
        """How many groups of devices are polled."""
        return len(self._feeds)

    @property
    def stats(self) -> Mapping[str, PollStatistics]:
        """Counters of each device, by its name; each is looked at when it is first asked for."""
        by_device: dict[str, list[Feed]] = {}
        for feed in self._selected(None, None):
            by_device.setdefault(feed.device, []).append(feed)
        return StatisticsByDevice(by_device)

    def check(self) -> str:
        """What will not work as it was asked for, a line each; empty when nothing is known to be wrong."""
        return "\n".join(warnings_of(self._selected(None, None)))

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self.running else "stopped"
        return f"<Poller: {len(self._feeds)} groups over {len(self._links)} connections, {state}>"


@atexit.register
def _stop_all() -> None:
    for poller in list(_pollers):
        poller.stop()


def _after_fork_in_child() -> None:
    """A child holds copies of the descriptors: waiting at them it would take what is its parent's.

    And a thread that it does not have may have held the lock.
    """
    for poller in list(_pollers):
        poller._loop.abandon_descriptors()
        poller._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
