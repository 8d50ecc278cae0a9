"""What each method of a client does, without saying how it is run: arguments are checked, batches made, answers read.

Shared by every client. Reads and writes of tables are one batch each: `read_table` and `write_table` make it,
`finish_read` and `finish_write` judge it. All other functions are generators that yield each batch to be run and return
their result, so that one text serves blocking and asynchronous clients alike.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from . import checks, errors, spec
from ._core import batch as core
from ._core.batch import Batch
from .explain import Where, and_further, error_of
from .spec import FunctionCode, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
Steps = Generator[Batch, None, T]

UINT16: np.dtype[np.uint16] = np.dtype(np.uint16)
BOOL: np.dtype[np.bool_] = np.dtype(np.bool_)
NO_DEADLINE = 2**63 - 1
_LAST_OF_BITS = int(FunctionCode.READ_DISCRETE_INPUTS)


@dataclass(slots=True, eq=False)
class Call:
    """The settings of one call, all given: times in ns, the deadline on the core's clock."""

    unit: int
    timeout: int
    deadline: int
    retries: int
    max_registers: int
    max_bits: int
    read_only: bool
    write_single: str
    where: Where

    def limit(self, batch: Batch) -> Batch:
        return batch.limits(self.timeout, self.deadline, self.retries)

    def may_write(self) -> None:
        if self.read_only:
            raise errors.ModbusError(f"{self.where.label}: the client is read_only, nothing was sent", unit=self.unit)


# ------------------------------------------------------------------------------------------------ tables


def read_table(
    call: Call, function: int, address: int, count: int, out: NDArray[Any] | None
) -> tuple[Batch, NDArray[Any]]:
    """The batch that reads a table, and the array that it fills."""
    address, count = checks.span(address, count)
    bits = function <= _LAST_OF_BITS
    dtype: np.dtype[Any] = BOOL if bits else UINT16
    array = np.empty(count, dtype) if out is None else checks.target(out, count, dtype)
    limit = call.max_bits if bits else call.max_registers
    batch = core.read_batch(function, call.unit, address, count, limit, array)
    return batch.limits(call.timeout, call.deadline, call.retries), array


def finish_read(call: Call, batch: Batch, array: NDArray[Any], address: int, *, ours: bool) -> NDArray[Any]:
    """The array, or the first error with what was read; `ours`: nobody else knows the array."""
    if batch.ok():
        return array
    ok = np.ones(len(array), np.bool_)
    found = []
    for index in batch.failures():
        error = error_of(batch.result(index), call.where)
        found.append(error)
        assert error.address is not None and error.count is not None
        start = error.address - address
        ok[start : start + error.count] = False
    if ours:
        array[~ok] = 0
    first = found[0]
    first.partial, first.ok, first.errors = array, ok, tuple(found)
    raise first


def write_table(call: Call, function: int, address: int, values: NDArray[Any]) -> Batch:
    """The batch that writes values, which were checked, to coils or holding registers."""
    call.may_write()
    limit = spec.MAX_WRITE_BITS if function == FunctionCode.WRITE_COILS else spec.MAX_WRITE_REGISTERS
    limit = min(limit, call.max_bits if function == FunctionCode.WRITE_COILS else call.max_registers)
    return call.limit(core.write_batch(function, call.unit, address, len(values), limit, values))


def finish_write(call: Call, batch: Batch) -> None:
    """Nothing, or the first error, which says what was written."""
    if batch.ok():
        return
    results = [batch.result(index) for index in range(batch.count)]
    written = tuple(range(r[5], r[5] + r[6]) for r in results if r[0] == Status.OK)
    failed = [error_of(r, call.where) for r in results if r[0] not in (Status.OK, Status.CANCELLED)]
    error = failed[0]
    error.written, error.errors = written, tuple(failed)
    error.outcome_unknown = any(each.outcome_unknown for each in failed)
    if batch.count > 1:
        done = ", ".join(f"{r.start} to {r.stop - 1}" for r in written) or "nothing"
        error.args = (and_further(error.args[0], f"Written and confirmed before: {done}"),)
    raise error


def check_coils(address: int, values: Any) -> NDArray[np.bool_]:
    found = checks.bits("values", values)
    checks.span(address, len(found), counted="the number of values")
    return found


def check_registers(address: int, values: Any) -> NDArray[np.uint16]:
    found = checks.registers("values", values)
    checks.span(address, len(found), counted="the number of values")
    return found


# ------------------------------------------------------------------------------------------------ one request


def _request(function: int, **parts: Any) -> bytes:
    from ._core import codec

    return codec.encode_request(function, **parts)


def exchange(call: Call, pdu: bytes, *, strict: bool = True) -> Steps[bytes]:
    """Send one request PDU; returns the values of its answer, without byte counts and echoes of addresses."""
    buffer = bytearray(spec.MAX_PDU)
    batch = call.limit(core.pdu_batch(call.unit, pdu, buffer, strict=strict))
    yield batch
    if not batch.ok():
        raise error_of(batch.result(0), call.where)
    return bytes(buffer[: batch.received(0)])


def execute(call: Call, pdu: bytes) -> Steps[bytes]:
    """Any request PDU; returns the whole answer PDU."""
    if not isinstance(pdu, (bytes, bytearray, memoryview)):
        raise TypeError(f"pdu is a {type(pdu).__name__}; bytes are needed: function code and data")
    pdu = bytes(pdu)
    if not 1 <= len(pdu) <= spec.MAX_PDU:
        raise ValueError(f"pdu has {len(pdu)} bytes; a PDU has 1 to {spec.MAX_PDU}")
    if not 1 <= pdu[0] <= 127:
        raise ValueError(f"pdu begins with function code {pdu[0]}; allowed are 1 to 127 (ap 4.1)")
    from ._core import codec

    if codec.flags(pdu[0])[1]:
        call.may_write()
    buffer = bytearray(spec.MAX_PDU)
    batch = call.limit(core.pdu_batch(call.unit, pdu, buffer, strict=False, whole=True))
    yield batch
    if not batch.ok():
        raise error_of(batch.result(0), call.where)
    return bytes(buffer[: batch.received(0)])


def write_coil(call: Call, address: int, value: Any) -> Steps[None]:
    address, _ = checks.span(address, 1)
    on = checks.boolean("value", value)
    call.may_write()
    yield from exchange(call, _request(FunctionCode.WRITE_COIL, address=address, quantity=0xFF00 if on else 0))


def write_register(call: Call, address: int, value: Any) -> Steps[None]:
    address, _ = checks.span(address, 1)
    number = checks.register("value", value)
    call.may_write()
    if call.write_single == "fc16":
        batch = write_table(call, FunctionCode.WRITE_REGISTERS, address, np.array([number], np.uint16))
        yield batch
        finish_write(call, batch)
        return
    yield from exchange(call, _request(FunctionCode.WRITE_REGISTER, address=address, quantity=number))


def mask_write_register(call: Call, address: int, and_mask: Any, or_mask: Any) -> Steps[None]:
    address, _ = checks.span(address, 1)
    masks = checks.register("and_mask", and_mask), checks.register("or_mask", or_mask)
    call.may_write()
    pdu = _request(FunctionCode.MASK_WRITE_REGISTER, address=address, quantity=masks[0], write_address=masks[1])
    yield from exchange(call, pdu)


def read_write_registers(
    call: Call, read_address: int, read_count: int, write_address: int, values: Any
) -> Steps[NDArray[np.uint16]]:
    read_address, _ = checks.span(read_address, 1, "read_address")
    read_count = checks.integer("read_count", read_count, 1, spec.MAX_READ_WRITE_READ)
    checks.span(read_address, read_count, "read_address", "read_count")
    found = checks.registers("values", values)
    checks.integer("the number of values", len(found), 1, spec.MAX_READ_WRITE_WRITE)
    checks.span(write_address, len(found), "write_address", "the number of values")
    call.may_write()
    array = np.empty(read_count, np.uint16)
    batch = call.limit(core.read_write_batch(call.unit, read_address, read_count, write_address, found, array))
    yield batch
    if not batch.ok():
        raise error_of(batch.result(0), call.where)
    return array


def _registers(data: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(data, ">u2").astype(np.uint16)


def read_fifo_queue(call: Call, address: int) -> Steps[NDArray[np.uint16]]:
    address, _ = checks.span(address, 1)
    data = yield from exchange(call, _request(FunctionCode.READ_FIFO_QUEUE, address=address))
    return _registers(data)


# ------------------------------------------------------------------------------------------------ files


def _file(name: str, value: Any) -> int:
    return checks.integer(f"{name} file number", value, 1, 0xFFFF)


def _head(name: str, file: int, record: int, length: int) -> bytes:
    """One sub-request: reference type 6, file, record, length (ap 6.14). The last record is 9999 (0x270F)."""
    file = _file(name, file)
    record = checks.integer(f"{name} record number", record, 0, 9999)
    return b"".join([b"\x06", *(number.to_bytes(2, "big") for number in (file, record, length))])


def _grouped(sizes: Sequence[tuple[int, int]], requests: int, answer: int) -> list[range]:
    """Cut a list of sub-requests into runs whose request and answer bytes stay inside one PDU."""
    runs, start, total = [], 0, (0, 0)
    for i, (asked, answered) in enumerate(sizes):
        if i > start and (total[0] + asked > requests or total[1] + answered > answer):
            runs.append(range(start, i))
            start, total = i, (0, 0)
        total = (total[0] + asked, total[1] + answered)
    return [*runs, range(start, len(sizes))]


def read_file_records(call: Call, records: Any) -> Steps[list[NDArray[np.uint16]]]:
    heads, lengths = [], []
    for i, (file, record, length) in enumerate(checks.records(records, "(file, record, length)")):
        lengths.append(checks.integer(f"records[{i}] length", length, 1, 124))
        heads.append(_head(f"records[{i}]", file, record, lengths[-1]))
    found: list[NDArray[np.uint16]] = []
    for run in _grouped([(7, 2 + 2 * n) for n in lengths], 245, 251):
        body = b"".join(heads[i] for i in run)
        data = yield from exchange(call, _request(FunctionCode.READ_FILE_RECORD, data=body))
        at = 0
        for i in run:
            found.append(_registers(data[at + 2 : at + 2 + 2 * lengths[i]]))
            at += 2 + 2 * lengths[i]
    return found


def write_file_records(call: Call, records: Any) -> Steps[None]:
    bodies = []
    for i, (file, record, values) in enumerate(checks.records(records, "(file, record, values)")):
        words = checks.registers(f"records[{i}] values", values)
        checks.integer(f"records[{i}] number of values", len(words), 1, 122)
        bodies.append(_head(f"records[{i}]", file, record, len(words)) + words.astype(">u2").tobytes())
    call.may_write()
    for run in _grouped([(len(b), len(b)) for b in bodies], 251, 251):
        try:
            yield from exchange(call, _request(FunctionCode.WRITE_FILE_RECORD, data=b"".join(bodies[i] for i in run)))
        except errors.ModbusError as error:
            if run.start:
                done = f"Written and confirmed before: records[0] to records[{run.start - 1}]"
                error.args = (and_further(error.args[0], done),)
            raise


# ------------------------------------------------------------------------------------------------ diagnostics


class CommEventCounter(NamedTuple):
    """Answer of function 11: `busy` while a program command is processed, and the number of successful messages."""

    busy: bool
    event_count: int


class CommEventLog(NamedTuple):
    """Answer of function 12: as above, the number of messages, and the last events (the newest first, ap 6.10)."""

    busy: bool
    event_count: int
    message_count: int
    events: bytes


def read_exception_status(call: Call) -> Steps[int]:
    data = yield from exchange(call, _request(FunctionCode.READ_EXCEPTION_STATUS))
    return data[0]


def diagnostics(call: Call, sub_function: int, data: Any) -> Steps[int]:
    sub_function = checks.integer("sub_function", sub_function, 0, 0xFFFF)
    word = checks.register("data", data)
    call.may_write()
    pdu = _request(FunctionCode.DIAGNOSTICS, address=sub_function, data=word.to_bytes(2, "big"))
    answer = yield from exchange(call, pdu)
    return int.from_bytes(answer, "big")


def get_comm_event_counter(call: Call) -> Steps[CommEventCounter]:
    data = yield from exchange(call, _request(FunctionCode.GET_COMM_EVENT_COUNTER))
    return CommEventCounter(data[0:2] == b"\xff\xff", int.from_bytes(data[2:4], "big"))


def get_comm_event_log(call: Call) -> Steps[CommEventLog]:
    data = yield from exchange(call, _request(FunctionCode.GET_COMM_EVENT_LOG))
    counts = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
    return CommEventLog(data[0:2] == b"\xff\xff", *counts, data[6:])


def report_server_id(call: Call) -> Steps[bytes]:
    return (yield from exchange(call, _request(FunctionCode.REPORT_SERVER_ID)))


# ------------------------------------------------------------------------------------------------ identification

_CATEGORIES = {"basic": 1, "regular": 2, "extended": 3}


@dataclass(frozen=True, slots=True)
class DeviceIdentification:
    """What a device says of itself (ap 6.21): the objects by id, as bytes, and the named ones as text."""

    conformity: int
    objects: dict[int, bytes]

    def _text(self, object_id: int) -> str | None:
        value = self.objects.get(object_id)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def vendor_name(self) -> str | None:
        return self._text(0)

    @property
    def product_code(self) -> str | None:
        return self._text(1)

    @property
    def revision(self) -> str | None:
        return self._text(2)

    @property
    def vendor_url(self) -> str | None:
        return self._text(3)

    @property
    def product_name(self) -> str | None:
        return self._text(4)

    @property
    def model_name(self) -> str | None:
        return self._text(5)

    @property
    def user_application_name(self) -> str | None:
        return self._text(6)


def _objects(data: bytes, count: int) -> dict[int, bytes]:
    """At most `count` objects; there may be fewer (the specification's own example announces one too many)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 2 <= len(data) and len(found) < count:
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def read_device_identification(call: Call, category: str, object_id: int | None) -> Steps[DeviceIdentification]:
    if object_id is None and category not in _CATEGORIES:
        raise ValueError(f"category is {category!r}; allowed are {', '.join(map(repr, _CATEGORIES))}")
    code = _CATEGORIES[category] if object_id is None else 4
    following = 0 if object_id is None else checks.integer("object_id", object_id, 0, 255)
    objects: dict[int, bytes] = {}
    while True:
        asked = following
        body = bytes([14, code, asked])
        data = yield from exchange(call, _request(FunctionCode.ENCAPSULATED_INTERFACE, data=body))
        conformity, more, following = data[2], data[3], data[4]
        objects |= _objects(data[6:], data[5])
        if more == 0 or code == 4:
            return DeviceIdentification(conformity, objects)
        if following <= asked:
            # A device that does not know the object starts again at the first one (ap 6.21): this would never end.
            raise errors.ProtocolError(
                f"{call.where.label}, unit {call.unit}: read device identification: the device wants to go on at "
                f"object {following}, which is not after {asked}",
                unit=call.unit,
                function=int(FunctionCode.ENCAPSULATED_INTERFACE),
            )
