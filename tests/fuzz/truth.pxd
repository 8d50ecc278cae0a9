# What is known of each transaction of the session under test, independently of the session: the one right answer to
# it, what the device gave instead, what left for it. The checks of the session's target hold results against it; a
# check returns what is wrong, or NULL.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcmp, memcpy, memset

from fastmodbus._core.batch cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16
from plant cimport *
from source cimport unless

cdef enum:
    WORKS = 12
    MANY = 48                   # transactions of the longest batch
    GUARD = 32
    CELL = GUARD + 256 + GUARD  # memory of one transaction's destination
    PATTERN = 0xA5
    CODES = 10

cdef struct mb_truth:
    uint8_t final               # the status, once it is final
    uint8_t leavings            # sendings of which some byte left
    bint answered               # the right answer was given since the connection was made
    bint tainted                # arbitrary bytes were sent as its answer: its value may be anything
    uint16_t codes              # exceptions that were given, see exception_code
    int size                    # of its destination
    int request_size, answer_size
    uint8_t request[MAX_PDU]
    uint8_t answer[MAX_PDU]
    uint16_t values[MAX_WRITE_REGISTERS + 1]    # what it writes, native
    uint8_t cell[CELL]
    uint8_t delivered[CELL]     # what the cell held when the status became final

cdef struct mb_work:
    mb_batch batch
    mb_transaction transactions[MANY]
    mb_truth truths[MANY]
    int last_seen               # index of the last of it that the device saw
    bint detached
    bint settled                # it was checked since it ended
    bint polled                 # it belongs to a job, and is used again for each row (polls.pxd)


cdef inline uint8_t exception_code(int which) noexcept nogil:
    """The exceptions that a device may give: 1 to 6, 8, 10, 11, and one that is none."""
    if which < 6:
        return <uint8_t>(1 + which)
    return 8 if which == 6 else 10 if which == 7 else 11 if which == 8 else 99


cdef inline void work_start(mb_work* w, int count) noexcept nogil:
    cdef int i
    memset(&w.batch, 0, sizeof(mb_batch))
    memset(w.transactions, 0, count * sizeof(mb_transaction))
    memset(w.truths, 0, count * sizeof(mb_truth))
    w.batch.transactions = w.transactions
    w.batch.count = w.batch.unfinished = count
    w.batch.repeat_first = w.batch.repeat_last = -1
    w.last_seen = -1
    w.detached = w.settled = w.polled = False
    for i in range(count):
        memset(w.truths[i].cell, PATTERN, CELL)
        w.transactions[i].next = -1
        w.transactions[i].target = w.truths[i].cell + GUARD


cdef inline void truth_learn(mb_truth* truth, mb_transaction* t, mb_plant* plant) noexcept nogil:
    """The request is complete: what goes over the wire for it, and what should come back."""
    t.flags = <uint8_t>function_flags(t.request.function)
    truth.request_size = pdu_write(truth.request, &t.request)
    truth.answer_size = plant_answer(plant, t.unit, truth.request, truth.request_size, truth.answer)
    if t.delivery == DELIVER_REGISTERS:
        truth.size = 2 * t.request.quantity
    elif t.delivery == DELIVER_BITS:
        truth.size = t.request.quantity
    elif t.delivery != DELIVER_NOTHING:
        truth.size = MAX_PDU


cdef inline bint _all(const uint8_t* at, int size, uint8_t value) noexcept nogil:
    cdef int i
    for i in range(size):
        if at[i] != value:
            return False
    return True


cdef inline bint values_right(const mb_truth* truth, const mb_transaction* t, const uint8_t* cell) noexcept nogil:
    """Whether at `cell` is what the one right answer says."""
    cdef const uint8_t* data = truth.answer + 2
    cdef mb_answer answer
    cdef uint16_t register
    cdef int i
    if t.delivery == DELIVER_REGISTERS:
        for i in range(t.request.quantity):
            memcpy(&register, cell + 2 * i, 2)
            if register != wire_load16(data + 2 * i):
                return False
    elif t.delivery == DELIVER_BITS:
        for i in range(t.request.quantity):
            if cell[i] != (data[i >> 3] >> (i & 7)) & 1:
                return False
    elif t.delivery == DELIVER_PDU:
        return t.received == truth.answer_size and memcmp(cell, truth.answer, t.received) == 0
    elif t.delivery == DELIVER_BYTES:
        pdu_check(&t.request, truth.answer, truth.answer_size, &answer)
        return t.received == answer.size and memcmp(cell, answer.data, t.received) == 0
    return True


cdef inline const char* _check_value(const mb_truth* truth, const mb_transaction* t) noexcept nogil:
    if t.status != ST_OK:
        return unless(_all(truth.cell, CELL, PATTERN), b"written without a good answer")
    if truth.tainted or (t.request.function == FC_DIAGNOSTICS and t.request.address == DIAG_FORCE_LISTEN_ONLY):
        return NULL
    if truth.answer_size == 0 or truth.answer[0] & EXCEPTION_BIT:
        return b"good, though the device refuses it"
    if not truth.answered:
        return b"good without an answer"
    return unless(values_right(truth, t, truth.cell + GUARD), b"a wrong value")


cdef inline const char* check_exception(const mb_truth* truth, uint8_t code) noexcept nogil:
    cdef int i
    if truth.tainted:
        return NULL
    for i in range(CODES):
        if exception_code(i) == code and truth.codes >> i & 1:
            return NULL
    return b"an exception that the device did not give"


cdef inline const char* _check_final(mb_truth* truth, const mb_transaction* t) noexcept nogil:
    """What a transaction looks like when its status has just become final."""
    truth.final = t.status
    memcpy(truth.delivered, truth.cell, CELL)
    return check_exception(truth, t.exception) if t.status == ST_EXCEPTION else _check_value(truth, t)


cdef inline const char* _check_memory(const mb_truth* truth) noexcept nogil:
    """Nothing is written beside the destination, nor into it before the end, nor after it."""
    cdef int behind = GUARD + truth.size
    if not _all(truth.cell, GUARD, PATTERN) or not _all(truth.cell + behind, CELL - behind, PATTERN):
        return b"written outside of the destination"
    if truth.final:
        return unless(memcmp(truth.cell, truth.delivered, CELL) == 0, b"written after its end")
    return unless(_all(truth.cell, CELL, PATTERN), b"written before its end")


cdef inline const char* _check_status(
    const mb_work* w, mb_truth* truth, const mb_transaction* t, int64_t now, bint clean, bint tainted
) noexcept nogil:
    if truth.final:
        return unless(t.status == truth.final, b"a second final status")
    if t.status < ST_OK:
        return NULL
    if t.status == ST_DEADLINE and w.batch.deadline > now:
        return b"a deadline that has not come"
    if clean and t.status == ST_PROTOCOL and t.fault != FAULT_PARTIAL and t.fault != FAULT_LEFT_OVER:
        return b"a protocol error of a device that made none"
    truth.tainted |= tainted
    return _check_final(truth, t)


cdef inline const char* work_check(mb_work* w, int64_t now, bint clean, bint tainted) noexcept nogil:
    """After every step.

    `clean`: until now the device answered well, or not at all. `tainted`: arbitrary bytes came on this connection.
    """
    cdef int32_t i, unfinished = 0
    cdef const char* wrong
    for i in range(w.batch.count):
        wrong = _check_status(w, &w.truths[i], &w.transactions[i], now, clean, tainted)
        if wrong is not NULL:
            return wrong
        unfinished += w.transactions[i].status < ST_OK
    if unfinished != w.batch.unfinished:
        return b"unfinished is not the number of those without a status"
    w.settled = unfinished == 0
    return unless(w.settled or not w.detached, b"detached and unfinished")


cdef inline const char* work_check_memory(const mb_work* w) noexcept nogil:
    cdef int32_t i
    cdef const char* wrong
    for i in range(w.batch.count):
        wrong = _check_memory(&w.truths[i])
        if wrong is not NULL:
            return wrong
    return NULL
