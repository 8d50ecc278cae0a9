"""``fastmodbus read``, ``write`` and ``plan`` of named and typed values: what is meant, and how values are printed.

Ranges such as ``hr0-99`` and assignments of plain numbers keep to `read` and `write`, until a map or a type comes in.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastmodbus import options
from fastmodbus.address import Address, looks_like_range
from fastmodbus.client import Client
from fastmodbus.errors import ModbusError
from fastmodbus.maps import Map, load_map, resolve
from fastmodbus.tags import Tag

from .device import open_device
from .outcome import UsageError, reading_the_command
from .ranges import parse_assignment, parse_range
from .terminal import printable

if TYPE_CHECKING:
    from .line import InFlight, Line

_SWITCH = {"on": True, "true": True, "off": False, "false": False}
_INTEGER = re.compile(r"[-+]?(0x[0-9a-f]+|\d+)", re.IGNORECASE)

Wanted = dict[str, Tag]


def read(url: str, texts: Sequence[str], line: Line, in_flight: InFlight | None, map: str | None, format: str) -> None:
    """Read what is named in as few requests as possible, print it, then raise the first error if there was one."""
    device = load(map)
    wanted = wanted_tags(texts, device)
    failure: ModbusError | None = None
    with open_device(url, line, in_flight, device) as client:
        try:
            values = client.read(wanted)
        except ModbusError as error:
            values, failure = error.partial, error
    if values is not None:
        _PRINTERS[format](wanted, values)
    if failure is not None:
        raise failure


def write(url: str, texts: Sequence[str], line: Line, map: str | None, *, verify: bool) -> None:
    """Write all of it, neighbours in one request, and say that it is done."""
    device = load(map)
    with reading_the_command():
        values = dict(_assigned(text, device) for text in texts)
    with open_device(url, line, None, device) as client, reading_the_command():
        client.write(values, verify=verify)
    for text in texts:
        print("written:", text)


def plan(where: str, texts: Sequence[str], line: Line, map: str | None) -> None:
    """Print the plan; nothing is sent."""
    if map is None and Path(where).suffix == ".toml":
        where, map = "127.0.0.1", where
    device = load(map)
    if device is not None and _is_named(where, device):
        where, texts = "127.0.0.1", [where, *texts]
    wanted = wanted_tags(texts, device)
    with reading_the_command():
        target = options.parse_url(where)
        given = target.options.given() | {name: value for name, value in line.options().items() if value is not None}
        with Client(target.host or "127.0.0.1", target.port, map=device, **given) as client:
            print(client.read_plan(wanted))


def _is_named(text: str, device: Map) -> bool:
    """Whether what stands where a URL might is something to read: nobody needs a URL for a plan."""
    try:
        return bool(resolve(text, device))
    except ValueError:
        return False


def load(map: str | None) -> Map | None:
    with reading_the_command():
        return None if map is None else load_map(map)


def wanted_tags(texts: Sequence[str], map: Map | None) -> Wanted:
    """The tags that are meant, by the names that are printed; all of the map where nothing is said."""
    if not texts:
        if map is None:
            raise UsageError("read what? Give ranges, addresses such as hr0:f32, or a map: -m MAP")
        return dict(map.by_name)
    wanted: Wanted = {}
    with reading_the_command():
        for text in texts:
            wanted |= _meant(text, map)
    return wanted


def _meant(text: str, map: Map | None) -> Wanted:
    if (map is None or text not in map) and looks_like_range(text):
        plain = parse_range(text)
        count = plain.count if plain.count > 1 or not text[-1].isalnum() else None
        return {text: Tag(text, Address.of(plain.area, plain.address, count=count, unit=plain.unit))}
    found = resolve(text, map)
    return {text: found[0]} if len(found) == 1 else {tag.name: tag for tag in found}


def _assigned(text: str, map: Map | None) -> tuple[str, Any]:
    """Where and what of ``setpoint=21.5``."""
    where, equals, what = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{text!r} assigns nothing: write a name or an address, = and a value, such as setpoint=21.5")
    if (map is None or where not in map) and looks_like_range(where):
        target, values = parse_assignment(text)
        return str(Address.of(target.area, target.address, count=target.count, unit=target.unit)), values
    (tag, *others) = resolve(where, map)
    if others:
        raise UsageError(f"{text!r}: {where!r} means {1 + len(others)} tags; one is needed")
    if tag.address.kind.kind == "str" and tag.address.count is None:
        return where, what
    values = [_value(tag, one.strip()) for one in what.split(",")]
    return where, values if tag.address.count is not None or len(values) > 1 else values[0]


def _value(tag: Tag, text: str) -> Any:
    """A label, a switch, or a number."""
    if text in tag.labels.values():
        return text
    if tag.address.kind.kind == "bool":
        return _SWITCH.get(text.lower(), text not in ("", "0")) if text.lower() in {*_SWITCH, "0", "1"} else text
    if _INTEGER.fullmatch(text):
        return int(text, 16 if "x" in text.lower() else 10)
    try:
        return float(text)
    except ValueError:
        return text


# ---------------------------------------------------------------------------------------------------- printing


def _plain(value: Any) -> Any:
    """A value as JSON has it: no NaN, no arrays."""
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    if isinstance(value, bool):
        return str(int(value))
    return "-" if value is None else f"{value:.7g}" if isinstance(value, float) else printable(str(value))


def _print_json(wanted: Wanted, values: Mapping[str, Any]) -> None:
    print(json.dumps({name: _plain(values[name]) for name in wanted}, separators=(",", ": ")))


def _print_csv(wanted: Wanted, values: Mapping[str, Any]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("name", "value", "units"))
    for name, tag in wanted.items():
        value = _plain(values[name])
        writer.writerow((name, " ".join(map(str, value)) if isinstance(value, list) else value, tag.units))


def _print_table(wanted: Wanted, values: Mapping[str, Any]) -> None:
    width = max(map(len, wanted))
    for name, tag in wanted.items():
        print(f"{name:<{width}}  {_text(_plain(values[name]))} {tag.units}".rstrip())


_PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
