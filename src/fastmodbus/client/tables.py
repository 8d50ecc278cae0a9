"""Reading and writing the four tables: coils, discrete inputs, input and holding registers.

A part of `Client`, which alone uses it. What a call means is in `calls`; nothing here knows how it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import calls
from ..spec import FunctionCode
from .base import Base

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tables(Base):
    """The methods for registers and bits by number."""

    def _read(
        self, function: int, address: int, count: int, out: Any, unit: int | None, timeout: Any, deadline: Any
    ) -> NDArray[Any]:
        call = self._call(unit, timeout, deadline)
        batch, array = calls.read_table(call, function, address, count, out)
        self._link.run(batch)
        if batch.ok():
            return array
        self._explain_loss(call)
        return calls.finish_read(call, batch, array, address, ours=out is None)

    def _write(
        self, function: int, address: int, values: NDArray[Any], unit: int | None, timeout: Any, deadline: Any
    ) -> None:
        call = self._call(unit, timeout, deadline)
        batch = calls.write_table(call, function, address, values)
        self._link.run(batch)
        self._explain_loss(call)
        calls.finish_write(call, batch)

    # -------------------------------------------------------------------------------------------- reading

    def read_coils(
        self, address: int, count: int = 1, *, out: NDArray[np.bool_] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Read coils (function 01, ap 6.1); split into requests of `max_bits`.

        Parameters
        ----------
        address : int
            The first coil, 0-based as on the wire, 0 to 65535.
        count : int
            How many, 1 to ``65536 - address``.
        out : ndarray of bool, shape (count,), optional
            Filled instead of a new array: C-contiguous and writable. What could not be read is left as it was.
        unit, timeout, deadline
            Override the client's.

        Returns
        -------
        ndarray of bool, shape (count,)

        Raises
        ------
        DeviceError, RequestTimeout, ProtocolError, ConnectionFailed
            The first failure; `partial`, `ok` and `errors` carry the rest of a read that was split.
        TypeError, ValueError
            A bad argument; nothing was sent.
        """
        return self._read(FunctionCode.READ_COILS, address, count, out, unit, timeout, deadline)

    def read_discrete_inputs(
        self, address: int, count: int = 1, *, out: NDArray[np.bool_] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Read discrete inputs (function 02, ap 6.2); everything else as `read_coils`.

        Returns
        -------
        ndarray of bool, shape (count,)
        """
        return self._read(FunctionCode.READ_DISCRETE_INPUTS, address, count, out, unit, timeout, deadline)

    def read_holding_registers(
        self, address: int, count: int = 1, *, out: NDArray[np.uint16] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Read holding registers (function 03, ap 6.3); split into requests of `max_registers`.

        Parameters, errors and `out` are those of `read_coils`.

        Returns
        -------
        ndarray of uint16, shape (count,)
            In native byte order.
        """
        return self._read(FunctionCode.READ_HOLDING_REGISTERS, address, count, out, unit, timeout, deadline)

    def read_input_registers(
        self, address: int, count: int = 1, *, out: NDArray[np.uint16] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Read input registers (function 04, ap 6.4); everything else as `read_holding_registers`.

        Returns
        -------
        ndarray of uint16, shape (count,)
        """
        return self._read(FunctionCode.READ_INPUT_REGISTERS, address, count, out, unit, timeout, deadline)

    # -------------------------------------------------------------------------------------------- writing

    def write_coil(
        self, address: int, value: bool, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> None:
        """Write one coil (function 05, ap 6.5).

        Raises
        ------
        ModbusError
            `outcome_unknown` says whether it may have been carried out all the same. A write is never sent twice.
        """
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.write_coil(call, address, value))

    def write_register(
        self, address: int, value: int, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> None:
        """Write one holding register (function 06, ap 6.6; or 16, see the option `write_single`), 0 to 65535."""
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.write_register(call, address, value))

    def write_coils(
        self, address: int, values: Sequence[bool] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write coils (function 15, ap 6.11), split into requests of 1968; after a failed one nothing more is sent.

        Raises
        ------
        ModbusError
            `written` tells the ranges that the device confirmed.
        """
        found = calls.check_coils(address, values)
        self._write(FunctionCode.WRITE_COILS, address, found, unit, timeout, deadline)

    def write_registers(
        self, address: int, values: Sequence[int] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write holding registers (function 16, ap 6.12), split into requests of 123; otherwise as `write_coils`.

        Parameters
        ----------
        values : sequence of int, or 1-D integer array
            0 to 65535 each; nothing wraps and nothing is rounded.
        """
        found = calls.check_registers(address, values)
        self._write(FunctionCode.WRITE_REGISTERS, address, found, unit, timeout, deadline)

    def mask_write_register(
        self, address: int, and_mask: int, or_mask: int, *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Change bits of a holding register (function 22, ap 6.16): (current & and_mask) | (or_mask & ~and_mask)."""
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.mask_write_register(call, address, and_mask, or_mask))

    def read_write_registers(
        self, read_address: int, read_count: int, write_address: int, values: Sequence[int] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Write up to 121 and then read up to 125 holding registers in one transaction (function 23, ap 6.17).

        Returns
        -------
        ndarray of uint16, shape (read_count,)
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_write_registers(call, read_address, read_count, write_address, values))
