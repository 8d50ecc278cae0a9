# The decode program as other modules of the core see it: program_run, and the Python objects that own its memory.

from cpython.buffer cimport Py_buffer
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from fastmodbus._core.values cimport mb_member, mb_item, mb_output, mb_program, mb_value

# Decode one image into a row of every column. `statuses` has one mb_quality for each read, 0 where its answer came, or
# is NULL. Allocates nothing; any number of threads may run one program, each into rows of its own.
cdef void program_run(const mb_program* program, const uint16_t* image, const uint8_t* statuses,
                      const mb_output* outputs, Py_ssize_t row) noexcept nogil


cdef class Program:
    cdef mb_program c

    cdef void* _table(self, Py_ssize_t count, size_t size) except NULL
    cdef int _set_values(self, values, Py_ssize_t factors) except -1
    cdef int _set_missing(self, list missing) except -1
    cdef int _check_item(self, const mb_item* item) except -1
    cdef tuple _sort_key(self, uint32_t index, uint32_t source)
    cdef int _set_items(self, items) except -1
    cdef int _extend_operation(self, uint32_t index) except -1
    cdef int _set_factors(self, factors) except -1
    cdef mb_member* _members(self, members, uint32_t* counted) except NULL
    cdef int _set_twins(self, twins) except -1
    cdef int _check_image(self, Py_ssize_t image, Py_ssize_t statuses) except -1
    cdef mb_value* _value(self, Py_ssize_t index) except NULL


cdef class Record:
    cdef tuple keys
    cdef list values        # those of the last dict
    cdef dict newest        # the last dict, of which nobody else knows


cdef class Columns:
    cdef readonly Program program
    cdef readonly Py_ssize_t rows
    cdef list known             # the objects of a row that was not decoded again since
    cdef Py_ssize_t known_row   # -1: there is none
    cdef Py_buffer block
    cdef bint has_block
    cdef mb_output* outputs

    cdef void overwrite(self, Py_ssize_t row)
