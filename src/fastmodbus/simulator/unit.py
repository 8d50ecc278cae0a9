"""One simulated unit: its four tables as numpy arrays, and what else the specification lets a client ask a device."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastmodbus._core.responder import AREAS, Bank
from fastmodbus.address import AddressRange

TABLE_SIZE = 65536
MAX_EXCEPTION = 255

Table = npt.ArrayLike | Mapping[int, int]


def parse_range(text: str) -> AddressRange:
    """A range of one unit's addresses, such as ``hr100-110`` (the last belongs to it)."""
    found = AddressRange.parse(text)
    if found.unit is not None:
        raise ValueError(f"{text!r}: a unit's ranges are given to it alone, here to simulator.unit({found.unit})")
    return found


def _checked(values: npt.ArrayLike, dtype: type[np.generic], what: str) -> npt.NDArray[Any]:
    """The values as the table's dtype, or ValueError where they do not fit."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what} has {array.ndim} dimensions; a table has one")
    if dtype is np.uint16 and array.dtype != np.uint16 and array.size:
        if array.dtype.kind not in "iu":
            raise ValueError(f"{what} holds {array.dtype}; registers are integers from 0 to 65535")
        if array.min() < 0 or array.max() > TABLE_SIZE - 1:
            raise ValueError(f"{what} holds values outside 0 to 65535")
    return array.astype(dtype)


class Unit:
    """One unit behind a simulator.

    The arrays are the device's memory itself: what is written to them is what the next request reads. Hold the
    simulator's `lock` while changing values that belong together.

    Attributes
    ----------
    holding, input : ndarray of uint16
        Registers by address, 65536 unless the simulator was given `sizes`.
    coils, discrete : ndarray of bool
        Bits by address.
    """

    def __init__(self, sizes: Mapping[str, int] | None = None) -> None:
        size = dict.fromkeys(AREAS, TABLE_SIZE) | dict(sizes or {})
        if unknown := size.keys() - AREAS.keys():
            raise ValueError(f"sizes names {', '.join(sorted(unknown))}; areas are {', '.join(AREAS)}")
        if not all(0 <= count <= TABLE_SIZE for count in size.values()):
            raise ValueError(f"sizes is {dict(size)}; a table has 0 to {TABLE_SIZE} addresses")
        self.holding: npt.NDArray[np.uint16] = np.zeros(size["hr"], np.uint16)
        self.input: npt.NDArray[np.uint16] = np.zeros(size["ir"], np.uint16)
        self.coils: npt.NDArray[np.bool_] = np.zeros(size["co"], np.bool_)
        self.discrete: npt.NDArray[np.bool_] = np.zeros(size["di"], np.bool_)
        self.bank = Bank(self.holding, self.input, self.coils.view(np.uint8), self.discrete.view(np.uint8))
        self.identify({0: "fastmodbus", 1: "simulator", 2: "1"})

    def __setattr__(self, name: str, value: object) -> None:
        if name in ("holding", "input", "coils", "discrete") and hasattr(self, name):
            raise AttributeError(f"{name} is the device's memory and cannot be replaced; assign to {name}[:]")
        object.__setattr__(self, name, value)

    def table(self, area: str) -> npt.NDArray[Any]:
        """The array of an area: ``co``, ``di``, ``ir`` or ``hr``."""
        tables = {"co": self.coils, "di": self.discrete, "ir": self.input, "hr": self.holding}
        if area not in tables:
            raise ValueError(f"{area!r} is not an area; areas are {', '.join(tables)}")
        return tables[area]

    def load(self, registers: Mapping[str, Table]) -> None:
        """Fill tables: area -> array from address 0 on, or area -> {address: value}."""
        for area, values in registers.items():
            table = self.table(area)
            if isinstance(values, Mapping):
                addresses: npt.NDArray[np.int64] = np.fromiter(values.keys(), np.int64, len(values))
                if not np.all((addresses >= 0) & (addresses < len(table))):
                    raise ValueError(f"{area} has addresses 0 to {len(table) - 1}")
                table[addresses] = _checked(list(values.values()), table.dtype.type, area)
                continue
            array = _checked(values, table.dtype.type, area)
            if len(array) > len(table):
                raise ValueError(f"{area} has {len(table)} addresses; {len(array)} values do not fit")
            table[: len(array)] = array

    def fail(self, where: str, code: int = 2, times: int | None = None) -> None:
        """Answer requests that touch a range with an exception.

        Parameters
        ----------
        where : str
            Such as ``"hr100-110"``: area and addresses, the last included.
        code : int
            Exception code, 1 to 255 (ap 7).
        times : int, optional
            How many requests are refused before the range works again; all of them by default.
        """
        if not 1 <= code <= MAX_EXCEPTION:
            raise ValueError(f"code is {code}; exception codes are 1 to {MAX_EXCEPTION}")
        if times is not None and times < 0:
            raise ValueError(f"times is {times}; it must not be negative")
        found = parse_range(where)
        self.bank.refuse(AREAS[found.area], found.first, found.last + 1, code, -1 if times is None else times)

    def heal(self) -> None:
        """Take back every `fail`."""
        self.bank.refuse_nothing()

    def identify(self, objects: Mapping[int, str | bytes | None]) -> None:
        """Set objects of device identification (ap 6.21), at most 244 bytes each; None takes one away.

        0 to 2 are the basic category, 3 to 127 regular, 128 to 255 extended.
        """
        for object_id, value in objects.items():
            self.bank.set_object(object_id, value.encode() if isinstance(value, str) else value)

    def set_file(self, number: int, registers: Sequence[int] | npt.NDArray[np.uint16] | None) -> None:
        """The records of a file (ap 6.14, 6.15), at most 10000. A uint16 array is shared; None takes the file away."""
        self.bank.set_file(number, _shared(registers, f"file {number}"))

    def set_queue(self, pointer: int, registers: Sequence[int] | npt.NDArray[np.uint16] | None) -> None:
        """What reading the FIFO queue at a pointer address returns (ap 6.18); beyond 31 registers it is exception 3."""
        self.bank.set_queue(pointer, _shared(registers, f"queue {pointer}"))

    @property
    def server_id(self) -> bytes:
        """What function 17 answers (ap 6.13): id, run indicator (0xFF for on), additional data; at most 251 bytes."""
        return self.bank.server_id

    @server_id.setter
    def server_id(self, value: bytes) -> None:
        self.bank.server_id = value

    @property
    def exception_status(self) -> int:
        """The eight bits that function 7 reads (ap 6.7)."""
        return self.bank.exception_status

    @exception_status.setter
    def exception_status(self, value: int) -> None:
        self.bank.exception_status = value

    @property
    def diagnostic_register(self) -> int:
        """The 16 bits that sub-function 2 of function 8 reads (ap 6.8)."""
        return self.bank.diagnostic_register

    @diagnostic_register.setter
    def diagnostic_register(self, value: int) -> None:
        self.bank.diagnostic_register = value


def _shared(registers: Sequence[int] | npt.NDArray[np.uint16] | None, what: str) -> npt.NDArray[np.uint16] | None:
    if registers is None or (isinstance(registers, np.ndarray) and registers.dtype == np.uint16):
        return registers
    return _checked(registers, np.uint16, what)
