# One request PDU in, one answer PDU out: the device's side of every function of the specification. Answers that are not
# about the tables (diagnostics, events, identification) are made here, the others in bank.pxd.
# Paragraphs are those of the Application Protocol V1.1b3.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

from fastmodbus._core.bank cimport *
from fastmodbus._core.pdu cimport mb_request, pdu_known, pdu_limits, pdu_parse
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16, wire_store16

cdef enum mb_diagnostic:                    # 6.8.1; those that change something are in spec.pxd
    DIAG_RETURN_REGISTER = 2
    DIAG_MESSAGES = 11
    DIAG_LINE_ERRORS = 12
    DIAG_EXCEPTIONS = 13
    DIAG_SERVER_MESSAGES = 14
    DIAG_SILENCES = 15
    DIAG_NAKS = 16
    DIAG_BUSY = 17
    DIAG_OVERRUNS = 18

cdef enum mb_event:                         # 6.10
    EVENT_RESTART = 0x00
    EVENT_ENTERED_LISTEN_ONLY = 0x04
    EVENT_SENT = 0x40
    EVENT_RECEIVED = 0x80
    EVENT_LISTEN_ONLY = 0x20                # a bit of the two above

cdef enum mb_identification:                # 6.21
    READ_BASIC = 1
    READ_REGULAR = 2
    READ_EXTENDED = 3
    READ_INDIVIDUAL = 4
    FIRST_REGULAR = 3
    FIRST_EXTENDED = 0x80
    MORE_FOLLOWS = 0xFF


cdef inline void device_event(mb_bank* bank, int event) noexcept nogil:
    bank.newest = (bank.newest - 1) & (MAX_EVENTS - 1)
    bank.events[bank.newest] = <uint8_t>event
    if bank.event_count < MAX_EVENTS:
        bank.event_count += 1


cdef inline void _restart(mb_bank* bank, bint clear_log) noexcept nogil:
    """6.8.1, sub-function 1"""
    memset(&bank.counters, 0, sizeof(mb_counters))
    bank.listen_only = False
    if clear_log:
        bank.event_count = 0
    device_event(bank, EVENT_RESTART)


cdef inline int _counter(const mb_bank* bank, uint16_t sub_function) noexcept nogil:
    """The counter that a sub-function of 6.8.1 reads, or -1."""
    if sub_function == DIAG_RETURN_REGISTER:
        return bank.diagnostic_register
    if sub_function == DIAG_MESSAGES or sub_function == DIAG_SERVER_MESSAGES:
        return bank.counters.messages
    if sub_function == DIAG_EXCEPTIONS:
        return bank.counters.exceptions
    if sub_function == DIAG_SILENCES:
        return bank.counters.silences
    if sub_function == DIAG_BUSY:
        return bank.counters.busy
    if sub_function == DIAG_LINE_ERRORS or sub_function == DIAG_NAKS or sub_function == DIAG_OVERRUNS:
        return 0
    return -1


cdef inline int _count_or_clear(mb_bank* bank, const mb_request* r, uint16_t value, uint8_t* out) noexcept nogil:
    cdef int counter = _counter(bank, r.address)
    if counter < 0 and r.address != DIAG_CLEAR and r.address != DIAG_CLEAR_OVERRUNS:
        return EXC_ILLEGAL_FUNCTION
    if value != 0 or r.size != 2:
        return EXC_ILLEGAL_DATA_VALUE
    if counter >= 0:
        wire_store16(out + 3, <uint16_t>counter)
    elif r.address == DIAG_CLEAR:
        memset(&bank.counters, 0, sizeof(mb_counters))
        bank.diagnostic_register = 0
    return 0


cdef inline int _diagnostics(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                             int* size) noexcept nogil:
    """6.8; a size of 0 is silence."""
    cdef uint16_t value = wire_load16(r.data)
    memcpy(out, pdu, 3 + r.size)
    size[0] = 3 + r.size
    if r.address == DIAG_RETURN_QUERY_DATA:
        return 0
    if r.address > DIAG_FORCE_LISTEN_ONLY or r.address == DIAG_RETURN_REGISTER:
        return _count_or_clear(bank, r, value, out)
    if r.size != 2:
        return EXC_ILLEGAL_DATA_VALUE
    if r.address == DIAG_CHANGE_DELIMITER:
        return EXC_ILLEGAL_DATA_VALUE if value & 0xFF else 0
    if r.address == DIAG_RESTART_COMMUNICATIONS:
        if value != 0 and value != 0xFF00:
            return EXC_ILLEGAL_DATA_VALUE
        _restart(bank, value != 0)
        return 0
    if value != 0:
        return EXC_ILLEGAL_DATA_VALUE
    bank.listen_only = True
    device_event(bank, EVENT_ENTERED_LISTEN_ONLY)
    size[0] = 0
    return 0


cdef inline int _event_log(mb_bank* bank, uint8_t* out, int* size) noexcept nogil:
    """6.10: the newest event comes first."""
    cdef int i
    out[1] = <uint8_t>(6 + bank.event_count)
    wire_store16(out + 2, 0)
    wire_store16(out + 4, bank.counters.completed)
    wire_store16(out + 6, bank.counters.messages)
    for i in range(bank.event_count):
        out[8 + i] = bank.events[(bank.newest + i) & (MAX_EVENTS - 1)]
    size[0] = 8 + bank.event_count
    return 0


cdef inline int _last_object(int code) noexcept nogil:
    if code == READ_BASIC:
        return FIRST_REGULAR - 1
    return FIRST_EXTENDED - 1 if code == READ_REGULAR else 255


cdef inline int _conformity(const mb_bank* bank) noexcept nogil:
    """6.21: the highest category that has an object; individual access is always possible (0x80)."""
    cdef int i
    for i in range(255, FIRST_REGULAR - 1, -1):
        if bank.objects[i] != NULL:
            return 0x80 | (READ_EXTENDED if i >= FIRST_EXTENDED else READ_REGULAR)
    return 0x80 | READ_BASIC


cdef inline int _put_object(const mb_bank* bank, int id, uint8_t* out) noexcept nogil:
    out[0] = <uint8_t>id
    out[1] = bank.object_size[id]
    memcpy(out + 2, bank.objects[id], out[1])
    return 2 + out[1]


cdef inline void _put_objects(const mb_bank* bank, int first, int last, uint8_t* out, int* size) noexcept nogil:
    """As many objects as fit; what does not is announced in `more follows` and `next object id`."""
    cdef int id
    for id in range(first, last + 1):
        if bank.objects[id] == NULL:
            continue
        if size[0] + 2 + bank.object_size[id] > MAX_PDU:
            out[4] = MORE_FOLLOWS
            out[5] = <uint8_t>id
            return
        size[0] += _put_object(bank, id, out + size[0])
        out[6] += 1


cdef inline int _identification(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.21: streams of objects, and one object alone. A stream that begins at no known object begins at object 0."""
    cdef int code, first, last
    if r.data[0] != MEI_DEVICE_IDENTIFICATION:
        return EXC_ILLEGAL_FUNCTION
    if r.size != 3:
        return EXC_ILLEGAL_DATA_VALUE
    code = r.data[1]
    first = r.data[2]
    if code == READ_INDIVIDUAL and bank.objects[first] == NULL:
        return EXC_ILLEGAL_DATA_ADDRESS
    if code < READ_BASIC or code > READ_INDIVIDUAL:
        return EXC_ILLEGAL_DATA_VALUE
    last = first if code == READ_INDIVIDUAL else _last_object(code)
    if first > last or bank.objects[first] == NULL:
        first = 0
    memcpy(out + 1, r.data, 2)
    out[3] = <uint8_t>_conformity(bank)
    out[4] = out[5] = out[6] = 0
    size[0] = 7
    _put_objects(bank, first, last, out, size)
    return 0


cdef inline int _serial_only(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                             int* size) noexcept nogil:
    """The functions that the specification calls serial line only, and device identification."""
    cdef uint8_t fc = r.function
    if fc == FC_DIAGNOSTICS:
        return _diagnostics(bank, r, pdu, out, size)
    if fc == FC_GET_COMM_EVENT_LOG:
        return _event_log(bank, out, size)
    if fc == FC_ENCAPSULATED_INTERFACE:
        return _identification(bank, r, out, size)
    if fc == FC_READ_EXCEPTION_STATUS:
        out[1] = bank.exception_status
        size[0] = 2
    elif fc == FC_GET_COMM_EVENT_COUNTER:
        wire_store16(out + 1, 0)
        wire_store16(out + 3, bank.counters.completed)
        size[0] = 5
    else:
        out[1] = bank.server_id_size
        memcpy(out + 2, bank.server_id, bank.server_id_size)
        size[0] = 2 + bank.server_id_size
    return 0


cdef inline int _perform(mb_bank* bank, const uint8_t* pdu, int pdu_size, uint8_t* out, int* size) noexcept nogil:
    """The checks common to all functions, in the order of the state diagrams, then the function's own."""
    cdef mb_request r
    cdef uint8_t fc = pdu[0]
    if not pdu_known(fc):
        return EXC_ILLEGAL_FUNCTION
    if not pdu_parse(&r, pdu, pdu_size) or not pdu_limits(&r):
        return EXC_ILLEGAL_DATA_VALUE
    if fc <= FC_READ_DISCRETE_INPUTS:
        return bank_read_bits(bank, &r, out, size)
    if fc <= FC_READ_INPUT_REGISTERS:
        return bank_read_registers(bank, &r, out, size)
    if fc == FC_WRITE_COIL or fc == FC_WRITE_COILS:
        return bank_write_bits(bank, &r, pdu, out, size)
    if fc == FC_WRITE_REGISTER or fc == FC_WRITE_REGISTERS:
        return bank_write_registers(bank, &r, pdu, out, size)
    if fc == FC_MASK_WRITE_REGISTER:
        return bank_mask_write(bank, &r, pdu, out, size)
    if fc == FC_READ_WRITE_REGISTERS:
        return bank_read_write(bank, &r, out, size)
    if fc == FC_READ_FILE_RECORD:
        return bank_read_file(bank, &r, out, size)
    if fc == FC_WRITE_FILE_RECORD:
        return bank_write_file(bank, &r, pdu, out, size)
    if fc == FC_READ_FIFO_QUEUE:
        return bank_read_queue(bank, &r, out, size)
    return _serial_only(bank, &r, pdu, out, size)


cdef inline int exception_write(uint8_t* out, uint8_t function, int code) noexcept nogil:
    out[0] = function | EXCEPTION_BIT
    out[1] = <uint8_t>code
    return 2


cdef inline int _sent_event(int exception) noexcept nogil:
    """6.10: which kind of answer went out."""
    if exception == 0:
        return EVENT_SENT
    if exception <= EXC_ILLEGAL_DATA_VALUE:
        return EVENT_SENT | 1
    if exception == EXC_SERVER_DEVICE_FAILURE:
        return EVENT_SENT | 2
    return EVENT_SENT | 4


cdef inline bint _is_restart(const uint8_t* pdu, int size) noexcept nogil:
    return size == 5 and pdu[0] == FC_DIAGNOSTICS and wire_load16(pdu + 1) == DIAG_RESTART_COMMUNICATIONS


cdef inline int device_answer(mb_bank* bank, const uint8_t* pdu, int pdu_size, bint busy, uint8_t* out) noexcept nogil:
    """Answer one request PDU into out (MAX_PDU bytes); returns the size of the answer, 0 for silence.

    `busy` is the answer of a server whose transaction window is full (mg 4.4.2.2). The caller holds the bank's lock.
    """
    cdef int size = 0, exception = EXC_SERVER_DEVICE_BUSY
    cdef bint silent = bank.listen_only
    bank.counters.messages += 1
    device_event(bank, EVENT_RECEIVED | (EVENT_LISTEN_ONLY if silent else 0))
    if silent and not _is_restart(pdu, pdu_size):
        bank.counters.silences += 1
        return 0
    out[0] = pdu[0]
    if not busy:
        exception = _perform(bank, pdu, pdu_size, out, &size)
    if exception:
        bank.counters.exceptions += 1
        bank.counters.busy += busy
        size = exception_write(out, pdu[0], exception)
    elif pdu[0] != FC_GET_COMM_EVENT_COUNTER:
        bank.counters.completed += 1
    if silent or size == 0:
        bank.counters.silences += 1
        return 0
    device_event(bank, _sent_event(exception))
    return size
