"""SunSpec on a device: find its models and make the map of them (Device Information Model Specification, chapter 6).

What a model means and where its points lie is `importers.sunspec`'s business; here the device is asked which it has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .address import AddressRange
from .client import Client
from .errors import DeviceError, MapError
from .files import write_whole
from .importers.sunspec import HEADER, Definition, Group, SunSpecModel, read_definition, sunspec_map
from .maps import Limits, Map
from .tags import Tag, map_error

__all__ = ["discover"]

log = logging.getLogger("fastmodbus")

BASES = (40000, 50000, 0)
MARKER = [0x5375, 0x6E53]  # "SunS"
END = 0xFFFF
MOST_MODELS = 1000

Models = str | Path | Mapping[int, Any]


class _Found(Struct, frozen=True):
    """A model as the device has it."""

    id: int
    address: int
    length: int
    counts: dict[str, int] = {}

    @property
    def end(self) -> int:
        return self.address + HEADER + self.length


class _Chain(Struct, frozen=True):
    """All models of a device."""

    base: int
    models: list[_Found]


class _Cache(Struct, frozen=True):
    """What was found, by host, port and unit."""

    format: str = "fastmodbus-sunspec/1"
    devices: dict[str, _Chain] = {}


def discover(client: Client, *, models: Models | None = None, cache: str | Path | None = None) -> Map:
    """Find the SunSpec models of a device and make a map of them.

    Parameters
    ----------
    client : Client
        The device; its unit counts. It is only read.
    models : folder, or mapping of model number to a file or its parsed JSON, optional
        The definitions, ``model_103.json`` and so on, as the SunSpec Alliance publishes them. By default those of the
        package pysunspec2, if it is installed.
    cache : path, optional
        A file that remembers what devices have, by host, port and unit: a device that is in it is not asked again.

    Returns
    -------
    Map
        For ``client.at(client.unit, map=...)``. Tags are called ``model.point`` and ``model.group2.point``; points that
        never change are in the group ``static``. Models without a definition are left out, and logged.

    Raises
    ------
    MapError
        The device has no SunSpec marker, no end of its models, or there are no definitions; a cache that is none.
    ModbusError
        As of `Client.read_holding_registers`.
    """
    definitions = _Definitions(models)
    key = f"{client.host}:{client.port}/{client.unit}"
    known = _load(cache)
    chain = known.devices.get(key)
    if chain is None:
        chain = _ask(client, definitions)
        if cache is not None:
            _save(cache, _Cache(devices={**known.devices, key: chain}))
    return _map(chain, definitions)


class _Definitions:
    """The definitions of models, read when they are needed."""

    def __init__(self, models: Models | None) -> None:
        self._models = _published() if models is None else models
        self._read: dict[int, Definition | None] = {}
        if isinstance(self._models, (str, Path)) and not Path(self._models).is_dir():
            raise map_error("is no folder of SunSpec models", file=str(self._models))

    def __call__(self, number: int) -> Definition | None:
        if number not in self._read:
            self._read[number] = self._find(number)
        return self._read[number]

    def _find(self, number: int) -> Definition | None:
        if isinstance(self._models, Mapping):
            given = self._models.get(number)
            if given is None or isinstance(given, Definition):
                return given
            if isinstance(given, Mapping):
                return _converted(number, given)
            return read_definition(given)
        path = Path(self._models) / f"model_{number}.json"
        return read_definition(path) if path.exists() else None


def _converted(number: int, given: Mapping[str, Any]) -> Definition:
    try:
        return msgspec.convert(given, Definition)
    except msgspec.ValidationError as error:
        raise map_error(f"is no SunSpec model: {error}", file=f"model {number}") from None


def _published() -> Path:
    """The folder of the definitions in pysunspec2."""
    found = find_spec("sunspec2")
    if found is not None and found.origin:
        folder = Path(found.origin).parent / "models" / "json"
        if folder.is_dir():
            return folder
    raise MapError("there are no SunSpec definitions: pip install pysunspec2, or pass models= with a folder of them")


# ------------------------------------------------------------------------------------------------ asking


def _ask(client: Client, definitions: _Definitions) -> _Chain:
    base = _base(client)
    return _Chain(base, list(_chain(client, base + HEADER, definitions)))


def _base(client: Client) -> int:
    refused: list[DeviceError] = []
    for base in BASES:
        try:
            if client.read_holding_registers(base, 2).tolist() == MARKER:
                return base
        except DeviceError as error:
            refused.append(error)
    where = ", ".join(f"hr{base}" for base in BASES)
    raise MapError(f"{client!r} has no SunSpec marker at {where}" + (f" ({refused[0]})" if refused else ""))


def _chain(client: Client, address: int, definitions: _Definitions) -> Iterator[_Found]:
    for _ in range(MOST_MODELS):
        number, length = client.read_holding_registers(address, HEADER).tolist()
        if number == END:
            return
        if address + HEADER + length + HEADER > 1 << 16:
            break
        definition = definitions(number)
        counts = {} if definition is None else _counts(client, address, length, definition)
        found = _Found(number, address, length, counts)
        yield found
        address = found.end
    raise MapError(f"{client!r} has no end of its SunSpec models: {address} is reached")


def _counts(client: Client, address: int, length: int, definition: Definition) -> dict[str, int]:
    """How often groups repeat, from the points of the model that say so."""
    named = set(_count_names(definition.group))
    counts = {}
    for point in definition.group.points:
        if point.name in named and address + point.size <= address + HEADER + length:
            counts[point.name] = int(client.read_holding_registers(address)[0])
        address += point.size
    return counts


def _count_names(group: Group) -> Iterator[str]:
    if isinstance(group.count, str):
        yield group.count
    for inner in group.groups:
        yield from _count_names(inner)


# ------------------------------------------------------------------------------------------------ the map


def _map(chain: _Chain, definitions: _Definitions) -> Map:
    usable, room = [], []
    for found in chain.models:
        model = _model(found, definitions)
        if model is not None:
            usable.append(model)
            room.append((found.address, found.end))
    made = sunspec_map(usable)
    end = max((found.end for found in chain.models), default=chain.base + HEADER) - 1
    limits = Limits(ranges=(AddressRange("hr", chain.base, end),))
    return replace(made, tags=tuple(_inside(made, room)), limits=limits)


def _model(found: _Found, definitions: _Definitions) -> SunSpecModel | None:
    definition = definitions(found.id)
    if definition is None:
        log.warning("SunSpec model %d at hr%d has no definition and is left out", found.id, found.address)
        return None
    model = SunSpecModel(definition, found.address, found.length, found.counts)
    try:
        sunspec_map([model])
    except MapError as error:
        log.warning("SunSpec model %d at hr%d is left out: %s", found.id, found.address, error)
        return None
    return model


def _inside(made: Map, room: Iterable[tuple[int, int]]) -> list[Tag]:
    """The tags that lie within their model: an older device may have shorter ones than the definition says."""
    spans = list(room)
    inside = {
        tag.name: tag
        for tag in made
        if any(start <= tag.address.address and tag.address.end <= end for start, end in spans)
    }
    return [tag for tag in inside.values() if not tag.scale_from or tag.scale_from in inside]


# ------------------------------------------------------------------------------------------------ remembering


def _load(cache: str | Path | None) -> _Cache:
    if cache is None or not Path(cache).exists():
        return _Cache()
    try:
        found = msgspec.json.decode(Path(cache).read_bytes(), type=_Cache)
    except (OSError, msgspec.DecodeError) as error:
        raise map_error(f"is no cache of SunSpec devices: {error}", file=str(cache)) from None
    if found.format != _Cache().format:
        raise map_error(f"has the format {found.format!r}, not {_Cache().format!r}", file=str(cache))
    return found


def _save(cache: str | Path, known: _Cache) -> None:
    write_whole(cache, msgspec.json.format(msgspec.json.encode(known), indent=1))
