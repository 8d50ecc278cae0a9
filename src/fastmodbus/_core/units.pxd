# What is known of each unit behind a connection: whether it answers. Inline; only session.pyx, answers.pyx and
# expiry.pyx use it.
#
# Two requests in a row that stay without an answer after all their tries, or that a gateway reports as lost
# (exceptions 0A, 0B), make a unit suspended: of a batch then only the next request is sent, once, and if that fails
# too the others are given up unsent. So one dead unit costs its own values and a bounded time, and any answer of the
# unit brings it back.

from libc.stdint cimport int32_t, uint8_t

from fastmodbus._core.batch cimport *
from fastmodbus._core.queue cimport *
from fastmodbus._core.spec cimport *

cdef enum:
    UNIT_PATIENCE = 2               # requests in a row

cdef struct mb_units:
    uint8_t failures[256]


cdef inline bint unit_suspended(const mb_units* u, uint8_t unit) noexcept nogil:
    return u.failures[unit] >= UNIT_PATIENCE


cdef inline void unit_answered(mb_units* u, uint8_t unit) noexcept nogil:
    u.failures[unit] = 0


cdef inline void unit_silent(mb_units* u, uint8_t unit) noexcept nogil:
    """A request stayed without an answer. Of one that nobody waits for any more that is all there is to note."""
    if u.failures[unit] < 255:
        u.failures[unit] += 1


cdef inline void unit_failed(mb_units* u, mb_queues* q, mb_batch* b, uint8_t unit) noexcept nogil:
    """A request to the unit failed for good; when that suspends it, nothing more of the batch is sent to it.

    What was never sent was not asked; what waits to be asked again because there was no answer had none in time. Only
    what the unit did answer, to be asked later, still is.
    """
    cdef int32_t i
    cdef mb_transaction* t
    unit_silent(u, unit)
    if not unit_suspended(u, unit) or b.unfinished == 0:
        return
    queue_forget_unanswered(b, unit)
    for i in range(b.count):
        t = &b.transactions[i]
        if t.unit == unit and t.status == ST_QUEUED and not queue_answered(t):
            queue_finish(q, b, t, ST_TIMEOUT if t.sent else ST_SUSPENDED, FAULT_NONE)
    queue_skip(b)
