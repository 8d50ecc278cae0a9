"""What a poll brought in and nobody has decoded yet: the interface between whoever polls and `Samples`.

The poller makes these, `Samples.of` decodes them in the consumer's thread. A plain value: no I/O, no decoding here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..values import Decoder


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Consecutive rows of one (device, group), one register image each.

    Parameters
    ----------
    decoder : Decoder
        Of the read plan.
    due : numpy.ndarray of int64, shape (n,)
        The grid instants, monotonic ns.
    images : numpy.ndarray of uint16, shape (n, at least decoder.registers)
        Each row is contiguous. What failed reads left there may be anything.
    statuses : numpy.ndarray of uint8, shape (n, reads)
        A `Quality` for each read of the plan, 0 where its answer came.
    sent, received : numpy.ndarray of int64, shape (n, reads)
        Monotonic ns; 0 where nothing was sent, where nothing came.
    first_row : int
        The number of the first row, counted per (device, group) since polling began.
    anchor : int
        What is to be added to the monotonic clock for the time of day: ns since 1970, UTC.
    period : float
        Seconds between two grid instants; 0 for back to back, infinite for what is read once.
    device, group : str
        Whose rows these are.
    keys : mapping of str to int, optional
        What the columns are called, and for each the number of its tag in ``decoder.plan.tags``; None for every tag
        under its own name. (Scale factors that nobody asked for have no key: see ``Selection.keys``.)
    """

    decoder: Decoder
    due: NDArray[np.int64]
    images: NDArray[np.uint16]
    statuses: NDArray[np.uint8]
    sent: NDArray[np.int64]
    received: NDArray[np.int64]
    first_row: int
    anchor: int
    period: float
    device: str
    group: str
    keys: Mapping[str, int] | None = None
