"""Samples: what polling brings, as columns. See `table` for the object, `rows` for what it is made from."""

from .rows import Rows

__all__ = ["Rows"]
