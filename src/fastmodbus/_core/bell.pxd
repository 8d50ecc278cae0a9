# A bell: one thread of the core rings, threads of Python wait until it rang more often than they have heard. Inline;
# only the loop uses it. Its lock may be taken with a connection's lock held, never the other way round.

from libc.stdint cimport int64_t

from fastmodbus._core.net cimport sync_lock, sync_acquire, sync_init, sync_notify, sync_release, sync_wait

cdef struct mb_bell:
    sync_lock lock
    int64_t rung                    # how often
    int waiting                     # threads


cdef inline void bell_ring(mb_bell* b) noexcept nogil:
    sync_acquire(&b.lock)
    b.rung += 1
    if b.waiting:
        sync_notify(&b.lock)
    sync_release(&b.lock)


cdef inline int64_t bell_wait(mb_bell* b, int64_t heard, int64_t ns) noexcept nogil:
    """Wait until it rang more often than it was heard, or the time is over; how often it has by then."""
    cdef int64_t rung
    sync_acquire(&b.lock)
    if b.rung == heard and ns > 0:
        b.waiting += 1
        sync_wait(&b.lock, ns)
        b.waiting -= 1
    rung = b.rung
    sync_release(&b.lock)
    return rung
