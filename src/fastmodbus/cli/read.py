"""``fastmodbus read``: ranges of tables, printed as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmodbus.client import Client
from fastmodbus.errors import DeviceError, ModbusError, ProtocolError

from .device import open_device
from .outcome import UsageError
from .ranges import Range, parse_range

if TYPE_CHECKING:
    from .line import InFlight, Line

COLUMNS = 10
Cell = int | bool | str | None


class Result(NamedTuple):
    """What came of a range: its values, and which of them were read."""

    range: Range
    values: NDArray[Any]
    ok: NDArray[np.bool_]

    def cells(self, *, hexadecimal: bool) -> list[Cell]:
        """The values as Python's, in address order; None where there is none."""
        values: list[Cell] = self.values.tolist()
        if hexadecimal and not self.range.bits:
            values = [f"0x{value:04X}" for value in self.values]
        return [value if ok else None for value, ok in zip(values, self.ok, strict=True)]


def read(
    url: str, texts: Sequence[str], line: Line, in_flight: InFlight | None, format: str, *, hexadecimal: bool
) -> None:
    """Read every range, print what there is, then raise the first error if there was one."""
    if not texts:
        raise UsageError("read what? Give one or more ranges, such as hr0-99")
    ranges = [parse_range(text) for text in texts]
    with open_device(url, line, in_flight) as client:
        results, failures = read_all(client, ranges)
    if any(result.ok.any() for result in results):
        _PRINTERS[format](results, hexadecimal)
    if failures:
        raise failures[0]


def read_all(client: Client, ranges: Sequence[Range]) -> tuple[list[Result], list[ModbusError]]:
    """Read range by range. Who refuses one may have the next; who is silent or gone is not asked again."""
    results: list[Result] = []
    failures: list[ModbusError] = []
    for wanted in ranges:
        try:
            values = read_table(client, wanted)
            ok = np.ones(wanted.count, np.bool_)
        except (DeviceError, ProtocolError) as error:
            failures.append(error)
            values, ok = error.partial, error.ok
        results.append(Result(wanted, values, ok))
    return results, failures


def read_table(client: Client, wanted: Range, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The client's method for the range's table."""
    methods: dict[str, Callable[..., NDArray[Any]]] = {
        "co": client.read_coils,
        "di": client.read_discrete_inputs,
        "ir": client.read_input_registers,
        "hr": client.read_holding_registers,
    }
    return methods[wanted.area](wanted.address, wanted.count, out=out, unit=wanted.unit)


# ---------------------------------------------------------------------------------------------------- printing


def _print_json(results: Sequence[Result], hexadecimal: bool) -> None:
    found = {result.range.text: result.cells(hexadecimal=hexadecimal) for result in results}
    print(json.dumps(found, separators=(",", ": ")))


def _print_csv(results: Sequence[Result], hexadecimal: bool) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("area", "address", "value"))
    for result in results:
        for offset, cell in enumerate(result.cells(hexadecimal=hexadecimal)):
            value = int(cell) if isinstance(cell, bool) else cell
            writer.writerow((result.range.area, result.range.address + offset, value))


def _print_table(results: Sequence[Result], hexadecimal: bool) -> None:
    from rich.table import Table

    from .terminal import console

    columns = min(COLUMNS, max(result.range.count for result in results))
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=columns > 1)
    table.add_column("", style="bold")
    for column in range(columns):
        table.add_column(f"+{column}", justify="right")
    for result in results:
        for row in _rows(result, columns, hexadecimal):
            table.add_row(*row)
    shown = console()
    shown.print(table, width=None if shown.is_terminal else max(shown.width, 16 + 8 * columns))


def _rows(result: Result, columns: int, hexadecimal: bool) -> Iterator[list[str]]:
    cells = result.cells(hexadecimal=hexadecimal)
    for start in range(0, len(cells), columns):
        row = [
            "-" if cell is None else str(int(cell) if isinstance(cell, bool) else cell)
            for cell in cells[start:][:columns]
        ]
        yield [f"{result.range.area}{result.range.address + start}", *row]


_PRINTERS: dict[str, Callable[[Sequence[Result], bool], None]] = {
    "table": _print_table,
    "csv": _print_csv,
    "json": _print_json,
}
