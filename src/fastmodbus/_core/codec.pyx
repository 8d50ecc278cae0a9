"""The codec for Python: requests, judgement of answers, the three framings. For tests, fuzzing, tools and raw requests.

A client's own traffic never passes here: the session uses the same inline functions directly.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy

from fastmodbus._core cimport checksum
from fastmodbus._core.adu cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_pack_bits, wire_swap_copy, wire_unpack_bits

# The core's numbers under their names, for spec.py's test and for whoever explains a status to a user.
CONSTANTS = {
    "MAX_PDU": MAX_PDU, "MAX_ADU": MAX_ADU, "MAX_RTU_ADU": MAX_RTU_ADU,
    "MAX_READ_BITS": MAX_READ_BITS, "MAX_READ_REGISTERS": MAX_READ_REGISTERS,
    "MAX_WRITE_BITS": MAX_WRITE_BITS, "MAX_WRITE_REGISTERS": MAX_WRITE_REGISTERS,
    "MAX_READ_WRITE_READ": MAX_READ_WRITE_READ, "MAX_READ_WRITE_WRITE": MAX_READ_WRITE_WRITE,
    "MAX_FIFO": MAX_FIFO, "MAX_FILE_REQUESTS": MAX_FILE_REQUESTS, "TABLE_SIZE": TABLE_SIZE,
}
FUNCTION_CODES = {
    "READ_COILS": FC_READ_COILS, "READ_DISCRETE_INPUTS": FC_READ_DISCRETE_INPUTS,
    "READ_HOLDING_REGISTERS": FC_READ_HOLDING_REGISTERS, "READ_INPUT_REGISTERS": FC_READ_INPUT_REGISTERS,
    "WRITE_COIL": FC_WRITE_COIL, "WRITE_REGISTER": FC_WRITE_REGISTER,
    "READ_EXCEPTION_STATUS": FC_READ_EXCEPTION_STATUS, "DIAGNOSTICS": FC_DIAGNOSTICS,
    "GET_COMM_EVENT_COUNTER": FC_GET_COMM_EVENT_COUNTER, "GET_COMM_EVENT_LOG": FC_GET_COMM_EVENT_LOG,
    "WRITE_COILS": FC_WRITE_COILS, "WRITE_REGISTERS": FC_WRITE_REGISTERS, "REPORT_SERVER_ID": FC_REPORT_SERVER_ID,
    "READ_FILE_RECORD": FC_READ_FILE_RECORD, "WRITE_FILE_RECORD": FC_WRITE_FILE_RECORD,
    "MASK_WRITE_REGISTER": FC_MASK_WRITE_REGISTER, "READ_WRITE_REGISTERS": FC_READ_WRITE_REGISTERS,
    "READ_FIFO_QUEUE": FC_READ_FIFO_QUEUE, "ENCAPSULATED_INTERFACE": FC_ENCAPSULATED_INTERFACE,
}
EXCEPTIONS = {
    "ILLEGAL_FUNCTION": EXC_ILLEGAL_FUNCTION, "ILLEGAL_DATA_ADDRESS": EXC_ILLEGAL_DATA_ADDRESS,
    "ILLEGAL_DATA_VALUE": EXC_ILLEGAL_DATA_VALUE, "SERVER_DEVICE_FAILURE": EXC_SERVER_DEVICE_FAILURE,
    "ACKNOWLEDGE": EXC_ACKNOWLEDGE, "SERVER_DEVICE_BUSY": EXC_SERVER_DEVICE_BUSY,
    "MEMORY_PARITY_ERROR": EXC_MEMORY_PARITY_ERROR, "GATEWAY_PATH_UNAVAILABLE": EXC_GATEWAY_PATH_UNAVAILABLE,
    "GATEWAY_TARGET_FAILED": EXC_GATEWAY_TARGET_FAILED,
}
STATUSES = {
    "QUEUED": ST_QUEUED, "SENT": ST_SENT, "OK": ST_OK, "EXCEPTION": ST_EXCEPTION, "TIMEOUT": ST_TIMEOUT,
    "DEADLINE": ST_DEADLINE, "LOST": ST_LOST, "PROTOCOL": ST_PROTOCOL, "CANCELLED": ST_CANCELLED, "CLOSED": ST_CLOSED,
    "UNREACHABLE": ST_UNREACHABLE, "SUSPENDED": ST_SUSPENDED,
}
FAULTS = {
    "NONE": FAULT_NONE, "FUNCTION": FAULT_FUNCTION, "EXCEPTION_FUNCTION": FAULT_EXCEPTION_FUNCTION, "UNIT": FAULT_UNIT,
    "LENGTH": FAULT_LENGTH, "BYTE_COUNT": FAULT_BYTE_COUNT, "ECHO": FAULT_ECHO,
    "EXCEPTION_LENGTH": FAULT_EXCEPTION_LENGTH, "SUB_FUNCTION": FAULT_SUB_FUNCTION, "STRUCTURE": FAULT_STRUCTURE,
    "PROTOCOL_ID": FAULT_PROTOCOL_ID, "ADU_LENGTH": FAULT_ADU_LENGTH, "PARTIAL": FAULT_PARTIAL,
    "LEFT_OVER": FAULT_LEFT_OVER, "ZERO_ID": FAULT_ZERO_ID, "ZERO_UNIT": FAULT_ZERO_UNIT,
    "EXCEPTION_HEADER": FAULT_EXCEPTION_HEADER, "TRAILING_CRC": FAULT_TRAILING_CRC,
    "BOUNDARY": FAULT_BOUNDARY,
}
QUIRKS = {
    "tid_zero": QUIRK_ZERO_ID, "unit_zero": QUIRK_ZERO_UNIT, "exception_length": QUIRK_EXCEPTION_LENGTH,
    "trailing_crc": QUIRK_TRAILING_CRC,
}


cdef inline const uint8_t* _start(const uint8_t[::1] data) noexcept:
    return &data[0] if data.shape[0] else NULL


cdef int _fits(const uint8_t[::1] pdu, int limit) except -1:
    if not 1 <= pdu.shape[0] <= limit:
        raise ValueError(f"pdu has {pdu.shape[0]} bytes; a PDU has 1 to {limit}")
    return 0


def crc16(const uint8_t[::1] data not None):
    return checksum.crc16(_start(data), data.shape[0])


def lrc(const uint8_t[::1] data not None):
    return checksum.lrc(_start(data), data.shape[0])


def flags(uint8_t function):
    """(repeatable, write, serial line only) of a function code."""
    cdef int found = function_flags(function)
    return bool(found & FN_REPEATABLE), bool(found & FN_WRITE), bool(found & FN_SERIAL_ONLY)


def encode_request(uint8_t function, *, uint16_t address=0, uint16_t quantity=0, uint16_t write_address=0,
                   uint16_t write_quantity=0, const uint8_t[::1] data not None=b""):
    """The request PDU; data is the body in wire order (values, file requests, interface data)."""
    cdef mb_request request
    cdef uint8_t[MAX_PDU + 16] out
    if data.shape[0] > MAX_PDU - 1:
        raise ValueError(f"data has {data.shape[0]} bytes; a request carries at most {MAX_PDU - 1}")
    request.function = function
    request.form = FORM_WIRE if pdu_known(function) else FORM_OPAQUE
    request.address = address
    request.quantity = quantity
    request.write_address = write_address
    request.write_quantity = write_quantity
    request.size = <uint16_t>data.shape[0]
    request.data = _start(data)
    cdef int size = pdu_write(out, &request)
    if size > MAX_PDU:
        raise ValueError(f"the request would have {size} bytes; a PDU has at most {MAX_PDU}")
    return PyBytes_FromStringAndSize(<char*>out, size)


def parse_request(const uint8_t[::1] pdu not None):
    """(function, address, quantity, write_address, write_quantity, data) of a request PDU, or None when malformed."""
    cdef mb_request request
    if not pdu_parse(&request, _start(pdu), <int>min(pdu.shape[0], MAX_PDU + 1)):
        return None
    return (request.function, request.address, request.quantity, request.write_address, request.write_quantity,
            PyBytes_FromStringAndSize(<char*>request.data, request.size))


def within_limits(const uint8_t[::1] pdu not None):
    """Whether a well-formed request keeps the quantity and byte count limits of its function code."""
    cdef mb_request request
    return pdu_parse(&request, _start(pdu), <int>min(pdu.shape[0], MAX_PDU + 1)) and pdu_limits(&request)


def check_answer(const uint8_t[::1] request not None, const uint8_t[::1] answer not None):
    """(status, fault, exception, values) of an answer PDU judged against its request PDU."""
    cdef mb_request parsed
    cdef mb_answer judged
    _fits(request, MAX_PDU)
    if not pdu_parse(&parsed, &request[0], <int>request.shape[0]):
        raise ValueError(f"the request {bytes(request).hex(' ')} is malformed")
    pdu_check(&parsed, _start(answer), <int>min(answer.shape[0], MAX_PDU + 1), &judged)
    return (judged.status, judged.fault, judged.exception,
            PyBytes_FromStringAndSize(<char*>judged.data, judged.size))


def encode_mbap(uint16_t transaction_id, uint8_t unit, const uint8_t[::1] pdu not None):
    cdef uint8_t[MAX_ADU] out
    _fits(pdu, MAX_PDU)
    memcpy(out + MBAP_SIZE, &pdu[0], pdu.shape[0])
    return PyBytes_FromStringAndSize(<char*>out, mbap_write(out, transaction_id, unit, <int>pdu.shape[0]))


def split_mbap(const uint8_t[::1] data not None):
    """([(transaction id, unit, PDU), ...], bytes used, fault) of a stream; fault is not 0 where framing ends."""
    cdef mb_frame frame
    cdef Py_ssize_t at = 0
    cdef mb_framing state
    frames = []
    while True:
        state = mbap_read(_start(data) + at, data.shape[0] - at, &frame)
        if state != FRAME_WHOLE:
            return frames, at, frame.fault
        frames.append((frame.transaction_id, frame.unit, PyBytes_FromStringAndSize(<char*>frame.pdu, frame.pdu_size)))
        at += frame.size


def adu_ends(const uint8_t[::1] stream not None):
    """Where the whole MBAP ADUs at the beginning of a stream end; it is one of requests, whose lengths are right."""
    cdef mb_frame frame
    cdef Py_ssize_t at = 0
    ends = []
    while mbap_read(_start(stream) + at, stream.shape[0] - at, &frame) == FRAME_WHOLE:
        at += frame.size
        ends.append(at)
    return ends


def encode_rtu(uint8_t unit, const uint8_t[::1] pdu not None):
    cdef uint8_t[MAX_RTU_ADU] out
    _fits(pdu, MAX_PDU)
    memcpy(out + 1, &pdu[0], pdu.shape[0])
    return PyBytes_FromStringAndSize(<char*>out, rtu_write(out, unit, <int>pdu.shape[0]))


def decode_rtu(const uint8_t[::1] frame not None):
    """(unit, PDU) of one whole RTU frame, or None when its size or CRC is wrong."""
    cdef mb_frame found
    if not rtu_read(_start(frame), frame.shape[0], &found):
        return None
    return found.unit, PyBytes_FromStringAndSize(<char*>found.pdu, found.pdu_size)


def encode_ascii(uint8_t unit, const uint8_t[::1] pdu not None):
    cdef uint8_t[MAX_PDU + 1] raw
    cdef uint8_t[2 * MAX_PDU + 7] out
    _fits(pdu, MAX_PDU)
    raw[0] = unit
    memcpy(raw + 1, &pdu[0], pdu.shape[0])
    return PyBytes_FromStringAndSize(<char*>out, ascii_write(out, raw, <int>pdu.shape[0] + 1))


def decode_ascii(const uint8_t[::1] frame not None):
    """(unit, PDU) of one whole ASCII frame, or None when its form or LRC is wrong."""
    cdef uint8_t[MAX_PDU + 2] raw
    cdef int size = ascii_read(raw, _start(frame), frame.shape[0])
    if size == 0:
        return None
    return raw[0], PyBytes_FromStringAndSize(<char*>raw + 1, size - 1)


def load_registers(const uint8_t[::1] data not None, uint16_t[::1] out not None):
    """Swap big-endian registers into out; data is exactly as long."""
    if data.shape[0] != 2 * out.shape[0]:
        raise ValueError(f"data has {data.shape[0]} bytes and out has {out.shape[0]} registers")
    if out.shape[0]:
        wire_swap_copy(<uint8_t*>&out[0], &data[0], out.shape[0])


def store_registers(const uint16_t[::1] registers not None):
    """Registers as bytes in wire order."""
    cdef Py_ssize_t count = registers.shape[0]
    out = PyBytes_FromStringAndSize(NULL, 2 * count)
    if count:
        wire_swap_copy(<uint8_t*>PyBytes_AS_STRING(out), <const uint8_t*>&registers[0], count)
    return out


def unpack_bits(const uint8_t[::1] data not None, uint8_t[::1] out not None):
    """One byte of 0 or 1 a bit into out; bits beyond its length are ignored."""
    if data.shape[0] != (out.shape[0] + 7) >> 3:
        raise ValueError(f"data has {data.shape[0]} bytes and out has {out.shape[0]} bits")
    if out.shape[0]:
        wire_unpack_bits(&out[0], &data[0], out.shape[0])


def pack_bits(const uint8_t[::1] bits not None):
    """Bits, one byte each, packed as the wire wants them: the first is the lowest of the first byte."""
    cdef Py_ssize_t count = bits.shape[0]
    out = PyBytes_FromStringAndSize(NULL, (count + 7) >> 3)
    if count:
        wire_pack_bits(<uint8_t*>PyBytes_AS_STRING(out), &bits[0], count)
    return out
