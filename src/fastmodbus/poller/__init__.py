"""Polling many devices from one compiled thread: `Poller`. Edge; the rules of rows are the core's (schedule)."""

from .chunks import Chunks
from .latest import Latest
from .poller import Poller
from .statistics import PollStatistics

__all__ = ["Chunks", "Latest", "PollStatistics", "Poller"]
