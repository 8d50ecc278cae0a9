"""What some rows are worth, in numbers: counts by quality, lateness, round trips. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..quality import Quality
from .columns import Timing


class Spread(NamedTuple):
    """How some times are spread, in seconds; NaN where there are none."""

    median: float
    p99: float
    max: float

    @classmethod
    def of(cls, nanoseconds: NDArray[np.int64]) -> Self:
        """The spread of so many nanoseconds."""
        if not nanoseconds.size:
            return cls(np.nan, np.nan, np.nan)
        median, p99, largest = np.percentile(nanoseconds, [50, 99, 100]) / 1e9
        return cls(float(median), float(p99), float(largest))


@dataclass(frozen=True, slots=True)
class SampleStatistics:
    """Counts of some Samples.

    Attributes
    ----------
    rows : int
    dropped : int
        Rows between the first and the last that are not among them.
    values, good : int
        Elements of all columns, and how many of them have the quality GOOD.
    qualities : mapping of Quality to int
        How many values have each quality that there is.
    lateness : Spread
        From a row's instant to its first request.
    round_trip : Spread
        From a request to its answer.
    """

    rows: int
    dropped: int
    values: int
    good: int
    qualities: Mapping[Quality, int]
    lateness: Spread
    round_trip: Spread

    @classmethod
    def of(
        cls,
        row: NDArray[np.int64],
        qualities: Mapping[Quality, int],
        due: NDArray[np.int64],
        timing: Timing,
    ) -> Self:
        """Count the rest."""
        never = np.iinfo(np.int64).max
        first = np.where(timing.sent == 0, never, timing.sent).min(axis=1, initial=never)
        answered = (timing.sent != 0) & (timing.received != 0)
        return cls(
            len(row),
            int(np.maximum(np.diff(row) - 1, 0).sum()),
            sum(qualities.values()),
            qualities.get(Quality.GOOD, 0),
            qualities,
            Spread.of((first - due)[first != never]),
            Spread.of((timing.received - timing.sent)[answered]),
        )
