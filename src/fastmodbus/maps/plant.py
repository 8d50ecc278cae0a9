"""Plants: which devices there are, where, and what type of device each is. A description; nothing is connected here.

``load_plant`` reads the plant and the maps that it names. Opening the clients is the business of the ring outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..address import did_you_mean
from ..tags import map_error
from .device import Map, group_periods, load_map, options_given
from .files import PlantDefaults, PlantDeviceEntry, PlantFile, checked, read_toml
from .limits import Limits


@dataclass(frozen=True)
class PlantDevice:
    """One device of a plant.

    Parameters
    ----------
    name : str
        Unique in the plant.
    url : str
        Where it is; devices with the same URL share a connection.
    map : Map or None
        Its type.
    options : mapping
        Options for the client that the plant gives (``unit``, ``timeout`` ...), times in seconds. What the map gives is
        in ``map.options``; the plant's beats it.
    groups : mapping of str to float
        Seconds between two polls of each group: the map's, and the plant's where it says otherwise.
    limits : Limits
        The map's and the plant's; the smaller win.
    """

    name: str
    url: str
    map: Map | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, float | None] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    description: str = ""


@dataclass(frozen=True)
class Plant:
    """The devices of a plant, by name: ``plant["inv07"]``, ``for device in plant``."""

    devices: tuple[PlantDevice, ...]
    file: str = ""

    def __getitem__(self, name: str) -> PlantDevice:
        for device in self.devices:
            if device.name == name:
                return device
        names = [device.name for device in self.devices]
        raise KeyError(f"no device {name!r} in the plant{did_you_mean(name, names)}")

    def __len__(self) -> int:
        return len(self.devices)

    def __iter__(self) -> Iterator[PlantDevice]:
        return iter(self.devices)

    def by_url(self) -> dict[str, tuple[PlantDevice, ...]]:
        """The devices behind each URL, in the order of the file: one connection each."""
        shared: dict[str, tuple[PlantDevice, ...]] = {}
        for device in self.devices:
            shared[device.url] = (*shared.get(device.url, ()), device)
        return shared


def load_plant(path: str | Path) -> Plant:
    """Load a plant from TOML.

    Parameters
    ----------
    path : str or Path
        A file of format ``fastmodbus-plant/1``; the maps that it names are found beside it.

    Raises
    ------
    MapError
        With file and field; the device's name stands where a map has the tag's.
    """
    path = Path(path)
    entries = checked(read_toml(path), PlantFile, file=str(path))
    loader = _Loader(path, entries.defaults)
    devices: dict[str, PlantDevice] = {}
    for entry in entries.device:
        if entry.name in devices:
            raise map_error("stands twice", file=str(path), tag=entry.name, field="name")
        devices[entry.name] = loader.device(entry)
    return Plant(tuple(devices.values()), str(path))


class _Loader:
    """One plant file: its defaults, and its maps, each loaded once."""

    def __init__(self, path: Path, defaults: PlantDefaults) -> None:
        self.path, self.file, self.defaults = path, str(path), defaults
        self.options = options_given(defaults, file=self.file)
        self.groups = group_periods(defaults.groups, file=self.file)
        self.limits = Limits.from_entry(defaults.limits, file=self.file)
        self.maps: dict[str, Map] = {}

    def device(self, entry: PlantDeviceEntry) -> PlantDevice:
        url = entry.url or self.defaults.url
        if not url:
            raise map_error("the field 'url' is missing", file=self.file, tag=entry.name)
        map = self._map(entry.map or self.defaults.map)
        limits = self.limits.narrowed(Limits.from_entry(entry.limits, file=self.file, tag=entry.name))
        return PlantDevice(
            entry.name, url, map, self.options | options_given(entry, file=self.file, tag=entry.name),
            self._groups(entry, map), limits if map is None else map.limits.narrowed(limits), entry.description,
        )  # fmt: skip

    def _map(self, name: str | None) -> Map | None:
        if name is None:
            return None
        if name not in self.maps:
            self.maps[name] = load_map(self.path.parent / name)
        return self.maps[name]

    def _groups(self, entry: PlantDeviceEntry, map: Map | None) -> dict[str, float | None]:
        known: Mapping[str, float | None] = {} if map is None else map.groups
        mine = group_periods(entry.groups, file=self.file, tag=entry.name)
        for group in mine:
            if group not in known:
                message = f"the map has no group {group!r}{did_you_mean(group, known)}"
                raise map_error(message, file=self.file, tag=entry.name, field="groups")
        return dict(known) | {name: every for name, every in self.groups.items() if name in known} | mine
