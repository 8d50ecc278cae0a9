"""The decoder of a read plan: one image for all its reads, then every value of it in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import program as core
from .._core.program import Columns, Program
from ..address import BIT_AREAS
from ..plan import Member, Read, ReadPlan
from ..tags import map_error
from .compiling import Meaning, meaning_of, raw_dtype, value_dtype
from .conversion import texts


class _Place(NamedTuple):
    """Where a scale factor is: the read, and the register of the image."""

    read: int
    source: int


class Decoder:
    """What turns the answers of a plan's reads into values. Immutable; any number of threads may use one.

    The *image* is one array of registers with the answers of all reads one after the other: make one with ``image``,
    let each read fill its part of ``targets(image)``, decode it.

    Parameters
    ----------
    plan : ReadPlan
        What is read.
    factors : mapping of str to int, optional
        Values of scale factors that the plan does not read, by the name of their tags.

    Attributes
    ----------
    plan : ReadPlan
    program : Program
        The core's program; its values are the plan's tags, its reads the plan's reads.
    registers : int
        The size of the image.

    Raises
    ------
    MapError
        A tag whose scale factor is neither read nor given, or is no single integer.
    """

    __slots__ = (
        "__weakref__", "_arrays", "_labelled", "_meanings", "_offsets", "_spare", "plan", "program", "registers",
    )  # fmt: skip

    def __init__(self, plan: ReadPlan, *, factors: Mapping[str, int] | None = None) -> None:
        self.plan = plan
        self._spare: list[Table] = []  # of two rows, taken in turn: `values` is called over and over
        self._arrays = [number for number, tag in enumerate(plan.tags) if tag.address.count is not None]
        self._labelled = [number for number, tag in enumerate(plan.tags) if tag.labels and tag.address.count is None]
        sizes = [(read.count + 1) // 2 if read.area in BIT_AREAS else read.count for read in plan.reads]
        self._offsets = [0, *accumulate(sizes)]
        self.registers = self._offsets.pop()
        places = {member.tag: _Place(number, self._source(number, member)) for number, member in self._members()}
        indices, table = self._factors(places, factors or {})
        self._meanings = [meaning_of(tag, index) for tag, index in zip(plan.tags, indices, strict=True)]
        self.program = Program(
            self.registers,
            len(plan.reads),
            self._meanings,
            [(one.tag, self._source(number, one), one.first, one.elements) for number, one in self._members()],
            factors=table,
            members=[
                *((number, one.tag, one.first, one.elements) for number, one in self._members()),
                *((core.UNREAD, number, 0, plan.tags[number].address.length) for number in plan.skipped),
            ],
            twins=list(self._twins(places)),
        )

    def _members(self) -> Iterator[tuple[int, Member]]:
        """Every value that is read, with the number of its read; factors that are read once more are not among them."""
        for number, read in enumerate(self.plan.reads):
            if not read.repeat:
                for member in read.members:
                    yield number, member

    def _source(self, read: int, member: Member) -> int:
        """Where a member lies in the image: a register, a byte for coils."""
        per_register = 2 if self.plan.reads[read].area in BIT_AREAS else 1
        return self._offsets[read] * per_register + member.offset

    def _factors(
        self, places: Mapping[int, _Place], given: Mapping[str, int]
    ) -> tuple[list[int], list[tuple[int, int, int, int | None]]]:
        """For each tag the number of its factor, and the factors."""
        indices: list[int] = []
        table: dict[str, tuple[int, int, int, int | None]] = {}
        for tag, number in zip(self.plan.tags, self.plan.factors, strict=True):
            name = tag.scale_from
            if name and name not in table:
                if number < 0 and name not in given:
                    raise map_error(f"{name!r} is not read, nor is its value given", tag=tag.name, field="scale_from")
                table[name] = self._factor(number, places) if number >= 0 else (0, 0, 0, int(given[name]))
            indices.append(list(table).index(name) if name else -1)
        return indices, list(table.values())

    def _factor(self, number: int, places: Mapping[int, _Place]) -> tuple[int, int, int, int | None]:
        tag = self.plan.tags[number]
        if tag.address.kind.kind not in ("int", "uint") or tag.address.count is not None or not tag.raw:
            raise map_error(f"{tag.address} is a scale factor, which is a single, unscaled integer", tag=tag.name)
        place = places.get(number)
        return (number, 0, core.UNREAD, None) if place is None else (number, place.source, place.read, None)

    def _twins(self, places: Mapping[int, _Place]) -> Iterator[tuple[int, int, int, int, list[tuple[int, int, int]]]]:
        """Scale factors that are read once more, with the values between the two readings."""
        for number, read in enumerate(self.plan.reads):
            for factor in read.members if read.repeat else ():
                first = places[factor.tag]
                between = range(min(number, first.read) + 1, max(number, first.read))
                torn = [
                    (one.tag, one.first, one.elements)
                    for other, one in self._members()
                    if other in between and self.plan.factors[one.tag] == factor.tag
                ]
                width = self.plan.tags[factor.tag].address.width
                yield first.source, self._source(number, factor), number, width, torn

    def image(self) -> NDArray[np.uint16]:
        """An image, of zeros."""
        return np.zeros(self.registers, np.uint16)

    def targets(self, image: NDArray[np.uint16]) -> tuple[NDArray[Any], ...]:
        """For each read of the plan the part of an image that its answer fills: uint16; bool for coils and inputs."""
        return tuple(self._target(image, number, read) for number, read in enumerate(self.plan.reads))

    def _target(self, image: NDArray[np.uint16], number: int, read: Read) -> NDArray[Any]:
        start = self._offsets[number]
        if read.area not in BIT_AREAS:
            return image[start : start + read.count]
        return image[start : start + (read.count + 1) // 2].view(np.bool_)[: read.count]

    def table(self, rows: int = 1) -> Table:
        """Columns for so many decoded images."""
        return Table(self, rows)

    def run(
        self, image: NDArray[np.uint16], table: Table, row: int = 0, statuses: bytes | NDArray[np.uint8] = b""
    ) -> None:
        """Decode an image into a row of a table.

        Parameters
        ----------
        image : numpy.ndarray of uint16
            As the reads filled it; of reads that failed it may hold anything.
        table : Table
        row : int
        statuses : bytes or numpy.ndarray of uint8
            A `Quality` for each read of the plan, 0 where its answer came; empty when they all did. The values of a
            read that failed get this quality, and are NaN, False, 0 or empty.
        """
        self.program.run(image, statuses, table.columns, row)

    def run_rows(self, images: NDArray[np.uint16], statuses: NDArray[np.uint8], table: Table) -> None:
        """Decode many images, with the GIL released, into the first rows of a table.

        Parameters
        ----------
        images : numpy.ndarray of uint16, shape (n, at least registers)
            Each row is contiguous.
        statuses : numpy.ndarray of uint8, shape (n, reads)
            As in `run`.
        table : Table
            With n rows at least.
        """
        self.program.run_rows(images, statuses, table.columns)

    def values(self, image: NDArray[np.uint16], statuses: bytes | NDArray[np.uint8] = b"") -> list[Any]:
        """The values of the plan's tags, in their order: what a single read returns.

        A number is a float, an int where the tag has no scale, NaN where there is none; the text of its label where it
        has one; bools, strings and labels are None where there are none. Arrays are those of `Table.values`, or of
        `Table.raw` where the tag is an integer without scale, missing values and valid range.
        """
        table = self._take_table()
        row = table.columns.spare_row
        self.run(image, table, row, statuses)
        found = table.columns.objects(row)
        for number in self._arrays:
            found[number] = self._array(table, row, number)
        for number in self._labelled:
            if found[number] is not None:
                found[number] = self.plan.tags[number].labels.get(found[number], found[number])
        self._spare.append(table)
        return found

    def _take_table(self) -> Table:
        try:
            return self._spare.pop()
        except IndexError:
            return Table(self, 2)

    def _array(self, table: Table, row: int, number: int) -> NDArray[Any]:
        tag = self.plan.tags[number]
        plain = tag.address.kind.kind in ("int", "uint") and tag.raw and not tag.missing and tag.valid is None
        # A read that failed has no integers to show.
        integers = plain and not table.quality(number)[row].any()
        found: NDArray[Any] = (table.raw(number) if integers else table.values(number))[row]
        return found.copy()


class Table:
    """Decoded rows: a column of values, of raw numbers and of qualities for each tag, in one block of memory.

    Arrays that are asked for are views of it: they change when a row is decoded again.

    Attributes
    ----------
    block : numpy.ndarray of uint8
        The memory, for who takes a column by its place (`places`).
    """

    __slots__ = ("block", "columns", "decoder", "rows")

    def __init__(self, decoder: Decoder, rows: int) -> None:
        if rows < 1:
            raise ValueError(f"a table has at least one row, not {rows}")
        self.decoder, self.rows = decoder, rows
        self.block = np.zeros(decoder.program.block_size(rows), np.uint8)
        self.columns = Columns(decoder.program, self.block, rows)

    def values(self, tag: int) -> NDArray[Any]:
        """The values of the tag with this number, shape (rows,), or (rows, n) for an array.

        Numbers are float64 (f16 and f32 float32), NaN where the quality is not GOOD; numbers with names for them or for
        their bits are integers, bools bool, strings text.
        """
        kind = self.decoder.plan.tags[tag].address.kind
        found = self._view(tag, 0, value_dtype(kind, self._meaning(tag).form))
        return texts(found, kind.bits // 8) if kind.kind == "str" else found

    def raw(self, tag: int) -> NDArray[Any]:
        """The device's own numbers, in the dtype of their type; 0 or NaN where nothing came."""
        kind = self.decoder.plan.tags[tag].address.kind
        return self.values(tag) if kind.kind in ("bool", "str") else self._view(tag, 1, raw_dtype(kind))

    def quality(self, tag: int) -> NDArray[np.uint8]:
        """A `Quality` for each value."""
        return self._view(tag, 2, np.dtype(np.uint8))

    @property
    def qualities(self) -> NDArray[np.uint8]:
        """The end of the block, which has all qualities and zeros between them."""
        return self.block[self.columns.offsets(0)[2] if self.decoder.plan.tags else len(self.block) :]

    def places(self, tag: int) -> tuple[int, int, int]:
        """Where in the block the values, the raw numbers and the qualities of a tag begin; the same for equal rows."""
        return self.columns.offsets(tag)

    def _meaning(self, tag: int) -> Meaning:
        return self.decoder._meanings[tag]

    def _view(self, tag: int, which: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        count = self.decoder.plan.tags[tag].address.count
        shape = (self.rows,) if count is None else (self.rows, count)
        return np.ndarray(shape, dtype, self.block, self.columns.offsets(tag)[which])
