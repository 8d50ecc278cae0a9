"""A map from the CSV configuration of modpoll (the Python tool; read as its version 1.6 reads it).

Rows are ``device,name,unit``, ``poll,table,start,size,endian`` and ``ref,name,address,type,access,units,scale``.
Addresses are the wire's. The blocks of the ``poll`` rows are not kept: a read plan makes better ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..address import Address, did_you_mean
from ..errors import MapError
from ..maps import Map
from ..maps.files import csv_rows
from ..tags import Tag, in_file, map_error

AREAS = {"coil": "co", "discrete_input": "di", "holding_register": "hr", "input_register": "ir"}
ORDERS = {"be_be": "ABCD", "be_le": "CDAB", "le_be": "BADC", "le_le": "DCBA"}  # bytes in a register _ registers
TYPES = ("uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")
BOOLS = {"bool": 8, "bool8": 8, "bool16": 16}


@dataclass(slots=True)
class _Block:
    """The device and poll rows that a ref row belongs to."""

    device: str = ""
    unit: int = 0
    area: str = ""
    start: int = 0
    order: str = ""


def load_modpoll(path: str | Path, *, device: str = "") -> Map:
    """Load a map from a modpoll configuration.

    Parameters
    ----------
    path : str or Path
        The CSV file.
    device : str
        Which device of the file. By default all of them: then the names of several devices' values begin with the
        device's, as in ``dev001.register1``.

    Returns
    -------
    Map
        Its addresses name the unit, which the file fixes.

    Raises
    ------
    MapError
        With file and line, tag and field. What modpoll would skip with a log line is an error here.
    """
    path = Path(path)
    refs = _refs(path)
    devices = list(dict.fromkeys(name for name, _ in refs))
    if device and device not in devices:
        raise map_error(f"no device {device!r}{did_you_mean(device, devices)}", file=str(path))
    if device:
        tags = [tag for name, tag in refs if name == device]
    elif len(devices) > 1:
        tags = [tag.replace(name=f"{name}.{tag.name}") for name, tag in refs]
    else:
        tags = [tag for _, tag in refs]
    return Map(device or (devices[0] if len(devices) == 1 else path.stem), tuple(tags), file=str(path))


def _refs(path: Path) -> list[tuple[str, Tag]]:
    refs: list[tuple[str, Tag]] = []
    block = _Block()
    for line, row in csv_rows(path):
        place = f"{path}, line {line}"
        try:
            tag = _row([cell.strip() for cell in row], block)
        except MapError as error:
            raise in_file(error, place) from None
        except (ValueError, IndexError) as error:
            raise map_error(str(error) if isinstance(error, ValueError) else "cells are missing", file=place) from None
        if tag is not None:
            refs.append((block.device, tag))
    return refs


def _row(cells: list[str], block: _Block) -> Tag | None:
    kind = cells[0].lower()
    if kind == "device":
        block.device, block.unit, block.area = cells[1], int(cells[2], 0), ""
    elif kind == "poll":
        block.area = _chosen(AREAS, cells[1], "table")
        block.start, block.order = int(cells[2], 0), _chosen(ORDERS, cells[4], "endian")
    elif kind == "ref":
        if not block.device or not block.area:
            raise ValueError("a ref row needs a device row and a poll row before it")
        return _tag(cells, block)
    else:
        raise ValueError(f"unknown row {cells[0]!r}; rows are device, poll and ref")
    return None


def _chosen(choices: dict[str, str], cell: str, what: str) -> str:
    if cell.lower() not in choices:
        raise ValueError(f"unknown {what} {cell!r}{did_you_mean(cell.lower(), choices)}; known: {' '.join(choices)}")
    return choices[cell.lower()]


def _tag(cells: list[str], block: _Block) -> Tag:
    name = cells[1].replace(" ", "_")
    try:
        address = _address(cells[2], cells[3].lower(), block)
    except ValueError as error:
        raise map_error(str(error), tag=name, field="address") from None
    settings: dict[str, Any] = {"units": cells[5]} if cells[5:6] else {}
    if len(cells) > 6 and cells[6] and address.kind.kind not in ("bool", "str"):
        settings["scale"] = float(cells[6])
    if "w" in cells[4].lower() and address.area in ("co", "hr"):
        settings["access"] = "rw"
    return Tag(name, address, **settings)


def _address(cell: str, kind: str, block: _Block) -> Address:
    where, colon, bit = cell.partition(":")
    number = int(where, 0)
    if block.area in ("co", "di"):
        if kind not in BOOLS:
            raise ValueError(f"the type {kind!r} is not for single bits; bool, bool8 or bool16")
        # modpoll counts the refs of a block of bits in bytes from its start.
        return Address.of(block.area, block.start + 8 * (number - block.start), count=BOOLS[kind], unit=block.unit)
    if colon:
        if kind != "bool":
            raise ValueError(f"address:bit goes with the type bool, not {kind!r}")
        return Address.of(block.area, number, bit=int(bit), unit=block.unit)
    if kind in BOOLS:
        return _bits_of_register(number, kind, block)
    if kind.startswith("string"):
        order = "BA" if block.order in ("BADC", "DCBA") else "AB"
        return Address.of(block.area, number, f"str{int(kind[6:])}", order=order, unit=block.unit)
    if kind not in TYPES:
        raise ValueError(f"unknown type {kind!r}{did_you_mean(kind, (*TYPES, *BOOLS))}")
    order = block.order if not kind.endswith("16") else "BA" if block.order in ("BADC", "DCBA") else "AB"
    return Address.of(block.area, number, kind, order=order, unit=block.unit)


def _bits_of_register(number: int, kind: str, block: _Block) -> Address:
    if kind == "bool16":
        raise ValueError(
            "bool16 of a register has its bytes swapped in modpoll; name the bits, address:bit with type bool"
        )
    return Address.of(block.area, number, bit=8, count=8, unit=block.unit)  # modpoll takes the first byte, the high one
