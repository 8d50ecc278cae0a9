"""What a client's ``read`` and ``write`` of named values do, without saying how it is run: see `calls`.

A read executes its plan. Where the device refuses a request with exception 2, 3 or 4 the plan is refined (bridges taken
back, the request divided) until the tags that cannot be read stand alone; those that fail twice while others succeed
are holes, remembered and left out for a while. A device that refuses everything teaches nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import calls, errors, spec
from ._core import batch as core
from ._core.batch import Batch
from ._core.reactor import now
from .address import BIT_AREAS
from .calls import Call, Steps
from .explain import error_of
from .naming import Names, Request, Selection, requests_of
from .plan import ReadPlan
from .plan.refining import REFUSALS, ReadKey, Refinement, read_key
from .quality import quality_of
from .spec import FunctionCode, Status
from .tags import Tag
from .values import Decoder, Encoded, encode_tag

log = logging.getLogger("fastmodbus")

_Result = tuple[int, int, int, int, int, int, int, bool, int]


class _Poll:
    """One pass after the other over the reads of a selection, until there is nothing more to ask."""

    def __init__(self, call: Call, selection: Selection) -> None:
        self.call, self.selection = call, selection
        self.answers: dict[ReadKey, NDArray[Any]] = {}
        self.failures: dict[ReadKey, _Result] = {}
        self.refinement = Refinement()
        self.settled = self.refinement.settled  # failed, and asking again would not help
        self.start(selection.decoder, selection.requests)

    def start(self, decoder: Decoder, requests: list[Request]) -> None:
        self.decoder, self.requests = decoder, requests
        self.image = decoder.image()
        self.targets = decoder.targets(self.image)

    def steps(self) -> Steps[None]:
        """Ask for what is not answered yet, stage by stage, and refine the plan where the device refuses."""
        while True:
            for stage in sorted({read.stage for read in self.decoder.plan.reads}):
                yield from self._ask(
                    [
                        number
                        for number, read in enumerate(self.decoder.plan.reads)
                        if read.stage == stage and read_key(read) not in self.answers.keys() | self.settled
                    ]
                )
            if not self.failures or not self._refine():
                return

    def _ask(self, numbers: list[int]) -> Steps[None]:
        if not numbers:
            return
        batch = self.call.limit(core.image_batch([self.requests[number] for number in numbers], self.image))
        yield batch
        self._note(batch, numbers)

    def _note(self, batch: Batch, numbers: list[int]) -> None:
        fine = batch.ok()
        for index, number in enumerate(numbers):
            key = read_key(self.decoder.plan.reads[number])
            result = None if fine else batch.result(index)
            if result is None or result[0] == Status.OK:
                self.answers[key] = self.targets[number]
                self.failures.pop(key, None)
            else:
                self.failures[key] = result

    def _refine(self) -> bool:
        """Make the next generation of the plan; False when asking again would not help."""
        refused = []
        for read in self.decoder.plan.reads:
            key = read_key(read)
            result = self.failures.get(key)
            if result is None or key in self.settled:
                continue
            if result[0] == Status.EXCEPTION and result[2] in REFUSALS:
                refused.append(read)
            else:
                self.settled.add(key)
        plan, again = self.refinement.refine(self.decoder.plan, refused, answered=bool(self.answers))
        if plan is self.decoder.plan:
            return again
        left = {read_key(read) for read in plan.reads}
        self.failures = {key: result for key, result in self.failures.items() if key in left}
        decoder = Decoder(plan)
        self.start(decoder, requests_of(decoder))
        return True

    def finish(self) -> None:
        """Remember what was learnt, if the device answered anything at all."""
        plan = self.decoder.plan
        if not self.answers:
            return
        for tag in self.selection.unsaid(self.refinement.holes):
            log.warning(
                "%s: %s (%s) is refused by the device and left out",
                self.call.where.label, plan.tags[tag].name, plan.tags[tag].address,
            )  # fmt: skip
        plan = self.refinement.conclude(plan)
        if plan is not self.selection.plan:
            self.selection.learn(plan, now() / 1e9)

    def values(self) -> list[Any]:
        """The values of the plan's tags, by their numbers."""
        statuses = np.zeros(len(self.targets), np.uint8)
        for number, read in enumerate(self.decoder.plan.reads):
            key = read_key(read)
            if key not in self.answers:
                result = self.failures[key]
                statuses[number] = quality_of(result[0], result[2])
            elif self.answers[key] is not self.targets[number]:
                self.targets[number][:] = self.answers[key]
        return self.decoder.values(self.image, statuses)


def read(call: Call, names: Names, what: Any) -> Steps[Any]:
    """Read what is named; see `Client.read`."""
    selection = names.selection(what)
    selection.freshen(now() / 1e9)
    poll = _Poll(call, selection)
    yield from poll.steps()
    result = selection.result(poll.values())
    poll.finish()
    if poll.failures:
        found = [error_of(failure, call.where) for failure in poll.failures.values()]
        found[0].partial, found[0].errors = result, tuple(found)
        raise found[0]
    return result


# ------------------------------------------------------------------------------------------------ writing


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


def write(call: Call, names: Names, values: Mapping[str, Any], verify: bool) -> Steps[None]:
    """Write named values, neighbours in one request; see `Client.write`. All is checked before a byte is written."""
    if not isinstance(values, Mapping):
        raise TypeError(f"write needs where and what, or a mapping of these, not {values!r} alone")
    if not values:
        raise ValueError("what to write is empty")
    tags = {key: names.writable(key) for key in values}
    call.may_write()
    pieces = [_piece(call, tag, values[key], None) for key, tag in tags.items() if not tag.scale_from]
    exponents = yield from _exponents(call, names, tags.values())
    pieces += [_piece(call, tag, values[key], exponents) for key, tag in tags.items() if tag.scale_from]
    pieces.sort(key=lambda piece: (piece.unit, piece.area, piece.address))
    for run in _runs(call, [piece for piece in pieces if piece.encoded.masks is None]):
        yield from _send(call, run)
    for (unit, register), (mask, bits) in _bits_of(pieces).items():
        yield from _send_bits(replace(call, unit=unit), register, mask, bits)
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


def _send_bits(call: Call, address: int, mask: int, value: int) -> Steps[None]:
    """Some bits of a register: by function 22, and where the device has none by reading, changing and writing it back.

    Between the reading and the writing another client's change of the register's other bits would be undone.
    """
    if mask == 0xFFFF:
        yield from calls.write_register(call, address, value)
        return
    try:
        yield from calls.mask_write_register(call, address, ~mask & 0xFFFF, value & mask)
    except errors.IllegalFunction:
        batch, array = calls.read_table(call, FunctionCode.READ_HOLDING_REGISTERS, address, 1, None)
        yield batch
        current = int(calls.finish_read(call, batch, array, address, ours=True)[0])
        yield from calls.write_register(call, address, (current & ~mask) | (value & mask))


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


def plan_of(names: Names, what: Any) -> ReadPlan:
    """The plan that `read` uses, in its newest generation."""
    return names.selection(what).plan
