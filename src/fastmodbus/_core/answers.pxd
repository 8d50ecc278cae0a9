# What comes back to a session and what does not: receiving, and the passing of time. The other half of session.pyx's
# verbs.

from libc.stdint cimport int64_t, uint32_t

from fastmodbus._core.session cimport mb_session

cdef void session_received(mb_session* s, uint32_t size, int64_t now) noexcept nogil
cdef void session_expire(mb_session* s, int64_t now) noexcept nogil
cdef int64_t session_next_deadline(mb_session* s, int64_t now) noexcept nogil
