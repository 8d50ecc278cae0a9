# What a visit of the loop will touch, on its way from memory while others are visited: of a thousand connections little
# is in the processor's cache. Inline; only loop.pyx uses it.
#
# No lock is held here, so nothing is read that another thread may free: of what a connection points to only what lives
# as long as it does. Addresses that are of no use any more do no harm, as what they point to is not read.

from fastmodbus._core.batch cimport PRIORITY_POLL, mb_batch, mb_transaction
from fastmodbus._core.connection cimport mb_connection
from fastmodbus._core.schedule cimport mb_job, mb_job_counters
from fastmodbus._core.session cimport LIKELY, mb_sending, mb_session
from fastmodbus._core.window cimport mb_slot

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>

    static inline void fetch(const void *address, size_t size) {
    #if defined(__GNUC__) || defined(__clang__)
        uintptr_t line = (uintptr_t)address & ~(uintptr_t)63, end = (uintptr_t)address + size;
        for (; line < end; line += 64) __builtin_prefetch((const void *)line);
    #else
        (void)address;
        (void)size;
    #endif
    }
    """
    void fetch(const void* address, size_t size) noexcept nogil


cdef inline void fetch_connection(const mb_connection* c) noexcept nogil:
    fetch(c, sizeof(mb_connection))


cdef inline void fetch_session(const mb_connection* c) noexcept nogil:
    """Once the connection is here."""
    cdef const mb_session* s = c.session
    fetch(s, <size_t>(<const char*>&s.pace.hastened - <const char*>s))
    fetch(&s.window, <size_t>(<const char*>&s.window.unit_limit - <const char*>&s.window))
    fetch(&s.window.unit_limit, 4)
    fetch(&s.window.unit_in_flight, 4)
    fetch(&s.units, 2)
    fetch(&s.counters, 32)
    fetch(c.jobs, sizeof(mb_job) - sizeof(mb_job_counters))


cdef inline void fetch_buffers(const mb_connection* c) noexcept nogil:
    """Once the session is here."""
    cdef const mb_session* s = c.session
    cdef int i
    fetch(s.window.slots, sizeof(mb_slot))
    fetch(s.window.table, 2)
    fetch(s.input, 64)
    fetch(s.output, 16)
    fetch(s.sending, sizeof(mb_sending))
    fetch(s.queues.first[<int>PRIORITY_POLL], sizeof(mb_batch))
    for i in range(LIKELY):
        fetch(s.likely[i], 3 * sizeof(mb_transaction) if i == 0 else 16)
