"""What can be recorded: a client, a poller, a plant, or chunks from elsewhere; and what a recording needs of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..samples import Samples
from ..settings import Settings

if TYPE_CHECKING:
    from ..poller import Poller


class ChunksLike(Protocol):
    """What a recording needs of `Chunks`."""

    def __iter__(self) -> Iterator[Samples]: ...
    def close(self) -> None: ...


class PollerLike(Protocol):
    """What a recording needs of a `Poller`."""

    @property
    def running(self) -> bool: ...
    def start(self) -> object: ...
    def stop(self) -> None: ...
    @property
    def stats(self) -> Mapping[str, Any]: ...
    def chunks(self, *, every: Any) -> ChunksLike: ...


@runtime_checkable
class ClientLike(Protocol):
    """What a `Poller` needs of a client, of either kind."""

    _settings: Settings


@runtime_checkable
class PlantLike(Protocol):
    """An open plant."""

    def poller(self) -> Poller: ...


def poller_of(source: Any, tags: Any, every: Any, held: ExitStack) -> tuple[PollerLike | None, bool]:
    """The poller of a source, and whether it is the recording's to stop; None for chunks from elsewhere."""
    from ..poller import Poller

    if isinstance(source, Poller):
        return source, not source.running
    if isinstance(source, PlantLike):
        return held.enter_context(contextlib.closing(source.poller())), True
    if isinstance(source, ClientLike):
        poller = held.enter_context(contextlib.closing(Poller()))
        poller.add(source, tags, every=every)
        return poller, True
    if isinstance(source, Iterable):
        return None, False
    raise TypeError(
        f"source is {source!r}, a {type(source).__name__}; it must be a client, a poller, a plant, or Samples"
    )
