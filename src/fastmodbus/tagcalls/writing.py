"""Writing named values: neighbours in one request, bits of a register without its other bits, checked before it begins.

A part of `tagcalls`; only that uses it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import calls, errors, spec
from .._core.reactor import now
from ..address import BIT_AREAS
from ..anyclient import NOTHING
from ..calls import Call, Steps
from ..naming import Names
from ..spec import FunctionCode
from ..tags import Tag
from ..values import Encoded, encode_tag
from .reading import read


class _Piece(NamedTuple):
    """Values of one tag on their way: where they begin, what they are."""

    tag: Tag
    unit: int
    area: str
    address: int
    encoded: Encoded

    @property
    def end(self) -> int:
        return self.address + len(self.encoded.values)

    def joins(self, other: _Piece) -> bool:
        """Whether the other piece follows in the same request."""
        return (
            (self.unit, self.area, self.end) == (other.unit, other.area, other.address)
            and not self.tag.write_with
            and not other.tag.write_with
        )


_BitsOf = dict[tuple[int, int], tuple[int, int]]  # unit and register: which of its bits, and their values


def assigned(what: Any, value: Any = NOTHING) -> Mapping[str, Any]:
    """What `Client.write` is to write where: of one place and its value, or of a mapping alone."""
    if isinstance(what, Mapping):
        if value is not NOTHING:
            raise TypeError(f"write takes a mapping alone: {value!r} has no place to go")
        return what
    if value is NOTHING:
        raise TypeError(f"write needs where and what, or a mapping of these, not {what!r} alone")
    return {what: value}


def write(call: Call, names: Names, values: Mapping[str, Any], verify: bool) -> Steps[None]:
    """Write named values, neighbours in one request; see `Client.write`. All is checked before a byte is written."""
    if not values:
        raise ValueError("what to write is empty")
    tags = {key: names.writable(key) for key in values}
    call.may_write()
    pieces = [_piece(call, tag, values[key], None) for key, tag in tags.items() if not tag.scale_from]
    exponents = yield from _exponents(call, names, tags.values())
    pieces += [_piece(call, tag, values[key], exponents) for key, tag in tags.items() if tag.scale_from]
    pieces.sort(key=lambda piece: (piece.unit, piece.area, piece.address))
    for piece in pieces:
        names.written(piece.unit, piece.area, piece.address, piece.end)
    for run in _runs(call, [piece for piece in pieces if piece.encoded.masks is None]):
        yield from _send(call, run)
    for (unit, register), (mask, bits) in _bits_of(pieces).items():
        yield from _send_bits(replace(call, unit=unit), names, register, mask, bits)
    if verify:
        yield from _verify(call, names, pieces)


def _piece(call: Call, tag: Tag, value: Any, exponents: Mapping[str, int] | None) -> _Piece:
    unit = call.unit if tag.address.unit is None else tag.address.unit
    encoded = encode_tag(tag, value, exponent=exponents[tag.scale_from] if exponents else None)
    return _Piece(tag, unit, tag.address.area, tag.address.address, encoded)


def _runs(call: Call, pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    """The pieces that go into one request each: neighbours, as many as it takes whole."""
    runs: list[list[_Piece]] = []
    for piece in pieces:
        bits = piece.area in BIT_AREAS
        most = min(spec.MAX_WRITE_BITS, call.max_bits) if bits else min(spec.MAX_WRITE_REGISTERS, call.max_registers)
        if runs and runs[-1][-1].joins(piece) and piece.end - runs[-1][0].address <= most:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return runs


def _bits_of(pieces: Iterable[_Piece]) -> _BitsOf:
    """The bits of registers that are written, those of one register together."""
    found: _BitsOf = {}
    for piece in pieces:
        for index, mask in enumerate(() if piece.encoded.masks is None else piece.encoded.masks.tolist()):
            key = piece.unit, piece.address + index
            known, bits = found.get(key, (0, 0))
            found[key] = known | mask, bits & ~mask | int(piece.encoded.values[index]) & mask
    return found


def _exponents(call: Call, names: Names, tags: Iterable[Tag]) -> Steps[dict[str, int]]:
    """The scale factors that some tags need: they have to be read first."""
    wanted = sorted({tag.scale_from for tag in tags if tag.scale_from})
    if not wanted:
        return {}
    found = yield from read(call, names, wanted)
    for name, value in found.items():
        if value is None or math.isnan(value):
            raise ValueError(f"the device has no value for the scale factor {name!r}; nothing was written")
    return {name: int(value) for name, value in found.items()}


def _send(call: Call, run: list[_Piece]) -> Steps[None]:
    first = run[0]
    call = replace(call, unit=first.unit)
    values = np.concatenate([piece.encoded.values for piece in run])
    if len(values) == 1 and first.tag.write_with != "fc16":
        if first.area in BIT_AREAS:
            yield from calls.write_coil(call, first.address, bool(values[0]))
        else:
            how = replace(call, write_single=first.tag.write_with or call.write_single)
            yield from calls.write_register(how, first.address, int(values[0]))
        return
    function = FunctionCode.WRITE_COILS if first.area in BIT_AREAS else FunctionCode.WRITE_REGISTERS
    batch = calls.write_table(call, function, first.address, values)
    yield batch
    calls.finish_write(call, batch)


def _send_bits(call: Call, names: Names, address: int, mask: int, value: int) -> Steps[None]:
    """Some bits of a register: by function 22, and where the device has none by reading, changing and writing it back.

    Between the reading and the writing another client's change of the register's other bits would be undone.
    """
    if mask == 0xFFFF:
        yield from calls.write_register(call, address, value)
        return
    known = call.unit in names.learnt.no_mask_write
    if not known:
        try:
            yield from calls.mask_write_register(call, address, ~mask & 0xFFFF, value & mask)
        except errors.IllegalFunction:
            pass
        else:
            return
    batch, array = calls.read_table(call, FunctionCode.READ_HOLDING_REGISTERS, address, 1, None)
    yield batch
    current = int(calls.finish_read(call, batch, array, address, ours=True)[0])
    yield from calls.write_register(call, address, (current & ~mask) | (value & mask))
    if not known:
        names.lacks_mask_write(call.unit, now() / 1e9)


def _verify(call: Call, names: Names, pieces: list[_Piece]) -> Steps[None]:
    """Read the registers that were written back and compare the bits that are ours."""
    for piece in pieces:
        one = replace(call, unit=piece.unit)
        bits = piece.area in BIT_AREAS
        function = FunctionCode.READ_COILS if bits else FunctionCode.READ_HOLDING_REGISTERS
        batch, found = calls.read_table(one, function, piece.address, len(piece.encoded.values), None)
        yield batch
        found = calls.finish_read(one, batch, found, piece.address, ours=True)
        wanted = piece.encoded.values
        if piece.encoded.masks is not None:
            found, wanted = found & piece.encoded.masks, wanted & piece.encoded.masks
        if not np.array_equal(found, wanted):
            raise errors.ModbusError(
                f"{call.where.label}, unit {piece.unit}: {piece.tag.name} ({piece.tag.address}) was written and reads "
                f"back differently: {found.tolist()} instead of {wanted.tolist()}",
                unit=piece.unit,
                address=piece.address,
                count=len(wanted),
            )
