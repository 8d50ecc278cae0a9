"""Maps from SunSpec model definitions in JSON, as the SunSpec Alliance publishes them (Device Information Model
Specification, chapter 6).

A device shows ``SunS`` and then one model after another: an ID, a length, and that many registers. Where the definition
repeats a group, the device decides how often; whoever has read its length and counts passes them in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ..address import Address
from ..maps import Map
from ..tags import Tag, map_error

BASE = 40000
HEADER = 2  # registers: "SunS" before the models, ID and length before each
STATIC = "static"

# SunSpec type: value type here, the number that means "not implemented".
_TYPES: dict[str, tuple[str, tuple[float | str, ...]]] = {
    "int16": ("i16", (-0x8000,)),
    "uint16": ("u16", (0xFFFF,)),
    "count": ("u16", (0xFFFF,)),
    "acc16": ("u16", (0,)),
    "enum16": ("u16", (0xFFFF,)),
    "bitfield16": ("u16", (0xFFFF,)),
    "sunssf": ("i16", (-0x8000,)),
    "int32": ("i32", (-0x8000_0000,)),
    "uint32": ("u32", (0xFFFF_FFFF,)),
    "acc32": ("u32", (0,)),
    "enum32": ("u32", (0xFFFF_FFFF,)),
    "bitfield32": ("u32", (0xFFFF_FFFF,)),
    "ipaddr": ("u32", (0,)),
    "int64": ("i64", (-0x8000_0000_0000_0000,)),
    "uint64": ("u64", (0xFFFF_FFFF_FFFF_FFFF,)),
    "acc64": ("u64", (0,)),
    "bitfield64": ("u64", (0xFFFF_FFFF_FFFF_FFFF,)),
    "eui48": ("u64", (0x0000_FFFF_FFFF_FFFF,)),
    "float32": ("f32", (math.nan,)),
    "float64": ("f64", (math.nan,)),
}


class Symbol(Struct, frozen=True):
    """A name of a number or of a bit."""

    name: str
    value: int


class Point(Struct, frozen=True):
    """One value of a model."""

    name: str
    type: str
    size: int
    sf: str | int | None = None
    units: str = ""
    access: str = "R"
    static: str = "D"
    label: str = ""
    desc: str = ""
    symbols: list[Symbol] = []


class Group(Struct, frozen=True):
    """Points and groups; ``count`` is a number, the name of the point that has it, or 0: until the model ends."""

    name: str
    points: list[Point] = []
    groups: list["Group"] = []  # noqa: UP037
    count: int | str | None = None


class Definition(Struct, frozen=True):
    """A model."""

    id: int
    group: Group


@dataclass(frozen=True)
class SunSpecModel:
    """A model as it lies in a device.

    Parameters
    ----------
    definition : Definition
        From ``read_definition``.
    address : int
        The register of its ID.
    length : int, optional
        The device's length register: without ID and length itself. It settles one unknown count.
    counts : mapping of str to int
        How often groups repeat, by the name of the point that says so (or of the group).
    """

    definition: Definition
    address: int
    length: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def read_definition(path: str | Path) -> Definition:
    """The definition in a SunSpec model file."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Definition)
    except OSError as error:
        raise map_error(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    except msgspec.DecodeError as error:
        raise map_error(f"is no SunSpec model: {error}", file=str(path)) from None


def load_sunspec(
    paths: str | Path | Iterable[str | Path],
    *,
    base: int = BASE,
    counts: Mapping[str, int] | None = None,
    name: str = "",
) -> Map:
    """Load a map from model files, laid out as a device has them.

    Parameters
    ----------
    paths : path or iterable of paths
        The models in the device's order, the common model (1) first.
    base : int
        The register of ``SunS``: 40000, 50000 or 0. The first model follows it.
    counts : mapping of str to int
        How often groups repeat: ``{"NPt": 4}``, or ``{"705.NPt": 4}`` for one model, or by the name of the group.
    name : str
        The device type.

    Raises
    ------
    MapError
        Also when a count is needed that is not given: everything behind the group would be misplaced.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    models, address = [], base + HEADER
    for path in files:
        definition = read_definition(path)
        model = SunSpecModel(definition, address, None, _own_counts(definition, counts or {}))
        models.append(model)
        address += _Layout(model).size(definition.group)
    return sunspec_map(models, name=name or "SunSpec")


def sunspec_map(models: Iterable[SunSpecModel], *, name: str = "SunSpec") -> Map:
    """The map of models that lie in a device.

    Tags are called ``model.point`` and ``model.group2.point``, counting from 1; a second model of one name gets ``_2``.
    Points that never change are in the group ``static``, which is read once; the others are in no group.
    """
    tags: list[Tag] = []
    used: dict[str, int] = {}
    for model in models:
        called = model.definition.group.name
        used[called] = used.get(called, 0) + 1
        prefix = called if used[called] == 1 else f"{called}_{used[called]}"
        tags += _Layout(model).tags(prefix)
    return Map(name, tuple(tags), {STATIC: math.inf})


def _own_counts(definition: Definition, counts: Mapping[str, int]) -> dict[str, int]:
    own = f"{definition.id}."
    plain = {key: count for key, count in counts.items() if "." not in key}
    return plain | {key.removeprefix(own): count for key, count in counts.items() if key.startswith(own)}


class _Layout:
    """Where the points of one model lie."""

    def __init__(self, model: SunSpecModel) -> None:
        self.model = model
        self.counts = dict(model.counts)
        unknown = list(dict.fromkeys(self._unknown(model.definition.group)))
        if len(unknown) == 1 and model.length is not None:
            self.counts[unknown[0]] = self._solved(unknown[0], model.length)
        elif unknown:
            raise self._error(f"how often a group repeats is not known: {', '.join(unknown)}; pass counts={{...}}")

    def _error(self, message: str) -> Exception:
        return map_error(message, file=f"SunSpec model {self.model.definition.id}")

    def _key(self, group: Group) -> str:
        """Under which name the count of a repeated group is known, or would be."""
        if isinstance(group.count, str) and group.count in self.counts:
            return group.count
        return group.name if not group.count or group.name in self.counts else str(group.count)

    def _repeats(self, group: Group) -> bool:
        return isinstance(group.count, str) or group.count == 0

    def _unknown(self, group: Group) -> Iterator[str]:
        if self._repeats(group) and self._key(group) not in self.counts:
            yield self._key(group)
        for inner in group.groups:
            yield from self._unknown(inner)

    def _solved(self, key: str, length: int) -> int:
        """The count that makes the model as long as the device says."""
        for count in range(length + 1):
            self.counts[key] = count
            size = self.size(self.model.definition.group) - HEADER
            if size >= length:
                break
        if size != length:
            raise self._error(f"no count of {key} makes it {length} registers long")
        return count

    def count(self, group: Group) -> int:
        """How often a group is there."""
        if group.count is None:
            return 1
        return self.counts[self._key(group)] if self._repeats(group) else int(group.count)

    def size(self, group: Group) -> int:
        """Registers of one instance of a group."""
        points = sum(point.size for point in group.points)
        return points + sum(self.count(inner) * self.size(inner) for inner in group.groups)

    def tags(self, prefix: str) -> list[Tag]:
        """The tags of all points, in the order of their registers."""
        return list(self._group(self.model.definition.group, self.model.address, prefix, {}))

    def _group(self, group: Group, address: int, prefix: str, factors: Mapping[str, str]) -> Iterator[Tag]:
        mine = {point.name: f"{prefix}.{point.name}" for point in group.points if point.type == "sunssf"}
        factors = {**factors, **mine}
        for point in group.points:
            if point.type != "pad":
                yield self._tag(point, address, f"{prefix}.{point.name}", factors)
            address += point.size
        for inner in group.groups:
            for number in range(1, self.count(inner) + 1):
                called = inner.name if inner.count is None else f"{inner.name}{number}"
                yield from self._group(inner, address, f"{prefix}.{called}", factors)
                address += self.size(inner)

    def _tag(self, point: Point, address: int, name: str, factors: Mapping[str, str]) -> Tag:
        kind, settings = self._type(point, name)
        if isinstance(point.sf, int):
            settings["scale"] = 10**point.sf if point.sf >= 0 else 1 / 10**-point.sf
        elif point.sf is not None:
            if point.sf not in factors:
                raise map_error(f"no scale factor {point.sf!r} in the model", tag=name, field="sf")
            settings["scale_from"] = factors[point.sf]
        if point.symbols:
            symbols = {symbol.value: symbol.name for symbol in point.symbols}
            settings["bits" if point.type.startswith("bitfield") else "labels"] = symbols
        if point.access == "RW":
            settings["access"] = "rw"
        if point.static == "S":
            settings["group"] = STATIC
        return Tag(name, self._address(kind, address, name), units=point.units, description=point.label or point.desc,
                   **settings)  # fmt: skip

    def _type(self, point: Point, name: str) -> tuple[str, dict[str, Any]]:
        if point.type == "string":
            return f"str{2 * point.size}", {"missing": ("",)}
        if point.type == "ipv6addr":
            return "u16[8]", {}
        if point.type not in _TYPES:
            raise map_error(f"unknown type {point.type!r}", tag=name, field="type")
        kind, missing = _TYPES[point.type]
        return kind, {"missing": missing}

    def _address(self, kind: str, address: int, name: str) -> Address:
        try:
            return Address(f"hr{address}:{kind}")
        except ValueError as error:
            raise map_error(str(error), tag=name, field="address") from None
