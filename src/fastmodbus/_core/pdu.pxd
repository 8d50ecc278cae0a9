# One request as a struct, its bytes, and the judgement of an answer against it: small, per function code, inline.
# Knows nothing of transactions, buffers or time. A request handed to pdu_write is within its limits (pdu_limits).
# Paragraphs are those of the Modbus Application Protocol V1.1b3.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcmp, memcpy

from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16, wire_pack_bits, wire_store16, wire_swap_copy

cdef enum mb_form:              # how mb_request.data is stored
    FORM_WIRE = 0               # as it goes on the wire
    FORM_REGISTERS = 1          # native uint16
    FORM_BITS = 2               # one byte a bit
    FORM_OPAQUE = 3             # all that follows the function code; the answer is judged by the function alone

cdef struct mb_request:
    uint8_t function
    uint8_t form
    uint16_t address            # starting address; sub-function (6.8); FIFO pointer (6.18)
    uint16_t quantity           # quantity; value (6.5, 6.6); AND mask (6.16)
    uint16_t write_address      # 6.17; OR mask (6.16)
    uint16_t write_quantity     # 6.17
    uint16_t size               # bytes that data takes on the wire
    const uint8_t* data         # values to write, file requests, interface data

cdef struct mb_answer:
    uint8_t status              # ST_OK, ST_EXCEPTION or ST_PROTOCOL
    uint8_t fault               # mb_fault when ST_PROTOCOL
    uint8_t exception           # exception code when ST_EXCEPTION
    uint16_t size
    const uint8_t* data         # the values inside the frame: what follows byte counts and echoes


cdef inline void _write_body(uint8_t* out, const mb_request* r, uint16_t bits_or_registers) noexcept nogil:
    if r.form == FORM_REGISTERS:
        wire_swap_copy(out, r.data, bits_or_registers)
    elif r.form == FORM_BITS:
        wire_pack_bits(out, r.data, bits_or_registers)
    elif r.size:
        memcpy(out, r.data, r.size)


cdef inline int pdu_write(uint8_t* out, const mb_request* r) noexcept nogil:
    """Write the request PDU; returns its size, at most MAX_PDU."""
    cdef uint8_t fc = r.function
    out[0] = fc
    if r.form == FORM_OPAQUE or fc == FC_ENCAPSULATED_INTERFACE:
        if r.size:
            memcpy(out + 1, r.data, r.size)
        return 1 + r.size
    if fc <= FC_WRITE_REGISTER:
        wire_store16(out + 1, r.address)
        wire_store16(out + 3, r.quantity)
        return 5
    if fc == FC_WRITE_COILS or fc == FC_WRITE_REGISTERS:
        wire_store16(out + 1, r.address)
        wire_store16(out + 3, r.quantity)
        out[5] = <uint8_t>r.size
        _write_body(out + 6, r, r.quantity)
        return 6 + r.size
    if fc == FC_READ_WRITE_REGISTERS:
        wire_store16(out + 1, r.address)
        wire_store16(out + 3, r.quantity)
        wire_store16(out + 5, r.write_address)
        wire_store16(out + 7, r.write_quantity)
        out[9] = <uint8_t>r.size
        _write_body(out + 10, r, r.write_quantity)
        return 10 + r.size
    if fc == FC_MASK_WRITE_REGISTER:
        wire_store16(out + 1, r.address)
        wire_store16(out + 3, r.quantity)
        wire_store16(out + 5, r.write_address)
        return 7
    if fc == FC_DIAGNOSTICS:
        wire_store16(out + 1, r.address)
        _write_body(out + 3, r, 0)
        return 3 + r.size
    if fc == FC_READ_FILE_RECORD or fc == FC_WRITE_FILE_RECORD:
        out[1] = <uint8_t>r.size
        _write_body(out + 2, r, 0)
        return 2 + r.size
    if fc == FC_READ_FIFO_QUEUE:
        wire_store16(out + 1, r.address)
        return 3
    return 1                    # 6.7, 6.9, 6.10, 6.13: the function code alone


cdef inline bint pdu_known(uint8_t fc) noexcept nogil:
    """Whether the specification gives this function code a layout (ap 5.1)."""
    if fc == 0 or fc > FC_ENCAPSULATED_INTERFACE:
        return False
    if fc <= FC_DIAGNOSTICS or fc == FC_GET_COMM_EVENT_COUNTER or fc == FC_GET_COMM_EVENT_LOG:
        return True
    return FC_WRITE_COILS <= fc <= FC_REPORT_SERVER_ID or FC_READ_FILE_RECORD <= fc <= FC_READ_FIFO_QUEUE or fc == 43


cdef inline bint pdu_parse(mb_request* r, const uint8_t* pdu, int size) noexcept nogil:
    """Read a request PDU, the inverse of pdu_write. False when its length is not what its function code needs.

    Limits of the quantities are not judged here (a server answers those with exception 03). r.data points into pdu.
    """
    cdef uint8_t fc
    if size < 1 or size > MAX_PDU:
        return False
    fc = pdu[0]
    if fc == 0 or fc & EXCEPTION_BIT:
        return False
    r.function = fc
    r.form = FORM_WIRE
    r.address = r.quantity = r.write_address = r.write_quantity = r.size = 0
    r.data = pdu + 1
    if not pdu_known(fc):
        r.form = FORM_OPAQUE
        r.size = <uint16_t>(size - 1)
        return True
    if fc == FC_READ_EXCEPTION_STATUS or fc == FC_REPORT_SERVER_ID:
        return size == 1
    if fc == FC_GET_COMM_EVENT_COUNTER or fc == FC_GET_COMM_EVENT_LOG:
        return size == 1
    if fc == FC_READ_FILE_RECORD or fc == FC_WRITE_FILE_RECORD:
        r.data = pdu + 2
        r.size = <uint16_t>(size - 2) if size >= 2 else 0
        return size >= 2 and pdu[1] == r.size
    if fc == FC_ENCAPSULATED_INTERFACE:
        r.size = <uint16_t>(size - 1)
        return size >= 2
    if size < 3:
        return False
    r.address = wire_load16(pdu + 1)
    if fc == FC_READ_FIFO_QUEUE:
        return size == 3
    if fc == FC_DIAGNOSTICS:
        r.data = pdu + 3
        r.size = <uint16_t>(size - 3)
        return size & 1 and size >= 5
    if size < 5:
        return False
    r.quantity = wire_load16(pdu + 3)
    if fc <= FC_WRITE_REGISTER:
        return size == 5
    if fc == FC_MASK_WRITE_REGISTER:
        if size == 7:
            r.write_address = wire_load16(pdu + 5)
        return size == 7
    if fc == FC_READ_WRITE_REGISTERS:
        if size < 10:
            return False
        r.write_address = wire_load16(pdu + 5)
        r.write_quantity = wire_load16(pdu + 7)
        r.data = pdu + 10
        r.size = pdu[9]
        return size == 10 + r.size
    if size < 6:
        return False
    r.data = pdu + 6
    r.size = pdu[5]
    return size == 6 + r.size


cdef inline bint pdu_limits(const mb_request* r) noexcept nogil:
    """Whether quantity, byte count and range of a request are legal (the first two tests of each state diagram)."""
    cdef uint8_t fc = r.function
    if fc == FC_READ_COILS or fc == FC_READ_DISCRETE_INPUTS:
        return 1 <= r.quantity <= MAX_READ_BITS
    if fc == FC_READ_HOLDING_REGISTERS or fc == FC_READ_INPUT_REGISTERS:
        return 1 <= r.quantity <= MAX_READ_REGISTERS
    if fc == FC_WRITE_COIL:
        return r.quantity == 0xFF00 or r.quantity == 0
    if fc == FC_WRITE_COILS:
        return 1 <= r.quantity <= MAX_WRITE_BITS and r.size == bytes_for_bits(r.quantity)
    if fc == FC_WRITE_REGISTERS:
        return 1 <= r.quantity <= MAX_WRITE_REGISTERS and r.size == 2 * r.quantity
    if fc == FC_READ_WRITE_REGISTERS:
        return (1 <= r.quantity <= MAX_READ_WRITE_READ and 1 <= r.write_quantity <= MAX_READ_WRITE_WRITE
                and r.size == 2 * r.write_quantity)
    return True


cdef inline int _check_file_read(const mb_request* r, const uint8_t* pdu, int size) noexcept nogil:
    """6.14: one group a sub-request, each 1 + 2N bytes long with reference type 6."""
    cdef int at = 2, k, length
    if size < 2 or pdu[1] != size - 2:
        return FAULT_BYTE_COUNT
    for k in range(r.size // 7):
        length = 1 + 2 * wire_load16(r.data + 7 * k + 5)
        if at + 1 + length > size or pdu[at] != length or pdu[at + 1] != FILE_REFERENCE_TYPE:
            return FAULT_STRUCTURE
        at += 1 + length
    return FAULT_NONE if at == size else FAULT_LENGTH


cdef inline int _check_identification(const mb_request* r, const uint8_t* pdu, int size) noexcept nogil:
    """6.21: objects fill the PDU to its end. There may be fewer than announced, but not more: the specification's own
    example announces three and carries two. One object that was asked for by its id comes alone."""
    cdef int at = 7, found = 0
    if r.size < 1 or size < 2 or pdu[1] != r.data[0]:
        return FAULT_SUB_FUNCTION
    if pdu[1] != MEI_DEVICE_IDENTIFICATION:
        return FAULT_NONE
    if size < 7 or (r.size >= 2 and pdu[2] != r.data[1]):
        return FAULT_LENGTH if size < 7 else FAULT_SUB_FUNCTION
    if pdu[4] != 0 and pdu[4] != 0xFF:
        return FAULT_STRUCTURE
    while at < size:
        if at + 2 > size or at + 2 + pdu[at + 1] > size:
            return FAULT_STRUCTURE
        at += 2 + pdu[at + 1]
        found += 1
    if found > pdu[6] or (pdu[2] == ID_ONE_OBJECT and (found != 1 or pdu[4] != 0)):
        return FAULT_STRUCTURE
    return FAULT_NONE


cdef inline int _check_diagnostics(const mb_request* r, const uint8_t* pdu, int size) noexcept nogil:
    """6.8: the sub-function comes back; some echo all of their data, the others answer with one word."""
    if size < 3 or wire_load16(pdu + 1) != r.address:
        return FAULT_SUB_FUNCTION
    if r.address in (DIAG_RETURN_QUERY_DATA, DIAG_RESTART_COMMUNICATIONS, DIAG_CHANGE_DELIMITER, DIAG_CLEAR,
                     DIAG_CLEAR_OVERRUNS):
        if size != 3 + r.size:
            return FAULT_LENGTH
        return FAULT_NONE if memcmp(pdu + 3, r.data, r.size) == 0 else FAULT_ECHO
    return FAULT_NONE if size == 5 else FAULT_LENGTH


cdef inline int _check_echo(const mb_request* r, const uint8_t* pdu, int size) noexcept nogil:
    """6.5, 6.6, 6.11, 6.12, 6.15, 6.16: the answer repeats (the head of) the request."""
    cdef int expected = 7 if r.function == FC_MASK_WRITE_REGISTER else 5
    if r.function == FC_WRITE_FILE_RECORD:
        if size != 2 + r.size:
            return FAULT_LENGTH
        return FAULT_NONE if pdu[1] == r.size and memcmp(pdu + 2, r.data, r.size) == 0 else FAULT_ECHO
    if size != expected:
        return FAULT_LENGTH
    if wire_load16(pdu + 1) != r.address or wire_load16(pdu + 3) != r.quantity:
        return FAULT_ECHO
    if expected == 7 and wire_load16(pdu + 5) != r.write_address:
        return FAULT_ECHO
    return FAULT_NONE


cdef inline int _check_values(const uint8_t* pdu, int size, int expected) noexcept nogil:
    """6.1 to 6.4, 6.17: the byte count is what the quantity asked for makes it, and the PDU has that many."""
    if size < 2 or pdu[1] != expected:
        return FAULT_BYTE_COUNT
    return FAULT_NONE if size == 2 + expected else FAULT_LENGTH


cdef inline int _check_fifo(const uint8_t* pdu, int size) noexcept nogil:
    """6.18: a 16-bit byte count of the rest, then the FIFO count."""
    if size < 5 or wire_load16(pdu + 1) != size - 3:
        return FAULT_BYTE_COUNT
    if wire_load16(pdu + 3) > MAX_FIFO or size != 5 + 2 * wire_load16(pdu + 3):
        return FAULT_STRUCTURE
    return FAULT_NONE


cdef inline int _check_normal(const mb_request* r, const uint8_t* pdu, int size, int* skip) noexcept nogil:
    """Judge a normal answer of the right function; skip is where its values begin."""
    cdef uint8_t fc = r.function
    skip[0] = 1
    if r.form == FORM_OPAQUE:
        return FAULT_NONE
    if fc == FC_READ_HOLDING_REGISTERS or fc == FC_READ_INPUT_REGISTERS or fc == FC_READ_WRITE_REGISTERS:
        skip[0] = 2
        return _check_values(pdu, size, 2 * r.quantity)
    if fc == FC_READ_COILS or fc == FC_READ_DISCRETE_INPUTS:
        skip[0] = 2
        return _check_values(pdu, size, bytes_for_bits(r.quantity))
    if fc == FC_READ_EXCEPTION_STATUS:
        return FAULT_NONE if size == 2 else FAULT_LENGTH
    if fc == FC_DIAGNOSTICS:
        skip[0] = 3
        return _check_diagnostics(r, pdu, size)
    if fc == FC_GET_COMM_EVENT_COUNTER:
        return FAULT_NONE if size == 5 else FAULT_LENGTH
    if fc == FC_GET_COMM_EVENT_LOG:
        skip[0] = 2
        if size < 2 or pdu[1] != size - 2:
            return FAULT_BYTE_COUNT
        return FAULT_NONE if 6 <= pdu[1] <= 6 + MAX_EVENTS else FAULT_STRUCTURE
    if fc == FC_REPORT_SERVER_ID:
        skip[0] = 2
        return FAULT_NONE if size >= 2 and pdu[1] == size - 2 else FAULT_BYTE_COUNT
    if fc == FC_READ_FILE_RECORD:
        skip[0] = 2
        return _check_file_read(r, pdu, size)
    if fc == FC_READ_FIFO_QUEUE:
        skip[0] = 5
        return _check_fifo(pdu, size)
    if fc == FC_ENCAPSULATED_INTERFACE:
        return _check_identification(r, pdu, size)
    return _check_echo(r, pdu, size)


cdef inline int pdu_announced(const uint8_t* pdu, int size) noexcept nogil:
    """How long an answer PDU is by what stands in it: its function and its byte count. 0 where they do not say."""
    cdef uint8_t fc = pdu[0]
    if fc & EXCEPTION_BIT or fc == FC_READ_EXCEPTION_STATUS:
        return 2
    if fc == FC_WRITE_COIL or fc == FC_WRITE_REGISTER or fc == FC_WRITE_COILS or fc == FC_WRITE_REGISTERS:
        return 5
    if fc == FC_GET_COMM_EVENT_COUNTER:
        return 5
    if fc == FC_MASK_WRITE_REGISTER:
        return 7
    if fc == FC_DIAGNOSTICS or fc == FC_ENCAPSULATED_INTERFACE or not pdu_known(fc) or size < 2:
        return 0
    if fc == FC_READ_FIFO_QUEUE:
        return 3 + wire_load16(pdu + 1) if size >= 3 else 0
    return 2 + pdu[1]


cdef inline int pdu_expected(const mb_request* r) noexcept nogil:
    """How long the normal answer to a read of a table is; 0 for other requests."""
    if r.form == FORM_OPAQUE:
        return 0
    if r.function == FC_READ_COILS or r.function == FC_READ_DISCRETE_INPUTS:
        return 2 + bytes_for_bits(r.quantity)
    if r.function <= FC_READ_INPUT_REGISTERS or r.function == FC_READ_WRITE_REGISTERS:
        return 2 + 2 * r.quantity
    return 0


cdef inline void pdu_check(const mb_request* r, const uint8_t* pdu, int size, mb_answer* answer) noexcept nogil:
    """Judge an answer PDU against its request. Nothing of it may be used unless the status says so."""
    cdef int skip = 0
    answer.status = ST_PROTOCOL
    answer.exception = 0
    answer.size = 0
    answer.data = pdu
    answer.fault = FAULT_LENGTH
    if size < 1 or size > MAX_PDU:
        return
    if pdu[0] == r.function:
        answer.fault = <uint8_t>_check_normal(r, pdu, size, &skip)
        if answer.fault == FAULT_NONE:
            answer.status = ST_OK
            answer.data = pdu + skip
            answer.size = <uint16_t>(size - skip)
    elif pdu[0] == (r.function | EXCEPTION_BIT):
        answer.fault = FAULT_EXCEPTION_LENGTH
        if size == 2:
            answer.status = ST_EXCEPTION
            answer.fault = FAULT_NONE
            answer.exception = pdu[1]
    else:
        answer.fault = FAULT_EXCEPTION_FUNCTION if pdu[0] & EXCEPTION_BIT else FAULT_FUNCTION
