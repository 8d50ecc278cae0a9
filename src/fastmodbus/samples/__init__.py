"""Samples: what polling brings, as columns. See `table` for the object, `rows` for what it is made from."""

from .datasets import to_xarray
from .rows import Rows
from .statistics import SampleStatistics, Spread
from .table import Samples, concat

__all__ = ["Rows", "SampleStatistics", "Samples", "Spread", "concat", "to_xarray"]
