"""From the core's verdict on a transaction to an error a user can act on. No I/O; for whoever runs batches."""

from __future__ import annotations

from typing import NamedTuple

from . import errors
from .spec import ExceptionCode, Fault, FunctionCode, Status

_FUNCTIONS: dict[int, str] = {
    FunctionCode.READ_COILS: "read coils",
    FunctionCode.READ_DISCRETE_INPUTS: "read discrete inputs",
    FunctionCode.READ_HOLDING_REGISTERS: "read holding registers",
    FunctionCode.READ_INPUT_REGISTERS: "read input registers",
    FunctionCode.WRITE_COIL: "write coil",
    FunctionCode.WRITE_REGISTER: "write register",
    FunctionCode.READ_EXCEPTION_STATUS: "read exception status",
    FunctionCode.DIAGNOSTICS: "diagnostics",
    FunctionCode.GET_COMM_EVENT_COUNTER: "get comm event counter",
    FunctionCode.GET_COMM_EVENT_LOG: "get comm event log",
    FunctionCode.WRITE_COILS: "write coils",
    FunctionCode.WRITE_REGISTERS: "write registers",
    FunctionCode.REPORT_SERVER_ID: "report server id",
    FunctionCode.READ_FILE_RECORD: "read file record",
    FunctionCode.WRITE_FILE_RECORD: "write file record",
    FunctionCode.MASK_WRITE_REGISTER: "mask write register",
    FunctionCode.READ_WRITE_REGISTERS: "read/write registers",
    FunctionCode.READ_FIFO_QUEUE: "read FIFO queue",
    FunctionCode.ENCAPSULATED_INTERFACE: "encapsulated interface",
}
_RANGES = frozenset({1, 2, 3, 4, 15, 16, 23})
_SINGLES = frozenset({5, 6, 22, 24})
#: What only reads, and may be repeated; everything else may change the device, functions unknown here included.
_READS = frozenset({1, 2, 3, 4, 7, 11, 12, 17, 20, 24, 43})

_UNKNOWN = "The write may or may not have been carried out: read the value back before writing again"

_EXCEPTIONS: dict[int, str] = {
    ExceptionCode.ILLEGAL_FUNCTION: "illegal function (exception 01): the device does not have this function",
    ExceptionCode.ILLEGAL_DATA_ADDRESS: "illegal data address (exception 02): some of these addresses do not exist "
    "in the device; addresses are 0-based here, and a smaller range may be readable",
    ExceptionCode.ILLEGAL_DATA_VALUE: "illegal data value (exception 03): the device does not take such a request; "
    "many devices allow fewer values at a time than the specification (max_registers, max_bits)",
    ExceptionCode.SERVER_DEVICE_FAILURE: "server device failure (exception 04): the device failed to carry it out",
    ExceptionCode.ACKNOWLEDGE: "acknowledge (exception 05): accepted but not done yet; poll the device for completion",
    ExceptionCode.SERVER_DEVICE_BUSY: "server device busy (exception 06); ask less often or with fewer in flight",
    ExceptionCode.MEMORY_PARITY_ERROR: "memory parity error (exception 08) in the extended memory",
    ExceptionCode.GATEWAY_PATH_UNAVAILABLE: "gateway path unavailable (exception 0A): the gateway is misconfigured or "
    "overloaded",
    ExceptionCode.GATEWAY_TARGET_FAILED: "gateway target device failed to respond (exception 0B): is the unit on, "
    "and its id right?",
}
_NOT_ALLOWED = (
    "illegal function (exception 01): the device does not have this function, or over TLS: the role in the client's "
    "certificate does not allow it"
)
FAULTS: dict[int, str] = {
    Fault.FUNCTION: "the answer is one to another function",
    Fault.EXCEPTION_FUNCTION: "the answer is an exception for another function",
    Fault.UNIT: "the answer comes from another unit",
    Fault.LENGTH: "the answer is longer or shorter than it must be",
    Fault.BYTE_COUNT: "the byte count of the answer does not fit the quantity asked for",
    Fault.ECHO: "the device's echo differs from what was written",
    Fault.EXCEPTION_LENGTH: "the answer is an exception of a wrong length",
    Fault.SUB_FUNCTION: "the answer belongs to another sub-function",
    Fault.STRUCTURE: "lengths inside the answer contradict each other",
    Fault.PROTOCOL_ID: "the stream does not look like Modbus/TCP (protocol identifier not 0); the connection was "
    "closed",
    Fault.ADU_LENGTH: "a frame has an impossible length (allowed are 3 to 254); the connection was closed",
    Fault.PARTIAL: "a part of a frame came and then silence; the connection was closed",
    Fault.LEFT_OVER: "bytes came that nobody asked for; the connection was closed",
    Fault.ZERO_ID: "the device answers with transaction id 0; quirks=('tid_zero',) accepts that, one request at a time",
    Fault.ZERO_UNIT: "the device answers with unit 0; quirks=('unit_zero',) accepts that",
    Fault.EXCEPTION_HEADER: "the device's exception has a wrong length in its header (must be 3); the connection was "
    "closed; quirks=('exception_length',) accepts that",
    Fault.TRAILING_CRC: "the device sends a checksum of serial lines behind its frames; the connection was closed; "
    "quirks=('trailing_crc',) drops it",
    Fault.BOUNDARY: "another answer contradicted the length of its frame, so that where the next one begins is not "
    "known; the connection was closed",
}


def host_port(host: str, port: int) -> str:
    """Host and port in one word; an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Where(NamedTuple):
    """Whom a message is about."""

    name: str
    host: str
    port: int
    timeout: float
    lost: str = ""
    secure: bool = False

    @property
    def label(self) -> str:
        place = host_port(self.host, self.port)
        return f"{self.name} ({place})" if self.name else place


def request_text(function: int, address: int, count: int) -> str:
    """The request in words: ``read holding registers 0 to 124``."""
    text = _FUNCTIONS.get(function) or f"function {function}"
    if function in _RANGES:
        return f"{text} {address} to {address + count - 1}" if count > 1 else f"{text} {address}"
    return f"{text} {address}" if function in _SINGLES else text


def and_further(message: str, more: str) -> str:
    """A message with one more sentence."""
    return f"{message}{'' if message.endswith('?') else '.'} {more}"


def _reason(status: int, fault: int, code: int, tries: int, where: Where) -> tuple[type[errors.ModbusError], str]:
    times = "once" if tries == 1 else f"{tries} times"
    if status == Status.EXCEPTION:
        if code == ExceptionCode.ILLEGAL_FUNCTION and where.secure:
            return errors.IllegalFunction, f"refused: {_NOT_ALLOWED}"
        text = _EXCEPTIONS.get(code) or f"exception {code:02X}, which the specification does not define"
        return errors.device_error(code), f"refused: {text}{f' (asked {times})' if tries > 1 else ''}"
    if status == Status.TIMEOUT:
        return errors.RequestTimeout, (
            f"no answer within {where.timeout:g} s, asked {times}; is the unit id right, and timeout long enough for "
            "this device?"
        )
    if status == Status.DEADLINE:
        return errors.RequestTimeout, "the deadline of the call came before the answer"
    if status == Status.PROTOCOL:
        return errors.ProtocolError, FAULTS[fault]
    if status == Status.CLOSED:
        return errors.ClientClosed, "the client is closed"
    if status == Status.UNREACHABLE:
        return errors.ConnectionFailed, f"no connection: {where.lost}"
    if status == Status.LOST:
        return (
            errors.ConnectionFailed,
            f"the connection was lost before the answer{f' ({where.lost})' if where.lost else ''}",
        )
    if status == Status.SUSPENDED:
        return errors.RequestTimeout, "not asked, because this unit left the requests before unanswered"
    return errors.ModbusError, "not sent, because an earlier part of the same call failed"


def error_of(result: tuple[int, int, int, int, int, int, int, bool, int], where: Where) -> errors.ModbusError:
    """The error for one transaction that got no good answer; `result` is what `Batch.result` says."""
    status, fault, code, unit, function, address, count, left, tries = result
    kind, reason = _reason(status, fault, code, tries, where)
    unknown = left and function not in _READS and status != Status.EXCEPTION
    message = f"{where.label}, unit {unit}: {request_text(function, address, count)}: {reason}"
    if unknown:
        message = and_further(message, _UNKNOWN)
    error = kind(message, unit=unit, function=function, address=address, count=count, outcome_unknown=unknown)
    if isinstance(error, errors.DeviceError):
        error.code = code
    if isinstance(error, errors.ConnectionFailed):
        error.host, error.port = where.host, where.port
    return error
