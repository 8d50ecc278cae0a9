"""Polling one client for so many rows or so long: what `Client.poll` does, by means of a `Poller` of its own."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..options import seconds
from ..samples import Samples, concat
from .feed import Grid
from .grouping import Group, Pollable, groups_of, name_of
from .poller import Poller

Polled = Samples | dict[str, Samples]


def _planned(client: Pollable, tags: Any, every: Any, count: Any, duration: Any) -> tuple[list[Group], list[Grid]]:
    if (count is None) == (duration is None):
        raise ValueError("how long? Give count, the number of rows, or duration, as in duration='10s'; one of them")
    groups = groups_of(client._settings, tags, every, None, None)
    if count is not None:
        grids = [Grid(aligned=False, rows=checks.integer("count", count, 1, 1 << 40))] * len(groups)
    else:
        grids = [Grid(aligned=False, duration=seconds("duration", duration))] * len(groups)
    return groups, grids


def poll(client: Pollable, tags: Any, every: Any, count: Any, duration: Any) -> Polled:
    """Poll until it is enough; see `Client.poll`."""
    groups, grids = _planned(client, tags, every, count, duration)
    found: dict[str, list[Samples]] = {group.name: [] for group in groups}
    with Poller(on_full="raise") as poller:
        poller._put(client, name_of(client._settings), groups, grids)
        chunks = poller.chunks()
        try:
            for chunk in chunks:
                found[chunk.group].append(chunk)
        except KeyboardInterrupt as interrupt:
            poller.stop()
            for chunk in chunks:
                found[chunk.group].append(chunk)
            interrupt.partial = _joined(found)  # type: ignore[attr-defined]
            raise
    result = _joined(found)
    assert result is not None
    return result


async def poll_in_loop(client: Pollable, tags: Any, every: Any, count: Any, duration: Any) -> Polled:
    """The same for an event loop: `AsyncClient.poll`. Cancelling it ends the polling."""
    groups, grids = _planned(client, tags, every, count, duration)
    found: dict[str, list[Samples]] = {group.name: [] for group in groups}
    with Poller(on_full="raise") as poller:
        poller._put(client, name_of(client._settings), groups, grids)
        async for chunk in poller.chunks():
            found[chunk.group].append(chunk)
    result = _joined(found)
    assert result is not None
    return result


def _joined(found: dict[str, list[Samples]]) -> Polled | None:
    """The rows of each group that has any; those alone where there is only one group."""
    joined = {group: concat(parts) for group, parts in found.items() if parts}
    if len(found) == 1:
        return next(iter(joined.values()), None)
    return joined
