"""A map from a plain CSV table whose columns are the fields of a tag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..address import DEVICE_ORDERS
from ..maps import Map
from ..maps.device import group_periods, make_tags, table_rows


def load_csv(
    path: str | Path, *, name: str = "", order: str = "ABCD", groups: Mapping[str, float | str] | None = None
) -> Map:
    """Load a map from a CSV table.

    Parameters
    ----------
    path : str or Path
        A table separated by commas, semicolons or tabs, its first row naming the columns: ``name`` and ``address``, and
        any other field of a tag.
    name : str
        The device type; the file's name by default.
    order : str
        The device's byte order.
    groups : mapping of str to float or str
        How often the groups of the table are polled; those not given have no rate.

    Raises
    ------
    MapError
        With file and line, tag and field.
    """
    path = Path(path)
    if order not in DEVICE_ORDERS:
        raise ValueError(f"unknown order {order!r}; orders: {' '.join(DEVICE_ORDERS)}")
    tags = tuple(
        tag for file, entry in table_rows(path) for tag in make_tags(entry, order=order, file=file)
    )  # fmt: skip
    periods: dict[str, float | None] = {tag.group: None for tag in tags if tag.group}
    return Map(name or path.stem, tags, periods | group_periods(groups or {}), order=order, file=str(path))
