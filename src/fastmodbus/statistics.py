"""Counters of a connection as a value: what was sent, answered, dropped, and how long answers took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self


def percentile_of(histogram: Sequence[tuple[float, int]], percentile: float) -> float:
    """The upper bound of the bucket, of (upper bound, count) in order, that so many percent reach; NaN of nothing."""
    total = sum(count for _, count in histogram)
    seen = 0
    for bound, count in histogram:
        seen += count
        if total and seen >= total * percentile / 100:
            return bound
    return float("nan")


class Source(Protocol):
    """What statistics are read from: a session of the core."""

    def counters(self) -> dict[str, int]: ...
    def round_trips(self) -> list[tuple[int, int]]: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def window(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counters of one connection since its client was made.

    Attributes
    ----------
    requests, answers : int
        Sent, repetitions included; matched to a request, exceptions included.
    exceptions, protocol_errors, timeouts, retries : int
    stale, unknown : int
        Answers that were dropped: late ones, and ones with an id that nobody waits for.
    connections, losses : int
    bytes_sent, bytes_received : int
    in_flight, limit, window : int
        Requests in flight now, how many may be now, and how many may ever be; with ``in_flight="auto"`` the limit is
        what was learnt so far.
    """

    requests: int
    answers: int
    exceptions: int
    protocol_errors: int
    timeouts: int
    retries: int
    stale: int
    unknown: int
    connections: int
    losses: int
    bytes_sent: int
    bytes_received: int
    in_flight: int
    limit: int
    window: int
    histogram: tuple[tuple[float, int], ...]

    @classmethod
    def of(cls, source: Source) -> Self:
        """Read a session's counters."""
        histogram = tuple((bound / 1e9, count) for bound, count in source.round_trips())
        return cls(
            **source.counters(),
            in_flight=source.in_flight,
            limit=source.limit,
            window=source.window,
            histogram=histogram,
        )

    def round_trip(self, percentile: float) -> float:
        """Seconds that so many percent of the answers took at most, to 12 %; NaN before the first answer."""
        return percentile_of(self.histogram, percentile)
