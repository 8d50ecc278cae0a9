# What callers of the session under test do: batches of every kind, of tables and of arbitrary PDUs, with limits of
# every kind. They are made here, and submitted by session_target.pyx.

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t

from fastmodbus._core.batch cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.spec cimport *
from plant cimport UNITS
from source cimport *
from truth cimport *
from world cimport *

cdef enum:
    MILLISECOND = 1000000


cdef inline int64_t span(int which) noexcept nogil:
    """Spans of time, from none to five seconds, as timeouts and for time to pass."""
    cdef int which_of_eight = which & 7
    if which_of_eight < 3:
        return which_of_eight * MILLISECOND
    return <int64_t>20 * MILLISECOND << (2 * (which_of_eight - 3))


cdef inline mb_work* _new_work(mb_world* w, mb_source* source, int count) noexcept nogil:
    cdef mb_work* work
    cdef uint8_t limits
    if w.work_count == WORKS:
        return NULL
    work = &w.works[w.work_count]
    work_start(work, count)
    limits = take(source)
    work.batch.repeats = limits & 3
    work.batch.timeout = max(MILLISECOND, span(limits >> 2))
    work.batch.deadline = w.now + span(take(source)) if limits & 32 else INT64_MAX
    work.batch.priority = PRIORITY_POLL if limits & 64 else PRIORITY_CALL
    work.batch.late = limits >> 7
    return work


cdef inline void _ask(mb_transaction* t, mb_source* source, int function, int unit, int address) noexcept nogil:
    """A read of a table: some addresses lie behind its end."""
    cdef bint bits = function <= FC_READ_DISCRETE_INPUTS
    t.unit = <uint8_t>(1 + unit % UNITS)
    t.request.function = <uint8_t>function
    t.request.address = <uint16_t>address
    t.request.quantity = <uint16_t>(1 + take_below(source, 200 if bits else 125))
    t.delivery = DELIVER_BITS if bits else DELIVER_REGISTERS


cdef inline mb_work* ask_read(mb_world* w, mb_source* source, int variety) noexcept nogil:
    """Up to MANY reads; of one unit, or of any."""
    cdef int i, count = 1 + take_below(source, MANY), unit = take(source), address = 2 * take(source)
    cdef mb_work* work = _new_work(w, source, count)
    cdef bint short = variety & 1
    if work is NULL:
        return NULL
    for i in range(count):
        _ask(&work.transactions[i], source, 1 + (variety >> 1) % 4, unit + (i if unit & 64 else 0), address)
        if short:
            work.transactions[i].request.quantity = 1
        address += 1
    return work


cdef inline mb_work* ask_write(mb_world* w, mb_source* source, int variety) noexcept nogil:
    """A long write, in order; of coils or of registers."""
    cdef int i, k, count = 1 + take_below(source, 6), unit = take(source), address = 2 * take(source)
    cdef mb_work* work = _new_work(w, source, count)
    cdef mb_request* r
    if work is NULL:
        return NULL
    work.batch.ordered = True
    for i in range(count):
        r = &work.transactions[i].request
        r.quantity = <uint16_t>(1 + take_below(source, MAX_WRITE_REGISTERS))
        for k in range(r.quantity):
            work.truths[i].values[k] = <uint16_t>(k + 3 * i)
        r.data = <const uint8_t*>work.truths[i].values
        r.address = <uint16_t>(address + i)
        r.form = FORM_BITS if variety & 1 else FORM_REGISTERS
        r.function = FC_WRITE_COILS if variety & 1 else FC_WRITE_REGISTERS
        r.size = bytes_for_bits(r.quantity) if variety & 1 else <uint16_t>(2 * r.quantity)
        work.transactions[i].unit = <uint8_t>(1 + unit % UNITS)
    return work


cdef inline mb_work* ask_exchange(mb_world* w, mb_source* source) noexcept nogil:
    """Function 23."""
    cdef mb_work* work = _new_work(w, source, 1)
    cdef mb_request* r
    if work is NULL:
        return NULL
    r = &work.transactions[0].request
    _ask(&work.transactions[0], source, FC_READ_WRITE_REGISTERS, take(source), 2 * take(source))
    r.write_address = take16(source)
    r.write_quantity = <uint16_t>(1 + take_below(source, MAX_READ_WRITE_WRITE))
    r.size = <uint16_t>(2 * r.write_quantity)
    r.form = FORM_REGISTERS
    r.data = <const uint8_t*>work.truths[0].values
    return work


cdef inline mb_work* ask_request(mb_world* w, mb_source* source, int variety) noexcept nogil:
    """Any PDU: well formed for its function code, or with anything in it."""
    cdef mb_work* work
    cdef mb_transaction* t
    cdef uint8_t* pdu
    cdef int size = 1 + take_below(source, 20)
    work = _new_work(w, source, 1)
    if work is NULL:
        return NULL
    t = &work.transactions[0]
    pdu = <uint8_t*>work.truths[0].values
    take_bytes(source, pdu, size)
    pdu[0] = max(1, pdu[0] & 0x7F)
    if not pdu_parse(&t.request, pdu, size):
        t.request.form = FORM_OPAQUE
        t.request.function = pdu[0]
        t.request.size = <uint16_t>(size - 1)
        t.request.data = pdu + 1
        work.truths[0].tainted = True       # no device has to understand it
    t.unit = <uint8_t>(1 + variety % UNITS)
    t.delivery = DELIVER_PDU if variety & 4 else DELIVER_BYTES
    return work
