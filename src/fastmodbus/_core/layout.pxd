# Where the columns of a decode program lie in one block of memory: all values, then all raw numbers, then all
# qualities, which arrow.py counts on. Only program.pyx includes this.

from libc.stdint cimport uint8_t, uint32_t

from fastmodbus._core.values cimport VALUE_SHARED, mb_output, mb_program, mb_value


cdef inline Py_ssize_t column_room(Py_ssize_t size, Py_ssize_t rows) noexcept nogil:
    """Room for a column: never a multiple of a page, or columns would push each other out of the cache."""
    cdef Py_ssize_t unit = 64 if rows > 2 else 8
    size = (size + unit - 1) // unit * unit
    return size + 64 if size % 4096 == 0 else size


cdef inline Py_ssize_t columns_lay_out(const mb_program* program, Py_ssize_t rows, uint8_t* block,
                                       mb_output* outputs) noexcept nogil:
    """Lay out columns for so many rows in a block, 8 bytes aligned. Returns its size; with NULLs it only counts."""
    cdef Py_ssize_t at = 0
    cdef uint32_t i
    cdef const mb_value* value
    for i in range(program.value_count):
        value = &program.values[i]
        if outputs is not NULL:
            outputs[i].values = block + at
        at += column_room(rows * value.count * value.size, rows)
    for i in range(program.value_count):
        value = &program.values[i]
        if outputs is not NULL:
            outputs[i].raw = NULL if value.flags & VALUE_SHARED else block + at
        if not value.flags & VALUE_SHARED:
            at += column_room(rows * value.count * value.raw_size, rows)
    for i in range(program.value_count):
        value = &program.values[i]
        if outputs is not NULL:
            outputs[i].quality = block + at
        at += column_room(rows * value.count, rows)
    return at
