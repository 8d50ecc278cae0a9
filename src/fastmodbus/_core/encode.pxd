# The inverse of lanes.pxd: one number to the registers of an element. Only program.pyx includes this. Nothing is ever
# cast before it is known to fit.

from libc.math cimport fabs, isfinite, isinf, isnan, rint
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from fastmodbus._core.lanes cimport mb_power
from fastmodbus._core.order cimport *
from fastmodbus._core.values cimport *

cdef enum mb_encoded:
    ENCODED = 0
    NOT_FINITE = 1              # NaN or infinite, for a type or a tag that has no such thing
    OUT_OF_RANGE = 2            # beyond the type
    NO_STEP = 3                 # a fraction, for whole numbers without a scale

cdef enum mb_source:            # what 64 bits of a source are
    SOURCE_FLOAT = 0
    SOURCE_SIGNED = 1
    SOURCE_UNSIGNED = 2

cdef extern from *:
    """
    /* Halfway from the largest finite number to the next one there would be: from here on the nearest is infinite. */
    #define HALF_END 65520.0
    #define FLOAT_END 340282356779733661637539395458142568448.0
    """
    const double HALF_END
    const double FLOAT_END


cdef inline uint64_t encode_largest(int kind) noexcept nogil:
    if kind == KIND_BCD16:
        return 9999
    if kind == KIND_BCD32:
        return 99999999
    if kind == KIND_U8 or kind == KIND_U16 or kind == KIND_U32:
        return (<uint64_t>1 << (8 << (kind - KIND_U8))) - 1
    if kind == KIND_U64:
        return ~<uint64_t>0
    return ~<uint64_t>0 >> (65 - (8 << (kind - KIND_I8)))


cdef inline double encode_lowest(int kind) noexcept nogil:
    if KIND_I8 <= kind <= KIND_I64:
        return -<double>encode_largest(kind) - (0 if kind == KIND_I64 else 1)
    return 0


cdef inline int encode_whole(int kind, uint64_t number, bint negative, uint64_t* bits) noexcept nogil:
    """An integer; a negative one comes in two's complement."""
    cdef uint64_t largest = encode_largest(kind)
    if negative:
        if not KIND_I8 <= kind <= KIND_I64 or ~number > largest:
            return OUT_OF_RANGE
    elif number > largest:
        return OUT_OF_RANGE
    bits[0] = number
    if kind == KIND_BCD16 or kind == KIND_BCD32:
        bits[0] = number_bcd(<uint32_t>number)
    return ENCODED


cdef inline int encode_rounded(int kind, double number, uint64_t* bits) noexcept nogil:
    """A whole number that comes as a double."""
    # The largest number plus one is a power of two, or small: a double has it exactly.
    if not encode_lowest(kind) <= number or not number < <double>encode_largest(kind) + 1:
        return OUT_OF_RANGE
    if number < 0:
        return encode_whole(kind, <uint64_t><int64_t>number, True, bits)
    return encode_whole(kind, <uint64_t>number, False, bits)


cdef inline int encode_float(int kind, double number, uint64_t* bits) noexcept nogil:
    if kind == KIND_F64:
        bits[0] = double_bits(number)
        return ENCODED
    if isfinite(number) and fabs(number) >= (HALF_END if kind == KIND_F16 else FLOAT_END):
        return OUT_OF_RANGE
    bits[0] = double_half(number) if kind == KIND_F16 else float_bits(<float>number)
    return ENCODED


cdef inline double encode_unscaled(const mb_value* value, const mb_power* power, double number) noexcept nogil:
    """The device's number of a physical value, not rounded yet."""
    number = (number - value.offset) * power.divide / power.multiply
    return number * value.divide / value.multiply


cdef inline int encode_number(const mb_value* value, const mb_power* power, bint scaled, uint64_t source, int form,
                              bint any_float, uint64_t* bits) noexcept nogil:
    """One number to the bits of its type; any_float: NaN and infinities are as good as others."""
    cdef bint is_float = value.kind >= KIND_F16
    cdef double number
    if form != SOURCE_FLOAT and not scaled and not is_float:
        return encode_whole(value.kind, source, form == SOURCE_SIGNED and <int64_t>source < 0, bits)
    if form == SOURCE_FLOAT:
        number = bits_double(source)
    else:
        number = <double><int64_t>source if form == SOURCE_SIGNED else <double>source
    if not isfinite(number) and not (is_float and any_float):
        return NOT_FINITE
    if scaled:
        number = encode_unscaled(value, power, number)
        if not isfinite(number) and not any_float:
            return OUT_OF_RANGE
    if is_float:
        return encode_float(value.kind, number, bits)
    if not scaled and number != rint(number):
        return NO_STEP
    return encode_rounded(value.kind, rint(number), bits)


cdef inline void encode_store(const mb_value* value, uint64_t bits, uint16_t* to) noexcept nogil:
    """Into the registers of an element; an 8-bit value leaves the other byte as it is."""
    cdef uint32_t four
    cdef uint64_t eight
    cdef bint high
    if value.width == 4:
        eight = order_swap64(bits, value.swaps)
        memcpy(to, &eight, 8)
    elif value.width == 2:
        four = order_swap32(<uint32_t>bits, value.swaps)
        memcpy(to, &four, 4)
    elif value.raw_size == 1:
        high = value.swaps & SWAP_BYTES
        to[0] = <uint16_t>((to[0] & (0x00FF if high else 0xFF00)) | (bits & 0xFF) << (8 if high else 0))
    else:
        to[0] = order_swap16(<uint16_t>bits, value.swaps)
