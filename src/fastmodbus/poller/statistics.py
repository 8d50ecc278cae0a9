"""How polling goes, in numbers, for each device; and what to expect before it hurts. Plain values made from feeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from ..statistics import percentile_of
from .feed import Feed

Histogram = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class PollStatistics:
    """Counters of one device since it was added.

    Attributes
    ----------
    polls, good, missed : int
        Rows; those in which every read was answered well; those with something that could not be asked for in time.
    dropped : int
        Rows that some consumer came too late for.
    requests : int
        Requests of one poll of every group.
    retries : int
        Requests that were sent again.
    bytes_sent, bytes_received : int
        Of the connection, which devices may share.
    write_wait : float
        The longest that a write had to wait for its turn on the connection, in seconds.
    """

    polls: int
    good: int
    missed: int
    dropped: int
    requests: int
    retries: int
    bytes_sent: int
    bytes_received: int
    write_wait: float
    lateness_histogram: Histogram
    round_trip_histogram: Histogram

    @classmethod
    def of(cls, feeds: Sequence[Feed]) -> Self:
        """Those of one device, of all its groups."""
        jobs = [feed.job for feed in feeds if feed.job is not None]
        counters = sum((Counter(job.counters()) for job in jobs), Counter())
        lateness, round_trips = zip(*(job.histograms() for job in jobs), strict=True) if jobs else ((), ())
        core = feeds[0].link.core
        connection = core.counters()
        return cls(
            polls=counters["rows"],
            good=counters["good"],
            missed=counters["missed"],
            dropped=sum(feed.dropped for feed in feeds),
            requests=sum(len(feed.plan.reads) for feed in feeds),
            retries=counters["retries"],
            bytes_sent=connection["bytes_sent"],
            bytes_received=connection["bytes_received"],
            write_wait=core.longest_write_wait / 1e9,
            lateness_histogram=_joined(lateness),
            round_trip_histogram=_joined(round_trips),
        )

    def lateness(self, percentile: float) -> float:
        """Seconds from its instant to its first request, for so many percent of the rows at most, to 12 %."""
        return percentile_of(self.lateness_histogram, percentile)

    def round_trip(self, percentile: float) -> float:
        """Seconds from request to good answer, for so many percent of them at most, to 12 %."""
        return percentile_of(self.round_trip_histogram, percentile)


def _joined(histograms: Sequence[Sequence[tuple[int, int]]]) -> Histogram:
    """One of several, in seconds instead of ns."""
    if len(histograms) == 1:
        return tuple((bound / 1e9, count) for bound, count in histograms[0])
    found: Counter[int] = Counter()
    for histogram in histograms:
        found.update(dict(histogram))
    return tuple((bound / 1e9, count) for bound, count in sorted(found.items()))


class StatisticsByDevice(Mapping[str, PollStatistics]):
    """Those of each device, made when they are first asked for: of thousands mostly few are."""

    def __init__(self, feeds: Mapping[str, Sequence[Feed]]) -> None:
        self._feeds = feeds
        self._known: dict[str, PollStatistics] = {}

    def __getitem__(self, device: str) -> PollStatistics:
        if device not in self._known:
            self._known[device] = PollStatistics.of(self._feeds[device])
        return self._known[device]

    def __iter__(self) -> Iterator[str]:
        return iter(self._feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def __repr__(self) -> str:
        return repr(dict(self))


def warnings_of(feeds: Iterable[Feed]) -> list[str]:
    """What will not work as it was asked for, a line each. Uses the round trips measured so far; nothing is sent."""
    by_link: dict[int, list[Feed]] = {}
    for feed in feeds:
        by_link.setdefault(id(feed.link), []).append(feed)
    return [line for shared in by_link.values() for line in _load(shared)]


def _load(feeds: list[Feed]) -> Iterable[str]:
    """Whether the reads of one connection fit into their periods."""
    link = feeds[0].link
    place = link.log.place
    trip = _typical_trip(feeds)
    reads = sum(len(feed.plan.reads) for feed in feeds)
    if math.isnan(trip):
        yield f"{place}: {reads} reads; how long they take is not known before the first answers"
        return
    each = max(trip / link.core.limit, link.options.request_gap or 0.0)
    load = sum(len(feed.plan.reads) * each / feed.period for feed in feeds if 0 < feed.period < math.inf)
    for feed in feeds:
        cycle = len(feed.plan.reads) * each
        if 0 < feed.period < cycle:
            count = len(feed.plan.reads)
            yield f"{feed.label}: {count} reads, {cycle:.2g} s a cycle; every={feed.period:g} s cannot hold"
    if load > 1 and len(feeds) > 1:
        yield f"{place}: its {len(feeds)} groups together need {load:.0%} of the time there is"
    elif 0.8 < load <= 1:
        yield f"{place}: {reads} reads take {load:.0%} of the time there is; little is left for calls and retries"


def _typical_trip(feeds: list[Feed]) -> float:
    measured = PollStatistics.of(feeds).round_trip(50)
    if not math.isnan(measured):
        return measured
    return percentile_of([(bound / 1e9, count) for bound, count in feeds[0].link.core.round_trips()], 50)
