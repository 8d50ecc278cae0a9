"""Maps: what a type of device offers, as tags with groups and limits.

A map is a plain value; ``load_map`` is the only thing here that reads files (through ``files``). Nothing here talks
to a device.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..address import DEVICE_ORDERS, Address, did_you_mean, looks_like_address
from ..errors import MapError
from ..options import seconds
from ..tags import Tag, in_file, map_error
from .files import LimitsEntry, MapFile, OptionsEntry, TagEntry, checked, read_table, read_toml
from .limits import Limits

_TIMES = ("timeout", "deadline", "connect_timeout", "request_gap", "connect_delay", "idle_close")
_COUNTER = re.compile(r"\{i(?::(0?\d+))?\}")


@dataclass(frozen=True)
class Map:
    """A device type: its tags by name, its polling groups, what it stands.

    ``map["name"]`` is a tag, ``len(map)`` counts them, ``for tag in map`` goes through them.

    Parameters
    ----------
    name : str
        The device type.
    tags : sequence of Tag
        In the order of the file; names are unique.
    groups : mapping of str to float or None
        Seconds between two polls; infinite for a group that is read once; None where nobody has said.
    limits : Limits
        What the device stands.
    options : mapping
        Options for the client, by their names, times in seconds.
    order : str
        The device's byte order (the tags' addresses have it already).
    description, file : str
        For people.

    Raises
    ------
    MapError
        Two tags of one name, a tag of an unknown group, ``scale_from`` or ``after`` that lead nowhere.
    """

    name: str
    tags: tuple[Tag, ...]
    groups: Mapping[str, float | None] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    options: Mapping[str, Any] = field(default_factory=dict)
    order: str = "ABCD"
    description: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(self.tags))
        object.__setattr__(self, "_by_name", {tag.name: tag for tag in self.tags})
        _check_tags(self)

    @property
    def by_name(self) -> Mapping[str, Tag]:
        """The tags by name."""
        return self.__dict__["_by_name"]  # type: ignore[no-any-return]

    def __getitem__(self, name: str) -> Tag:
        try:
            return self.by_name[name]
        except KeyError:
            raise KeyError(f"no tag {name!r} in {self.name or 'the map'}{did_you_mean(name, self.by_name)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self.tags)

    def __repr__(self) -> str:
        groups = f", groups {' '.join(self.groups)}" if self.groups else ""
        return f"<Map {self.name or self.file or 'without a name'}: {len(self)} tags{groups}>"

    def group(self, name: str) -> tuple[Tag, ...]:
        """The tags of one polling group."""
        return tuple(tag for tag in self.tags if tag.group == name)

    def with_factors(self, tags: Iterable[Tag]) -> tuple[Tag, ...]:
        """These tags and the scale factors that they need."""
        wanted = {tag.name: tag for tag in tags}
        for tag in tuple(wanted.values()):
            if tag.scale_from:
                wanted.setdefault(tag.scale_from, self[tag.scale_from])
        return tuple(wanted.values())

    def resolve(self, text: str) -> tuple[Tag, ...]:
        """The tags that a text means: a tag's name, else an address, else a pattern with ``* ? [...]``.

        The tag of an address is called as the address is written.

        Raises
        ------
        ValueError
            It means none of these.
        """
        return _resolve(text, self.by_name)


def resolve(text: str, map: Map | None = None) -> tuple[Tag, ...]:
    """The tags that a text means, where there may be no map; see ``Map.resolve``."""
    return _resolve(text, map.by_name if map is not None else {})


def _resolve(text: str, names: Mapping[str, Tag]) -> tuple[Tag, ...]:
    if text in names:
        return (names[text],)
    try:
        return (Tag(text, Address(text)),)
    except ValueError as error:
        matching = tuple(tag for name, tag in names.items() if fnmatchcase(name, text))
        if matching:
            return matching
        if not names:
            raise
        hint = did_you_mean(text, names) or "."
        raise ValueError(f"no tag is called {text!r}{hint} Nor is it an address: {error}") from None


def _check_tags(map: Map) -> None:
    names = map.by_name
    if len(names) != len(map.tags):
        twice = next(tag.name for tag in map.tags if names[tag.name] is not tag)
        raise map_error("stands twice", file=map.file, tag=twice, field="name")
    for tag in map.tags:
        if tag.group and tag.group not in map.groups:
            hint = did_you_mean(tag.group, map.groups)
            raise map_error(f"{tag.group!r} is not in [groups]{hint}", file=map.file, tag=tag.name, field="group")
        if tag.scale_from:
            _check_factor(map, tag)
        if tag.after:
            _check_after(map, tag)


def _check_factor(map: Map, tag: Tag) -> None:
    factor = map.by_name.get(tag.scale_from)
    if factor is None:
        message = f"no tag {tag.scale_from!r}{did_you_mean(tag.scale_from, map.by_name)}"
    elif factor.address.kind.kind not in ("int", "uint") or factor.address.count is not None or not factor.raw:
        message = f"{tag.scale_from!r} is {factor.address}; a scale factor is a single, unscaled integer"
    else:
        return
    raise map_error(message, file=map.file, tag=tag.name, field="scale_from")


def _check_after(map: Map, tag: Tag) -> None:
    seen, name = {tag.name}, tag.after
    while name:
        if name in seen:
            raise map_error("leads in a circle", file=map.file, tag=tag.name, field="after")
        if name not in map.by_name:
            hint = did_you_mean(name, map.by_name)
            raise map_error(f"no tag {name!r}{hint}", file=map.file, tag=tag.name, field="after")
        seen.add(name)
        name = map.by_name[name].after


def load_map(path: str | Path) -> Map:
    """Load a map from TOML.

    Parameters
    ----------
    path : str or Path
        A file of format ``fastmodbus-map/1``; what it includes and its tables are found beside it.

    Returns
    -------
    Map

    Raises
    ------
    MapError
        With file, tag and field.

    Warns
    -----
    UserWarning
        A tag's name is also an address; the tag wins.
    """
    path = Path(path)
    layers = _layers(path, ())
    file = str(path)
    order = _order(layers)
    tags: dict[str, Tag] = {}
    for source, raw, entries in layers:
        tags |= _layer_tags(source, raw, entries, order)
    _warn_of_addresses(tags, file)
    groups: dict[str, float | None] = {}
    options: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for source, raw, entries in layers:
        groups |= group_periods(entries.groups, file=str(source))
        options |= options_given(entries.options, file=str(source))
        limits |= {name: getattr(entries.limits, name) for name in raw.get("limits", ())}
    return Map(
        name=next((layer.device.name for _, _, layer in reversed(layers) if layer.device.name), path.stem),
        tags=tuple(tags.values()), groups=groups, limits=Limits.from_entry(LimitsEntry(**limits), file=file),
        options=options, order=order, description=layers[-1][2].device.description, file=file,
    )  # fmt: skip


_Layer = tuple[Path, dict[str, Any], MapFile]


def _layers(path: Path, including: tuple[Path, ...]) -> list[_Layer]:
    """The file and all that it includes, the innermost first, so that later ones override."""
    here = path.resolve()
    if here in including:
        raise map_error(f"includes itself by way of {including[-1].name}", file=str(path), field="include")
    raw = read_toml(path)
    entries = checked(raw, MapFile, file=str(path))
    inner = [entries.include] if isinstance(entries.include, str) else entries.include
    below = [layer for name in inner for layer in _layers(path.parent / name, (*including, here))]
    return [*below, (path, raw, entries)]


def _order(layers: list[_Layer]) -> str:
    orders = ((file, one.device.order) for file, _, one in reversed(layers) if one.device.order)
    file, order = next(orders, (None, "ABCD"))
    if order not in DEVICE_ORDERS:
        message = f"unknown order {order!r}; orders: {' '.join(DEVICE_ORDERS)}"
        raise map_error(message, file=str(file), field="device.order")
    return order


def _layer_tags(path: Path, raw: Mapping[str, Any], entries: MapFile, order: str) -> dict[str, Tag]:
    """The tags of one file and its tables; a name may stand only once among them."""
    rows = [(str(path), entry) for entry in raw.get("tag", ())]
    for name in [entries.tags] if isinstance(entries.tags, str) else entries.tags:
        rows += table_rows(path.parent / name)
    tags: dict[str, Tag] = {}
    for file, entry in rows:
        for tag in make_tags(entry, order=order, file=file):
            if tag.name in tags:
                raise map_error("stands twice", file=file, tag=tag.name, field="name")
            tags[tag.name] = tag
    return tags


def table_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The checked rows of a tag table, each with the place where it stands."""
    rows = []
    for line, cells in read_table(path):
        place = f"{path}, line {line}"
        checked(cells, TagEntry, file=place, tag=str(cells.get("name", "")))
        rows.append((place, cells))
    return rows


def make_tags(entry: Mapping[str, Any], *, order: str = "ABCD", file: str = "") -> list[Tag]:
    """The tag of a checked entry, or the several tags of one with ``repeat``."""
    settings = dict(entry)
    repeat = settings.pop("repeat", None)
    try:
        settings["address"] = _address(settings, order)
        if repeat is None:
            return [Tag(**settings)]
        return [Tag(**one) for one in _repeated(settings, repeat)]
    except MapError as error:
        raise in_file(error, file) from None


def _address(settings: Mapping[str, Any], order: str) -> Address:
    try:
        return Address(settings["address"], order=order)
    except ValueError as error:
        raise map_error(str(error), tag=settings["name"], field="address") from None


def _repeated(settings: dict[str, Any], repeat: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    name = settings["name"]
    if not _COUNTER.search(name):
        raise map_error("needs {i} or {i:02} in the name, to tell the tags apart", tag=name, field="repeat")
    texts = [key for key in ("name", "description", "scale_from", "after") if key in settings]
    start: Address = settings["address"]
    for index in range(repeat["count"]):
        number = repeat.get("first", 0) + index
        one = {key: _COUNTER.sub(lambda match, n=number: format(n, match[1] or "d"), settings[key]) for key in texts}  # type: ignore[misc]
        try:
            address = start.replace(address=start.address + index * repeat["step"])
        except ValueError as error:
            raise map_error(str(error), tag=one["name"], field="repeat") from None
        yield settings | one | {"address": address}


def group_periods(groups: Mapping[str, float | str], *, file: str = "", tag: str = "") -> dict[str, float]:
    """The periods of polling groups: seconds, 0 for back to back, infinite for ``"once"``."""
    return {name: _period(name, value, file=file, tag=tag) for name, value in groups.items()}


def _period(name: str, value: float | str, *, file: str, tag: str) -> float:
    if isinstance(value, str) and value.strip().lower() == "once":
        return math.inf
    return _time(name, value, file=file, tag=tag, field="groups")


def options_given(entry: OptionsEntry, *, file: str = "", tag: str = "") -> dict[str, Any]:
    """The options that a file gives, times in seconds."""
    given = {name: getattr(entry, name) for name in OptionsEntry.__struct_fields__ if getattr(entry, name) is not None}
    for name in _TIMES:
        if name in given:
            given[name] = _time(name, given[name], file=file, tag=tag, field="options")
    return given


def _time(name: str, value: float | str, *, file: str, tag: str, field: str) -> float:
    try:
        return seconds(name, value, zero=True)
    except ValueError as error:
        raise map_error(str(error), file=file, tag=tag, field=field) from None


def _warn_of_addresses(tags: Iterable[str], file: str) -> None:
    for name in filter(looks_like_address, tags):
        warnings.warn(
            f"{file}: the tag {name!r} is called like an address; the tag wins, Address({name!r}) means the address",
            stacklevel=3,
        )
