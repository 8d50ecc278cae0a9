# The device's side of the MBAP stream: one receive in, all answers out. See responder.pyx.

from libc.stdint cimport uint8_t, uint16_t

from fastmodbus._core.bank cimport mb_bank, mb_extent

cdef enum mb_unknown_unit:          # what happens to a request for a unit that is not there
    UNKNOWN_SILENT = 0
    UNKNOWN_GATEWAY = 1             # exception 0x0B, as a gateway whose target is dead
    UNKNOWN_ANSWER = 2              # the first unit answers, as a directly connected server does (mg 4.4.1.2)

cdef struct mb_units:
    mb_bank* by_unit[256]
    mb_bank* first
    int unknown

cdef struct mb_span:                # one request of a receive and its answer
    uint16_t request
    uint16_t answer                 # 0: silence

cdef struct mb_receive:
    uint8_t* answers                # malloc'd, like spans
    size_t size
    size_t capacity
    mb_span* spans
    size_t count
    size_t span_capacity
    size_t used                     # bytes of the input that whole requests took
    int fault                       # mb_fault that ends the stream

cdef bint responder_answer(const mb_units* units, const uint8_t* at, size_t available, Py_ssize_t capacity,
                           bint first_only, mb_receive* receive) noexcept nogil

cdef class Bank:
    cdef mb_bank c
    cdef object _tables             # what keeps the memory behind the pointers of `c`
    cdef dict _files
    cdef dict _queues
    cdef dict _objects
    cdef bytes _server_id
    cdef void _share(self, int area, void* table, Py_ssize_t size) noexcept
    cdef void _lock(self) noexcept
    cdef void _unlock(self) noexcept
    cdef dict _set_extent(self, dict held, int name, registers, int limit, mb_extent** extents, int* count)

cdef class Answered:
    cdef readonly bytes requests
    cdef readonly bytes answers
    cdef readonly Py_ssize_t count
    cdef readonly int fault
    cdef bytes _spans

cdef class Responder:
    cdef mb_units units
    cdef list _banks
