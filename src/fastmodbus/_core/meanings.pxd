# What a value of a decode program is, from the plain tuples of fastmodbus.values; the stub of program says what they
# hold. Inline; only program.pyx uses this, with the GIL, when a program is built.

from libc.stdint cimport uint8_t, uint64_t

from fastmodbus._core.order cimport double_bits
from fastmodbus._core.values cimport *


cdef inline uint8_t _raw_size(uint8_t kind) noexcept nogil:
    """Bytes of the device's number, 0 for bools and strings."""
    cdef const char* sizes = b"\x00\x00\x00\x01\x02\x04\x08\x02\x04\x01\x02\x04\x08\x02\x04\x08"
    return <uint8_t>sizes[kind]


cdef inline int check(bint holds, str what, object where) except -1:
    if not holds:
        raise ValueError(f"{what}: {where}")
    return 0


cdef inline bint is_number(const mb_value* value) noexcept nogil:
    return value.kind > KIND_STRING


cdef inline uint64_t missing_bits(const mb_value* value, object number) except? 0:
    """A missing number as what lane_missing compares with."""
    if value.kind >= KIND_F16:
        return double_bits(number)
    cdef object mask = ~<uint64_t>0 >> (64 - 8 * value.raw_size)
    return number & mask


cdef inline int set_treatment(mb_value* value) except -1:
    cdef bint scaled = value.multiply != 1 or value.divide != 1 or value.offset != 0
    if value.factor >= 0 or value.missing_count or value.flags & VALUE_LIMITED:
        value.treatment = TREAT_CHECK
    else:
        value.treatment = TREAT_SCALE if scaled else TREAT_NONE
    if is_number(value) and value.kind < KIND_F16 and not scaled and value.factor < 0:
        value.flags |= VALUE_WHOLE
    if value.treatment == TREAT_NONE and value.raw_size > 1 and (
            value.kind not in (KIND_BCD16, KIND_BCD32) if value.form == FORM_RAW
            else value.kind == (KIND_F64 if value.form == FORM_FLOAT64 else KIND_F32)):
        value.flags |= VALUE_COPIED
    if value.form == FORM_RAW or value.flags & VALUE_COPIED:
        value.flags |= VALUE_SHARED
    return 0


cdef inline int set_value(mb_value* value, given) except -1:
    kind, form, swaps, bit, count, single, text_size, multiply, divide, offset, limits, factor, missing = given
    check(0 <= kind < KIND_COUNT and 0 <= form <= FORM_RAW and 0 <= swaps < 8 and 0 <= bit < 16, "no value", given)
    check(count >= 1 and (count == 1 or not single) and 0 <= text_size <= 0xFFFF, "no value", given)
    value.kind, value.form, value.swaps, value.bit, value.count = kind, form, swaps, bit, count
    value.flags = (VALUE_SINGLE if single else 0) | (VALUE_LIMITED if limits is not None else 0)
    value.multiply, value.divide, value.offset, value.factor = multiply, divide, offset, factor
    value.low, value.high = limits or (0, 0)
    value.raw_size = _raw_size(value.kind)
    check(is_number(value) or value.form == FORM_RAW, "no number", given)
    if value.kind == KIND_STRING:
        check(text_size > 0, "an empty string", given)
        value.width, value.size = (text_size + 1) // 2, text_size
    else:
        value.width = max(1, value.raw_size // 2)
        value.size = (8, 4, max(1, value.raw_size))[form]
    value.missing_count = len(missing)
    return set_treatment(value)
