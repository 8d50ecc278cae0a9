# The owner of a session's memory; Session (verbs.pyx) and Connection (reactor.pyx) are its two kinds.

from libc.stdint cimport uint32_t

from fastmodbus._core.session cimport mb_session
from fastmodbus._core.trace cimport mb_trace


cdef class SessionState:
    cdef mb_session c
    cdef void enter(self) noexcept nogil
    cdef void leave(self) noexcept nogil
    cdef mb_trace _exchange_trace(self, uint32_t capacity) except *
