# The Python owners of jobs and of what they poll; the driver works on their structs.

from fastmodbus._core.schedule cimport mb_job, mb_poll
from fastmodbus._core.state cimport SessionState


cdef class Poll:
    cdef mb_poll c
    cdef list stages
    cdef int make_ring(self, Py_ssize_t registers, Py_ssize_t capacity) except -1


cdef class Job:
    cdef mb_job c
    cdef object polls               # all that the driver may use
    cdef SessionState owner
