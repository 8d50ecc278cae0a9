# The passing of time: another part of session.pyx's verbs.

from libc.stdint cimport int64_t

from fastmodbus._core.session cimport mb_session

cdef void session_expire(mb_session* s, int64_t now) noexcept nogil
cdef int64_t session_next_deadline(mb_session* s, int64_t now) noexcept nogil
cdef int64_t session_first_overdue(const mb_session* s) noexcept nogil
