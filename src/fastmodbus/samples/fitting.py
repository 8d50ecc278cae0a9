"""Samples whose tags or period changed on the way, brought to one layout: recordings live through changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..quality import Quality
from ..tags import Tag
from ..values import column_dtype, raw_column_dtype
from .columns import Held, Timing
from .layout import Layout
from .table import Samples

Column = tuple[NDArray[Any], NDArray[Any] | None, NDArray[np.uint8]]


def fitted(parts: list[Samples]) -> list[Samples]:
    """The same rows with the same columns, as the last has them; what was not asked for is SUSPENDED.

    Raises
    ------
    ValueError
        A tag that is a number in one and text in another, say.
    """
    newest = parts[-1]
    if all(part.period == newest.period and part.layout.fits(newest.layout) for part in parts):
        return parts
    tags = {tag.name: tag for part in parts for tag in part.layout.tags}
    layout = Layout.of_tags(tags.values())
    return [_fitted(part, layout, newest.period) for part in parts]


def _fitted(samples: Samples, layout: Layout, period: float) -> Samples:
    columns = [_column(samples, tag) for tag in layout.tags]
    return Samples(
        layout,
        Held(*zip(*columns, strict=True)),
        samples["time"],
        due=samples["time"].view(np.int64) - samples.anchor,
        row=samples.row,
        timing=Timing.unknown(samples.rows, len(layout.tags)),
        device=samples.device,
        group=samples.group,
        period=period,
    )


def _column(samples: Samples, tag: Tag) -> Column:
    shape = (samples.rows,) if tag.address.count is None else (samples.rows, tag.address.count)
    dtype, raw = column_dtype(tag), raw_column_dtype(tag)
    if tag.name not in samples.layout.index:
        nothing = np.full(shape, np.nan) if dtype.kind == "f" else np.zeros(shape, dtype)
        return nothing.astype(dtype, copy=False), np.zeros(shape, raw), np.full(shape, Quality.SUSPENDED, np.uint8)
    values, number = samples[tag.name], samples.layout.index[tag.name]
    if values.dtype.kind != dtype.kind or values.shape != shape:
        raise ValueError(f"{tag.name!r} became something else during the recording; load the time before or after it")
    found = samples.source.raw(number) if samples.layout.tags[number] == tag else None
    return values.astype(dtype, copy=False), found, samples.quality[tag.name]
