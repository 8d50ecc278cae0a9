"""Samples to pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .elements import Element, elements_of

if TYPE_CHECKING:
    import pandas

    from .table import Samples


def to_pandas(samples: Samples, tz: str | None, nullable: bool) -> pandas.DataFrame:
    """A DataFrame; see `Samples.to_pandas`."""
    import pandas

    index = pandas.DatetimeIndex(samples["time"], name="time", tz="UTC")
    index = index.tz_localize(None) if tz is None else index.tz_convert(tz)
    columns = {one.name: _column(one, nullable) for one in elements_of(samples)}
    frame = pandas.DataFrame(columns, index=index)
    units = {tag.name: tag.units for tag in samples.meta.values() if tag.units}
    frame.attrs = {"device": samples.device, "group": samples.group, "units": units}
    return frame


def _column(one: Element, nullable: bool) -> Any:
    from pandas import array, arrays

    kind, missing = one.tag.address.kind.kind, ~one.good
    if kind == "str":
        texts = one.values.astype(object)
        texts[missing] = None
        return array(texts, dtype="string")
    if kind == "bool":
        return arrays.BooleanArray(one.values.copy(), missing)
    if one.whole is not None and (nullable or one.values.dtype.kind in "iu"):
        return arrays.IntegerArray(one.whole.copy(), missing)
    return arrays.FloatingArray(one.values.copy(), missing) if nullable else one.values
