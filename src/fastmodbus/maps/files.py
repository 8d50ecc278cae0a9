"""The file formats of maps: what a TOML map and a tag table may hold, read and checked field by field.

Only the map and plant loaders and the importers use this. It reads files and says what is wrong in them; it makes no
tags.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
import tomli
from msgspec import Meta, Struct

from ..address import did_you_mean
from ..errors import MapError
from ..tags import map_error

MAP_FORMAT = "fastmodbus-map/1"
PLANT_FORMAT = "fastmodbus-plant/1"

Time = float | str
Count = Annotated[int, Meta(ge=1)]
_S = TypeVar("_S")


class DeviceEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """``[device]`` of a map."""

    name: str = ""
    order: str = ""
    description: str = ""


class LimitsEntry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``[limits]`` of a map, ``limits = {...}`` of a plant's device."""

    max_registers: Annotated[int, Meta(ge=1, le=125)] | None = None
    max_bits: Annotated[int, Meta(ge=1, le=2000)] | None = None
    max_gap: Annotated[int, Meta(ge=0)] | Literal["auto"] | None = None
    ranges: list[str] = []
    holes: list[str] = []
    reads: list[str] = []
    in_flight: Annotated[int, Meta(ge=1, le=4096)] | None = None


class OptionsEntry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Options of a client that a map or a plant may give."""

    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    unit: Annotated[int, Meta(ge=0, le=255)] | None = None
    timeout: Time | None = None
    deadline: Time | None = None
    connect_timeout: Time | None = None
    retries: Annotated[int, Meta(ge=0)] | None = None
    in_flight: Annotated[int, Meta(ge=1, le=4096)] | Literal["auto"] | None = None
    coalesce: bool | None = None
    request_gap: Time | None = None
    connect_delay: Time | None = None
    idle_close: Time | None = None
    read_only: bool | None = None
    write_single: Literal["fc06", "fc16"] | None = None
    pipeline_writes: bool | None = None
    quirks: list[Literal["tid_zero", "unit_zero", "exception_length", "trailing_crc"]] | None = None
    source_address: str | None = None


class RepeatEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """``repeat`` of a tag: ``count`` tags, each ``step`` registers after the one before."""

    count: Count
    step: Count
    first: int = 0


class TagEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[tag]]``, one row of a tag table."""

    name: str
    address: str
    units: str = ""
    group: str = ""
    scale: float = 1
    offset: float = 0
    scale_from: str = ""
    missing: list[int | float | str] | int | float | str = []
    valid: tuple[float, float] | None = None
    labels: dict[str, str] = {}
    bits: dict[str, str] = {}
    access: Literal["r", "rw"] = "r"
    write_limits: tuple[float, float] | None = None
    write_with: Literal["fc06", "fc16"] | None = None
    after: str = ""
    description: str = ""
    repeat: RepeatEntry | None = None


class MapFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole map."""

    format: Literal["fastmodbus-map/1"]
    device: DeviceEntry = DeviceEntry()
    options: OptionsEntry = OptionsEntry()
    limits: LimitsEntry = LimitsEntry()
    groups: dict[str, Time] = {}
    include: list[str] | str = []
    tags: list[str] | str = []
    tag: list[TagEntry] = []


class PlantDeviceEntry(OptionsEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """``[[device]]`` of a plant; ``[defaults]`` has the same fields but the name."""

    name: str
    url: str | None = None
    map: str | None = None
    groups: dict[str, Time] = {}
    limits: LimitsEntry = LimitsEntry()
    description: str = ""


class PlantDefaults(OptionsEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """``[defaults]`` of a plant."""

    url: str | None = None
    map: str | None = None
    groups: dict[str, Time] = {}
    limits: LimitsEntry = LimitsEntry()


class PlantFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole plant."""

    format: Literal["fastmodbus-plant/1"]
    defaults: PlantDefaults = PlantDefaults()
    device: list[PlantDeviceEntry] = []


# Where in a file (list positions left out) which structure stands: for the hint after an unknown field.
_STRUCTS: dict[type, dict[str, type]] = {
    MapFile: {
        "": MapFile, ".device": DeviceEntry, ".options": OptionsEntry, ".limits": LimitsEntry, ".tag[]": TagEntry,
        ".tag[].repeat": RepeatEntry,
    },
    PlantFile: {
        "": PlantFile, ".defaults": PlantDefaults, ".defaults.limits": LimitsEntry, ".device[]": PlantDeviceEntry,
        ".device[].limits": LimitsEntry,
    },
    TagEntry: {"": TagEntry, ".repeat": RepeatEntry},
}  # fmt: skip


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise map_error(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise map_error(f"is not UTF-8 text: {error.reason} at byte {error.start}", file=str(path)) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; MapError when it cannot be read."""
    try:
        return tomli.loads(_text(path))
    except tomli.TOMLDecodeError as error:
        raise map_error(f"is not TOML: {error}", file=str(path)) from None


def checked(raw: Mapping[str, Any], kind: type[_S], *, file: str, tag: str = "") -> _S:
    """``raw`` as the structure ``kind``; MapError with file, tag and field when it does not fit."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise _located(message, path.rstrip("`"), raw, kind, file=file, tag=tag) from None


def _located(message: str, path: str, raw: Mapping[str, Any], kind: type, *, file: str, tag: str) -> MapError:
    listed = re.match(r"\.(tag|device)\[(\d+)\]", path)
    entries = _STRUCTS.get(kind, {})
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message):
        known = getattr(entries.get(re.sub(r"\[\d+\]", "[]", path)), "__struct_fields__", ())
        message = f"unknown field {unknown[1]!r}{did_you_mean(unknown[1], known)}; known: {' '.join(known)}"
    elif missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        message = f"the field {missing[1]!r} is missing"
    elif message.startswith("Invalid enum value") and path != ".format":
        message = f"{message}; the texts allowed: {' '.join(_choices(path, entries))}"
    elif path == ".format":
        message = f"{message}: this is not a file of that format, or of another version"
    if listed:
        name = raw[listed[1]][int(listed[2])].get("name", f"number {int(listed[2]) + 1}")
        tag, path = str(name), path[listed.end() :]
    return map_error(message, file=file, tag=tag, field=path.lstrip("."))


def _choices(path: str, entries: Mapping[str, type]) -> Iterator[str]:
    """The texts that the field at a path may have."""
    parent, _, name = re.sub(r"\[\d+\]", "[]", path).removesuffix("[]").rpartition(".")
    waiting = [get_type_hints(entries[parent])[name]]
    while waiting:
        kind = waiting.pop(0)
        waiting += [one for one in get_args(kind) if not isinstance(one, str)]
        yield from (one for one in get_args(kind) if isinstance(one, str))


def csv_rows(path: Path, delimiters: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are neither empty nor a remark, each with its line number.

    Of several delimiters, the one that the first line has most of.
    """
    text = _text(path)
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(delimiters, key=head.count))
    try:
        for row in reader:
            if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
                yield reader.line_num, row
    except csv.Error as error:
        raise map_error(f"is not CSV: {error}", file=f"{path}, line {reader.line_num}") from None


def read_table(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a tag table, each with its line number: a CSV file whose columns are the fields of a tag.

    Columns may be separated by commas, semicolons or tabs; empty cells mean the default. A cell holds what the TOML map
    would: ``[0, 300]`` or ``0; 300`` for lists, ``0=off; 1=on`` for tables, ``0xFFFF`` for numbers.
    """
    rows = csv_rows(path, ",;\t")
    columns = [column.strip().lower() for column in next(rows, (0, []))[1]]
    _check_columns(columns, path)
    return [(line, _cells(columns, row, f"{path}, line {line}")) for line, row in rows]


def _check_columns(columns: list[str], path: Path) -> None:
    known = TagEntry.__struct_fields__
    for column in columns:
        if column not in known:
            hint = did_you_mean(column, known)
            raise map_error(f"unknown column {column!r}{hint}; columns: {' '.join(known)}", file=str(path))
        if columns.count(column) > 1:
            raise map_error(f"column {column!r} stands twice", file=str(path))
    for needed in ("name", "address"):
        if needed not in columns:
            raise map_error(f"the column {needed!r} is missing", file=str(path))


def _cells(columns: list[str], row: list[str], file: str) -> dict[str, Any]:
    if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
        raise map_error(f"{len(row)} cells in a table of {len(columns)} columns", file=file, tag=row[0])
    cells: dict[str, Any] = {}
    for column, cell in zip(columns, row, strict=False):
        if cell.strip():
            try:
                cells[column] = _CELLS.get(column, str.strip)(cell)
            except ValueError as error:
                name = row[columns.index("name")].strip()
                raise map_error(str(error), file=file, tag=name, field=column) from None
    return cells


def _number(cell: str) -> int | float:
    text = cell.strip()
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        comma = " (the decimal sign is a point)" if "," in text else ""
        raise ValueError(f"{text!r} is no number{comma}") from None


def _parts(cell: str) -> list[str]:
    text = cell.strip().removeprefix("[").removesuffix("]").removeprefix("{").removesuffix("}")
    separator = ";" if ";" in text else ","
    return [part.strip() for part in text.split(separator) if part.strip()]


def _numbers(cell: str) -> list[int | float]:
    return [_number(part) for part in _parts(cell)]


def _missing(cell: str) -> list[int | float | str]:
    return ["" if part == '""' else _number(part) for part in _parts(cell)]


def _names(cell: str) -> dict[str, str]:
    names = {}
    for part in _parts(cell):
        key, equals, name = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not number=name")
        names[key.strip()] = name.strip().strip("\"'")
    return names


def _repeat(cell: str) -> dict[str, int | float]:
    return {key: _number(number) for key, number in _names(cell).items()}


_CELLS: dict[str, Any] = {
    "scale": _number, "offset": _number, "missing": _missing, "valid": _numbers, "write_limits": _numbers,
    "labels": _names, "bits": _names, "repeat": _repeat,
}  # fmt: skip
