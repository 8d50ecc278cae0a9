"""Open plants: a client for each device of a plant, those behind one URL sharing a connection.

What a plant is and how it is read is in `maps`. This module makes the clients and closes them; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import options
from .client import Client, connect
from .maps import Limits, Map, Plant, PlantDevice, load_plant
from .options import Target
from .tags import map_error

if TYPE_CHECKING:
    from .poller import Poller


class OpenPlant:
    """The clients of a plant, ``plant.clients["inv07"]``, until it is closed. Each connects at its first call.

    Attributes
    ----------
    clients : dict of str to Client
        By the names of the devices; each has its device's unit, options and map.
    plant : Plant
        The description.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._connections: list[Client] = []
        made: dict[str, Client] = {}
        shared: dict[str, list[tuple[PlantDevice, Target]]] = {}
        for device in plant:
            target = _target(plant, device)
            shared.setdefault(target.url, []).append((device, target))
        try:
            for devices in shared.values():
                made |= self._open(devices)
        except BaseException:
            self.close()
            raise
        self.clients: dict[str, Client] = {device.name: made[device.name] for device in plant}

    def _open(self, devices: list[tuple[PlantDevice, Target]]) -> dict[str, Client]:
        """The connection of the devices behind one URL, and a view of it for each."""
        given = [(device, _given(device, target)) for device, target in devices]
        connection = _of_connection(self.plant, given)
        target = devices[0][1]
        if target.scheme == "sim":
            base = connect("sim:", **connection)
        else:
            base = Client(target.host, target.port, **connection)
        self._connections.append(base)
        return {device.name: _view(base, device, wanted) for device, wanted in given}

    def __getitem__(self, name: str) -> Client:
        self.plant[name]  # says which names there are
        return self.clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.clients)

    def __len__(self) -> int:
        return len(self.clients)

    def poller(self, **options: Any) -> Poller:
        """A poller of all devices that have groups, at their rates, not yet started.

        Parameters
        ----------
        **options
            Of `Poller`: ``buffer``, ``on_full``.

        Raises
        ------
        ValueError
            Nobody says how often a group is to be polled.
        """
        from .poller import Poller

        poller = Poller(**options)
        for device in self.plant:
            if device.groups:
                poller.add(self.clients[device.name], groups=device.groups, device=device.name)
        return poller

    def close(self) -> None:
        """Close all connections for good."""
        for client in self._connections:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<OpenPlant: {len(self)} devices over {len(self._connections)} connections>"


def open_plant(path: str | Path) -> OpenPlant:
    """Open a plant: its devices as clients.

    Parameters
    ----------
    path : str or Path
        A file of format ``fastmodbus-plant/1``.

    Returns
    -------
    OpenPlant
        A context manager. An option of the plant beats the one in its URL, that beats the one of the device's map, and
        that the built-in one; of limits the smaller is taken.

    Raises
    ------
    MapError
        With file, device and field; also when devices behind one URL want the connection differently.
    """
    return OpenPlant(load_plant(path))


def _target(plant: Plant, device: PlantDevice) -> Target:
    try:
        return options.parse_url(device.url)
    except ValueError as error:
        raise map_error(str(error), file=plant.file, tag=device.name, field="url") from None


def _given(device: PlantDevice, target: Target) -> dict[str, Any]:
    """What is asked for of a device, by whomever; None nowhere."""
    its: Mapping[str, Any] = device.map.options if device.map is not None else {}
    return {**its, **target.wanted({}), **device.options}


def _of_connection(plant: Plant, given: Iterable[tuple[PlantDevice, Mapping[str, Any]]]) -> dict[str, Any]:
    """The options that the devices behind one URL have in common because they belong to the connection."""
    found: dict[str, Any] = {}
    windows: list[Any] = []
    for device, wanted in given:
        windows.append(device.limits.in_flight or wanted.get("in_flight"))
        for name in options.OF_CONNECTION & wanted.keys():
            if found.setdefault(name, wanted[name]) != wanted[name]:
                message = f"is {wanted[name]!r}, and {found[name]!r} for another device of the same connection"
                raise map_error(message, file=plant.file, tag=device.name, field=name)
    if all(isinstance(window, int) for window in windows):
        found["in_flight"] = max(windows)
    return found


def _view(base: Client, device: PlantDevice, wanted: Mapping[str, Any]) -> Client:
    own = {name: value for name, value in wanted.items() if name not in options.OF_CONNECTION}
    unit = own.pop("unit", 1)
    if device.map is not None:
        # Its options are in `wanted` already, where the plant's beat them.
        own["map"] = replace(device.map, limits=device.limits, options={})
    elif device.limits != Limits():
        own["map"] = Map(device.name, (), limits=device.limits)
    return base.at(unit, **{"name": device.name, **own})
