"""Samples to xarray, with the attributes of the CF conventions (cfconventions.org, 1.11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..quality import Quality
from ..tags import Tag

if TYPE_CHECKING:
    import xarray

    from .table import Samples

CONVENTIONS = "CF-1.11"
QUALITY = "_quality"


def to_dataset(samples: Samples, quality: bool = True) -> xarray.Dataset:
    """A Dataset; see `Samples.to_xarray`."""
    import xarray

    variables: dict[str, Any] = {}
    taken = {"time", "device"}
    names = [_free(tag.replace("/", "_"), taken) for tag in samples.meta]  # a slash is a path in netCDF
    for name, tag in zip(names, samples.meta.values(), strict=True):
        dims = ("time",) if tag.address.count is None else ("time", f"{name}_element")
        attributes = _attributes(tag)
        if quality:
            beside = attributes["ancillary_variables"] = _free(f"{name}{QUALITY}", taken)
            variables[beside] = (dims, np.array(samples.quality[tag.name]), _quality_attributes(name))
        variables[name] = (dims, samples[tag.name], attributes)
    return xarray.Dataset(
        variables,
        coords={
            "time": ("time", samples["time"], {"standard_name": "time", "long_name": "instant, UTC", "axis": "T"}),
            "device": ((), samples.device, {"long_name": "device"}),
        },
        attrs={
            "Conventions": CONVENTIONS,
            "source": "Modbus, by fastmodbus",
            "group": samples.group,
            "period": samples.period,
        },
    )


def to_xarray(samples: Iterable[Samples], dim: str = "device", *, quality: bool = True) -> xarray.Dataset:
    """Join Samples of several devices into one Dataset.

    Parameters
    ----------
    samples : iterable of Samples
        At least one; of devices with the same tags, usually.
    dim : str
        The new dimension; its coordinate has the names of the devices.
    quality : bool
        With a variable ``name_quality`` beside each.

    Returns
    -------
    xarray.Dataset
        On all instants that any of them has. Where a device has none a number is NaN, and the quality is MISSED.
    """
    import xarray

    datasets = [to_dataset(one, quality) for one in samples]
    if not datasets:
        raise ValueError("to_xarray needs at least one Samples")
    blank = {name: _blank(one[name]) for one in datasets for name in one.data_vars}
    renamed = [one.rename(device=dim) if dim != "device" else one for one in datasets]
    return xarray.concat(renamed, dim, join="outer", fill_value=blank, data_vars="all", combine_attrs="drop_conflicts")


def _blank(variable: xarray.DataArray) -> Any:
    """What stands where a device has no row: what stands elsewhere where a value is missing."""
    if variable.attrs.get("standard_name") == "status_flag":
        return int(Quality.MISSED)
    return np.nan if variable.dtype.kind == "f" else np.zeros((), variable.dtype)[()]


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it that is not taken yet; it is then."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _attributes(tag: Tag) -> dict[str, Any]:
    found: dict[str, Any] = {"long_name": tag.description or tag.name, "modbus_address": str(tag.address)}
    if tag.units:
        found["units"] = tag.units
    if tag.labels:
        found["flag_values"] = np.array(list(tag.labels))
        found["flag_meanings"] = _meanings(tag.labels.values())
    elif tag.bits:
        found["flag_masks"] = np.array([1 << bit for bit in tag.bits], np.uint64)
        found["flag_meanings"] = _meanings(tag.bits.values())
    return found


def _quality_attributes(name: str) -> dict[str, Any]:
    return {
        "long_name": f"quality of {name}; 128 and more: the device's exception",
        "standard_name": "status_flag",
        "flag_values": np.array([int(one) for one in Quality], np.uint8),
        "flag_meanings": _meanings(one.name for one in Quality),
    }


def _meanings(names: Iterable[str]) -> str:
    """Words apart by blanks (CF 3.5), so no blanks within."""
    return " ".join("_".join(name.split()) for name in names)
