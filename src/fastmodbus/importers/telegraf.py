"""A map from the configuration of Telegraf's ``inputs.modbus`` plugin, in its three styles: register, request, metric.

The styles and their fields are those of the plugin's sample configurations. What the plugin reads is kept (register,
type, byte order, scale); how it optimises its requests is not: a read plan does that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..address import Address, did_you_mean
from ..maps import Map
from ..maps.files import checked, read_toml
from ..tags import Tag, map_error

AREAS = {"coil": "co", "discrete": "di", "holding": "hr", "input": "ir"}
ORDERS = {
    "": "ABCD", "AB": "ABCD", "BA": "DCBA", "ABCD": "ABCD", "CDAB": "CDAB", "BADC": "BADC", "DCBA": "DCBA",
    "MSW-BE": "ABCD", "MSW-LE": "BADC", "LSW-BE": "CDAB", "LSW-LE": "DCBA",
    "ABCDEFGH": "ABCD", "GHEFCDAB": "CDAB", "BADCFEHG": "BADC", "HGFEDCBA": "DCBA",
}  # fmt: skip
TYPES = {
    "INT16": "i16", "UINT16": "u16", "INT32": "i32", "UINT32": "u32", "INT64": "i64", "UINT64": "u64",
    "FLOAT16": "f16", "FLOAT32": "f32", "FLOAT64": "f64",
}  # fmt: skip
# Of the register style: types that go by how many registers are listed, and FLOAT32, which there means UFIXED.
FIXED = {"FIXED": "INT", "UFIXED": "UINT", "FLOAT32": "UINT"}
BYTES = {"INT8L": ("i8", False), "INT8H": ("i8", True), "UINT8L": ("u8", False), "UINT8H": ("u8", True)}


class RegisterField(Struct, frozen=True):
    """A field of the register style."""

    name: str
    address: list[int]
    measurement: str = ""
    byte_order: str = ""
    data_type: str = ""
    scale: float = 0.0
    bit: int = 0


class Field(Struct, frozen=True):
    """A field of the request and metric styles."""

    address: int
    name: str = ""
    register: str = ""
    type: str = ""
    length: int = 0
    bit: int = 0
    scale: float = 0.0
    measurement: str = ""
    omit: bool = False


class Block(Struct, frozen=True):
    """A request or a metric."""

    slave_id: int = 1
    byte_order: str = ""
    register: str = ""
    measurement: str = ""
    fields: list[Field] = []


class Plugin(Struct, frozen=True):
    """One ``[[inputs.modbus]]``."""

    name: str = ""
    slave_id: int = 1
    configuration_type: str = "register"
    coils: list[RegisterField] = []
    discrete_inputs: list[RegisterField] = []
    holding_registers: list[RegisterField] = []
    input_registers: list[RegisterField] = []
    request: list[Block] = []
    metric: list[Block] = []


@dataclass(frozen=True, slots=True)
class _Value:
    """What all styles come down to."""

    name: str
    measurement: str
    unit: int
    area: str
    address: int
    type: str
    order: str
    scale: float
    length: int
    bit: int


def load_telegraf(path: str | Path, *, name: str = "") -> Map:
    """Load a map from a Telegraf configuration.

    Parameters
    ----------
    path : str or Path
        A TOML file with ``[[inputs.modbus]]``; its other plugins are passed over.
    name : str
        Which of several ``inputs.modbus``, by its ``name``.

    Returns
    -------
    Map
        Its addresses name the unit (``slave_id``). Fields of one name are told apart by measurement, then by unit:
        ``modbus.voltage``, ``modbus.7.voltage``.

    Raises
    ------
    MapError
        With file, field's name and setting.
    """
    path = Path(path)
    plugin = _plugin(path, name)
    styles = {"register": _register_style, "request": _block_style, "metric": _block_style}
    style = plugin.configuration_type or "register"
    if style not in styles:
        hint = did_you_mean(style, styles)
        raise map_error(f"unknown style {style!r}{hint}", file=str(path), field="configuration_type")
    values = list(styles[style](plugin))
    names = _names(values)
    tags = tuple(_tag(value, called, str(path)) for value, called in zip(values, names, strict=True))
    return Map(plugin.name or path.stem, tags, file=str(path))


def _plugin(path: Path, name: str) -> Plugin:
    inputs = read_toml(path).get("inputs", {})
    found = inputs.get("modbus", []) if isinstance(inputs, dict) else []
    if not isinstance(found, list) or not found:
        raise map_error("has no [[inputs.modbus]]", file=str(path))
    plugins = [checked(raw, Plugin, file=str(path)) for raw in found]
    wanted = [plugin for plugin in plugins if not name or plugin.name == name]
    if len(wanted) != 1:
        names = ", ".join(repr(plugin.name) for plugin in plugins)
        raise map_error(f"say which inputs.modbus with name=...; there are {names}", file=str(path), field="name")
    return wanted[0]


def _register_style(plugin: Plugin) -> Iterator[_Value]:
    tables = {
        "co": plugin.coils, "di": plugin.discrete_inputs, "hr": plugin.holding_registers, "ir": plugin.input_registers,
    }  # fmt: skip
    for area, fields in tables.items():
        for one in fields:
            kind = one.data_type.removesuffix("-IEEE")
            if one.data_type in FIXED:
                kind = f"{FIXED[one.data_type]}{16 * len(one.address)}"
            yield _Value(one.name, one.measurement or "modbus", plugin.slave_id, area, min(one.address, default=-1),
                         kind, one.byte_order, one.scale, len(one.address), one.bit)  # fmt: skip


def _block_style(plugin: Plugin) -> Iterator[_Value]:
    for block in plugin.request if plugin.configuration_type == "request" else plugin.metric:
        for one in block.fields:
            if not one.omit:
                area = one.register or block.register or "holding"
                yield _Value(one.name, one.measurement or block.measurement or "modbus", block.slave_id,
                             AREAS.get(area, area), one.address, one.type, block.byte_order, one.scale, one.length,
                             one.bit)  # fmt: skip


def _names(values: list[_Value]) -> list[str]:
    """The fields' names; with the measurement, and the unit, where needed to tell them apart."""
    plain = Counter(value.name for value in values)
    measured = Counter((value.measurement, value.name) for value in values)
    return [
        value.name if plain[value.name] == 1
        else f"{value.measurement}.{value.name}" if measured[value.measurement, value.name] == 1
        else f"{value.measurement}.{value.unit}.{value.name}"
        for value in values
    ]  # fmt: skip


def _tag(value: _Value, called: str, file: str) -> Tag:
    try:
        address = _address(value)
    except ValueError as error:
        raise map_error(str(error), file=file, tag=called, field="address") from None
    settings: dict[str, Any] = {}
    if value.scale not in (0, 1) and address.kind.kind not in ("bool", "str"):
        settings["scale"] = value.scale
    return Tag(called, address, **settings)


def _address(value: _Value) -> Address:
    if value.area in ("co", "di"):
        return Address.of(value.area, value.address, unit=value.unit)
    if value.area not in AREAS.values():
        raise ValueError(f"unknown register {value.area!r}{did_you_mean(value.area, AREAS)}")
    if value.order not in ORDERS:
        raise ValueError(f"unknown byte_order {value.order!r}")
    order = ORDERS[value.order]
    swapped = order in ("BADC", "DCBA")  # telegraf swaps the bytes of single registers too
    if value.type == "BIT":
        return Address.of(value.area, value.address, bit=value.bit ^ 8 if swapped else value.bit, unit=value.unit)
    if value.type in BYTES:
        kind, high = BYTES[value.type]
        return Address.of(value.area, value.address, kind, high=high != swapped, unit=value.unit)
    if value.type == "STRING":
        kind, order = f"str{2 * value.length}", "BA" if swapped else "AB"
    elif value.type in TYPES:
        kind, order = TYPES[value.type], order if not value.type.endswith("16") else "BA" if swapped else "AB"
    else:
        raise ValueError(f"unknown type {value.type!r}{did_you_mean(value.type, (*TYPES, *BYTES, 'BIT', 'STRING'))}")
    return Address.of(value.area, value.address, kind, order=order, unit=value.unit)
