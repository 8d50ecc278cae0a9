# A ring of (time, direction, bytes) records for whoever wants to see the traffic. Written without the GIL under the
# lock of the session, drained with both. When it is full the newest records are dropped and counted: what is kept has
# no holes inside.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef struct mb_trace:
    uint8_t* ring
    uint32_t capacity           # bytes, a power of two
    uint64_t written            # running totals; their difference is what the ring holds
    uint64_t drained
    uint64_t dropped            # records

cdef struct mb_trace_head:
    int64_t time
    uint32_t size
    uint32_t direction          # 0 sent, 1 received


cdef inline void _trace_copy_in(mb_trace* t, const uint8_t* data, uint32_t size) noexcept nogil:
    cdef uint32_t at = <uint32_t>(t.written & (t.capacity - 1)), head = min(size, t.capacity - at)
    memcpy(t.ring + at, data, head)
    memcpy(t.ring, data + head, size - head)
    t.written += size


cdef inline void trace_copy_out(mb_trace* t, uint8_t* to, uint32_t size) noexcept nogil:
    cdef uint32_t at = <uint32_t>(t.drained & (t.capacity - 1)), head = min(size, t.capacity - at)
    memcpy(to, t.ring + at, head)
    memcpy(to + head, t.ring, size - head)
    t.drained += size


cdef inline void trace_record(mb_trace* t, int64_t now, int direction, const uint8_t* data, size_t size) noexcept nogil:
    cdef mb_trace_head head
    if t.ring is NULL or size == 0:
        return
    if t.written - t.drained + sizeof(mb_trace_head) + size > t.capacity:
        t.dropped += 1
        return
    head.time = now
    head.size = <uint32_t>size
    head.direction = direction
    _trace_copy_in(t, <const uint8_t*>&head, sizeof(mb_trace_head))
    _trace_copy_in(t, data, <uint32_t>size)
