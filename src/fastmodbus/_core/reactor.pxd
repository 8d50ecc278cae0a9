# The connection that threads share, for the loop that may drive it.

from fastmodbus._core.connection cimport mb_connection
from fastmodbus._core.state cimport SessionState


cdef class Connection(SessionState):
    cdef mb_connection link
    cdef object __weakref__
    cpdef abandon_descriptors(self)
