# What comes back to a session: another part of session.pyx's verbs.

from libc.stdint cimport int64_t, uint32_t

from fastmodbus._core.session cimport mb_session

cdef void session_received(mb_session* s, uint32_t size, int64_t now) noexcept nogil
