# A value of a column as a Python object: what a read of single values returns. Only program.pyx includes this.

from cpython.float cimport PyFloat_FromDouble
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from fastmodbus._core.lanes cimport lane_integer
from fastmodbus._core.values cimport *


cdef inline object integer_of(const mb_value* value, const uint8_t* at):
    cdef uint64_t bits = 0
    cdef uint32_t four
    cdef uint16_t two
    if value.raw_size == 8:
        memcpy(&bits, at, 8)
    elif value.raw_size == 4:
        memcpy(&four, at, 4)
        bits = four
    elif value.raw_size == 2:
        memcpy(&two, at, 2)
        bits = two
    else:
        bits = at[0]
    if value.kind >= KIND_I8:
        return lane_integer(value.kind, bits)
    return bits


cdef inline object object_of(const mb_value* value, const mb_output* out, Py_ssize_t row):
    """The first element of a value as a Python object: None, or NaN for a number, where there is none."""
    cdef const uint8_t* at = out.values + row * value.count * value.size
    cdef bint good = out.quality is NULL or out.quality[row * value.count] == QUALITY_GOOD
    cdef const uint8_t* end
    if value.flags & VALUE_WHOLE and good and value.form == FORM_RAW:
        return integer_of(value, at)
    if value.flags & VALUE_WHOLE and good and out.raw is not NULL:
        return integer_of(value, out.raw + row * value.count * value.raw_size)
    if value.form == FORM_FLOAT64:
        return PyFloat_FromDouble((<const double*>at)[0])
    if value.form == FORM_FLOAT32:
        return PyFloat_FromDouble((<const float*>at)[0])
    if not good:
        return None
    if value.kind != KIND_STRING:
        return at[0] != 0
    end = <const uint8_t*>memchr(at, 0, value.size)
    return PyUnicode_DecodeUTF8(<const char*>at, end - at if end is not NULL else value.size, "replace")


cdef inline bint is_same(const mb_value* value, const mb_output* out, Py_ssize_t row, Py_ssize_t other) noexcept:
    """Whether a single value is in one row what it is in another, to the bit."""
    if out.quality[row] != out.quality[other]:
        return False
    if not same_bytes(out.values + row * value.size, out.values + other * value.size, value.size):
        return False
    return out.raw is NULL or same_bytes(out.raw + row * value.raw_size, out.raw + other * value.raw_size,
                                         value.raw_size)


cdef inline bint same_bytes(const uint8_t* one, const uint8_t* other, uint16_t size) noexcept:
    if size == 8:
        return (<const uint64_t*>one)[0] == (<const uint64_t*>other)[0]
    if size == 4:
        return (<const uint32_t*>one)[0] == (<const uint32_t*>other)[0]
    if size == 2:
        return (<const uint16_t*>one)[0] == (<const uint16_t*>other)[0]
    return memcmp(one, other, size) == 0
