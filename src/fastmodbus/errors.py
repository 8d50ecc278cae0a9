"""The errors of fastmodbus: one tree, split by who is at fault and what a caller would do about it.

Bad arguments are ``ValueError`` or ``TypeError`` and are raised before a byte is sent; everything else that can go
wrong with a device is a `ModbusError`. All of them can be pickled: whatever they carry beside the message is an
attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "Acknowledge",
    "ClientClosed",
    "ConnectionFailed",
    "DeviceBusy",
    "DeviceError",
    "DeviceFailure",
    "ForkedClient",
    "GatewayPathUnavailable",
    "GatewayTargetFailed",
    "IllegalDataAddress",
    "IllegalDataValue",
    "IllegalFunction",
    "MapError",
    "MemoryParityError",
    "ModbusError",
    "Overrun",
    "ProtocolError",
    "RecorderError",
    "RequestTimeout",
    "WrongEventLoop",
]


class ModbusError(Exception):
    """Something went wrong between this program and a device.

    Attributes
    ----------
    unit, function, address, count : int or None
        The request concerned, as it went on the wire; None where there is none.
    outcome_unknown : bool
        True for a write that may or may not have been carried out: some of it may have reached the device, and no good
        answer came. Read the value back before writing again.
    written : tuple of range
        Of a write that was split: the addresses whose writing the device confirmed.
    partial : numpy.ndarray or None
        Of a bulk read of which a part failed: the values, 0 where there are none.
    ok : numpy.ndarray of bool or None
        Which elements of `partial` were read.
    errors : sequence of ModbusError
        One error for each request that failed; the one raised is the first.
    """

    unit: int | None = None
    function: int | None = None
    address: int | None = None
    count: int | None = None
    outcome_unknown: bool = False
    written: tuple[range, ...] = ()
    partial: Any = None
    ok: Any = None
    errors: Sequence[ModbusError] = ()

    def __init__(self, message: str = "", **attributes: Any) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)


class DeviceError(ModbusError):
    """The device answered with an exception (ap 7). The connection is fine.

    Attributes
    ----------
    code : int
        The exception code as the device sent it, also when the specification does not define it.
    """

    code: int = 0


class IllegalFunction(DeviceError):
    """Exception 01: the device does not have this function (over TLS also: not allowed for this client's role)."""


class IllegalDataAddress(DeviceError):
    """Exception 02: some of the addresses do not exist in the device."""


class IllegalDataValue(DeviceError):
    """Exception 03: the request's structure or quantity is not accepted; it says nothing about a register's value."""


class DeviceFailure(DeviceError):
    """Exception 04: the device failed while it carried out the request."""


class Acknowledge(DeviceError):
    """Exception 05: accepted, but it takes long; poll for its completion. It is not success yet."""


class DeviceBusy(DeviceError):
    """Exception 06: the device is busy, or more requests were in flight than it takes."""


class MemoryParityError(DeviceError):
    """Exception 08: the extended memory of function codes 20 and 21 failed its consistency check."""


class GatewayPathUnavailable(DeviceError):
    """Exception 0A: the gateway has no path to the unit: it is misconfigured or overloaded."""


class GatewayTargetFailed(DeviceError):
    """Exception 0B: the unit behind the gateway did not respond. Other units are not affected."""


class ProtocolError(ModbusError):
    """The answer breaks the protocol. Nothing of it was used."""


class RequestTimeout(ModbusError, TimeoutError):
    """No answer in time, after all retries, or the deadline of the call came."""


class ConnectionFailed(ModbusError, ConnectionError):
    """No connection: refused, unreachable, lost.

    Attributes
    ----------
    host : str
    port : int
    """

    host: str = ""
    port: int = 0


class ClientClosed(ConnectionFailed):
    """The client was closed, before the call or during it."""


class ForkedClient(ConnectionFailed):
    """A forked child used a client of its parent; it has to make its own."""


class WrongEventLoop(ModbusError, RuntimeError):
    """An asyncio client was used in another event loop than before; each loop needs one of its own."""


class MapError(ModbusError, ValueError):
    """A map or plant file is wrong.

    Attributes
    ----------
    file, tag, field : str
        Where, as far as it is known.
    """

    file: str = ""
    tag: str = ""
    field: str = ""


class Overrun(ModbusError):
    """A consumer of polled rows was too slow: some were overwritten before it came to them."""


class RecorderError(ModbusError, OSError):
    """A recording cannot be written or read."""


_BY_CODE: dict[int, type[DeviceError]] = {
    1: IllegalFunction,
    2: IllegalDataAddress,
    3: IllegalDataValue,
    4: DeviceFailure,
    5: Acknowledge,
    6: DeviceBusy,
    8: MemoryParityError,
    10: GatewayPathUnavailable,
    11: GatewayTargetFailed,
}


def device_error(code: int) -> type[DeviceError]:
    """The class for an exception code; `DeviceError` itself for codes the specification does not define."""
    return _BY_CODE.get(code, DeviceError)
