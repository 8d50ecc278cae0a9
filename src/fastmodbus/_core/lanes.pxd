# Numbers, LANES of them at a time: gathered from the image, converted, scaled and checked, scattered into columns. Each
# step is a short loop over arrays on the stack. Only program.pyx includes this.
#
# What scattering costs is cache lines, one for the value of each tag and one for its quality. A quality that is what it
# was is not stored again: a line that was only read need not be written back, which takes a quarter of the time off.

from libc.math cimport NAN, isnan
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastmodbus._core.order cimport *
from fastmodbus._core.values cimport *

cdef struct mb_lanes:
    uint64_t[LANES] bits        # the device's number at its own width
    double[LANES] number
    uint8_t[LANES] quality

cdef struct mb_power:           # of ten; one of the two is 1, so that 10**-1 divides
    double multiply
    double divide
    uint8_t quality             # why there is none

cdef extern from *:
    """
    static const double power_of_ten[23] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
    };
    """
    const double[23] power_of_ten


cdef inline uint64_t lane_load(const mb_value* value, const uint16_t* at) noexcept nogil:
    if value.width == 2:
        return order_load32(at, value.swaps)
    if value.width == 4:
        return order_load64(at, value.swaps)
    if value.raw_size == 1:
        return order_swap16(at[0], value.swaps) & 0xFF
    return order_swap16(at[0], value.swaps)


cdef inline void lane_store(uint8_t* to, uint64_t bits, int size) noexcept nogil:
    cdef uint32_t four = <uint32_t>bits
    cdef uint16_t two = <uint16_t>bits
    if size == 4:
        memcpy(to, &four, 4)
    elif size == 8:
        memcpy(to, &bits, 8)
    elif size == 2:
        memcpy(to, &two, 2)
    else:
        to[0] = <uint8_t>bits


cdef inline int64_t lane_integer(int kind, uint64_t bits) noexcept nogil:
    """An integer of any kind but u64 as a signed number."""
    if kind == KIND_I16:
        return <int16_t>bits
    if kind == KIND_I32:
        return <int32_t>bits
    if kind == KIND_I8:
        return <int8_t>bits
    return <int64_t>bits


cdef inline void lanes_bcd(mb_lanes* lanes, int count) noexcept nogil:
    cdef int64_t number
    for i in range(count):
        number = bcd_number(<uint32_t>lanes.bits[i])
        if number < 0:
            lanes.number[i] = NAN
            lanes.quality[i] = QUALITY_RANGE
        else:
            lanes.bits[i] = <uint64_t>number
            lanes.number[i] = <double>number


cdef inline void lanes_convert(mb_lanes* lanes, int kind, int count) noexcept nogil:
    """The bits as doubles; all quality is good but that of digits which are none."""
    cdef int i
    memset(lanes.quality, QUALITY_GOOD, LANES)
    if kind == KIND_F32:
        for i in range(count):
            lanes.number[i] = bits_float(<uint32_t>lanes.bits[i])
    elif kind == KIND_F64:
        memcpy(lanes.number, lanes.bits, 8 * count)
    elif kind == KIND_F16:
        for i in range(count):
            lanes.number[i] = half_double(<uint16_t>lanes.bits[i])
    elif kind == KIND_U64:
        for i in range(count):
            lanes.number[i] = <double>lanes.bits[i]
    elif kind == KIND_BCD16 or kind == KIND_BCD32:
        lanes_bcd(lanes, count)
    elif kind == KIND_I16:
        for i in range(count):
            lanes.number[i] = <int16_t>lanes.bits[i]
    elif kind == KIND_I32:
        for i in range(count):
            lanes.number[i] = <int32_t>lanes.bits[i]
    else:
        for i in range(count):
            lanes.number[i] = <double>lane_integer(kind, lanes.bits[i])


cdef inline bint lane_missing(const mb_program* program, const mb_value* value, uint64_t bits,
                              double number) noexcept nogil:
    """Whether the device's number stands for "no value"."""
    cdef const mb_missing* missing = program.missing + value.missing
    cdef uint32_t i
    cdef double other
    if value.kind < KIND_F16:
        for i in range(value.missing_count):
            if missing[i].bits == bits:
                return True
        return False
    for i in range(value.missing_count):
        other = bits_double(missing[i].bits)
        if number == other or (isnan(number) and isnan(other)):
            return True
    return False


cdef inline mb_power power_of(int64_t exponent) noexcept nogil:
    cdef mb_power power
    power.multiply = power.divide = 1
    power.quality = QUALITY_GOOD
    if exponent < -MAX_EXPONENT or exponent > MAX_EXPONENT:
        power.quality = QUALITY_MISSING if exponent == -32768 else QUALITY_RANGE
    elif exponent < 0:
        power.divide = power_of_ten[-exponent]
    else:
        power.multiply = power_of_ten[exponent]
    return power


cdef inline mb_power power_of_factor(const mb_program* program, int32_t index, const uint16_t* image,
                                     const uint8_t* statuses) noexcept nogil:
    """The scale factor that a value has now: SunSpec's sunssf, of which 0x8000 is "not implemented"."""
    cdef const mb_factor* factor
    cdef const mb_value* value
    cdef uint64_t bits
    cdef mb_power power
    if index < 0:
        return power_of(0)
    factor = &program.factors[index]
    if factor.is_constant:
        return power_of(factor.constant)
    power = power_of(0)
    if factor.read == NOT_READ:
        power.quality = QUALITY_SUSPENDED
    elif statuses is not NULL and statuses[factor.read] != QUALITY_GOOD:
        power.quality = statuses[factor.read]
    else:
        value = &program.values[factor.value]
        bits = lane_load(value, image + factor.source)
        if lane_missing(program, value, bits, 0):
            power.quality = QUALITY_MISSING
        else:
            power = power_of(lane_integer(value.kind, bits))
    return power


cdef inline void lane_check(mb_lanes* lanes, int i, const mb_program* program, const mb_value* value,
                            const mb_power* power) noexcept nogil:
    """Scale one number, and say what it is worth."""
    cdef double number = lanes.number[i]
    if lanes.quality[i] != QUALITY_GOOD:
        return
    if lane_missing(program, value, lanes.bits[i], number):
        lanes.quality[i] = QUALITY_MISSING
    elif power.quality != QUALITY_GOOD:
        lanes.quality[i] = power.quality
    else:
        number = number * value.multiply / value.divide * power.multiply / power.divide + value.offset
        if value.flags & VALUE_LIMITED and not (value.low <= number <= value.high):
            lanes.quality[i] = QUALITY_RANGE
    lanes.number[i] = number if lanes.quality[i] == QUALITY_GOOD else NAN


cdef inline void lanes_put(const mb_value* value, const mb_lanes* lanes, int i, uint8_t* to) noexcept nogil:
    cdef float narrow
    if value.form == FORM_FLOAT64:
        memcpy(to, &lanes.number[i], 8)
    elif value.form == FORM_FLOAT32:
        narrow = <float>lanes.number[i]
        memcpy(to, &narrow, 4)
    else:
        lane_store(to, lanes.bits[i], value.size)


# ------------------------------------------------------------------------------- many values of one element each


cdef inline void scatter_lanes(const mb_lanes* lanes, const mb_value* value, const mb_item* items, int count,
                               const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    cdef const mb_output* out
    cdef int i
    for i in range(count):
        out = &outputs[items[i].value]
        lanes_put(value, lanes, i, out.values + row * value.size)
        if out.raw is not NULL:
            lane_store(out.raw + row * value.raw_size, lanes.bits[i], value.raw_size)
        if out.quality is not NULL and out.quality[row] != lanes.quality[i]:
            out.quality[row] = lanes.quality[i]


cdef inline void scattered_lanes(const mb_program* program, const mb_item* items, int count, const uint16_t* image,
                                 const uint8_t* statuses, const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    cdef mb_lanes lanes
    cdef mb_power power
    # A copy on the stack: what is stored into columns might be the program, as far as the compiler can tell.
    cdef mb_value kind = program.values[items[0].value]
    cdef const mb_value* value
    cdef int i
    for i in range(count):
        lanes.bits[i] = lane_load(&kind, image + items[i].source)
    lanes_convert(&lanes, kind.kind, count)
    if kind.treatment == TREAT_SCALE:
        for i in range(count):
            value = &program.values[items[i].value]
            lanes.number[i] = lanes.number[i] * value.multiply / value.divide + value.offset
    elif kind.treatment == TREAT_CHECK:
        for i in range(count):
            value = &program.values[items[i].value]
            power = power_of_factor(program, value.factor, image, statuses)
            lane_check(&lanes, i, program, value, &power)
    scatter_lanes(&lanes, &kind, items, count, outputs, row)


cdef inline void scattered_copies(const mb_value* value, const mb_item* items, uint32_t count, const uint16_t* image,
                                  const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    """Values whose bits are all there is to them: no lanes needed."""
    cdef mb_value kind = value[0]  # see scattered_lanes
    cdef const mb_output* out
    cdef uint8_t* to
    cdef uint32_t i, four
    for i in range(count):
        out = &outputs[items[i].value]
        to = out.values + row * kind.size
        if kind.size == 4:
            four = order_load32(image + items[i].source, kind.swaps)
            memcpy(to, &four, 4)
        else:
            lane_store(to, lane_load(&kind, image + items[i].source), kind.size)
        if out.quality is not NULL and out.quality[row] != QUALITY_GOOD:
            out.quality[row] = QUALITY_GOOD


# ---------------------------------------------------------------------------------------- the elements of an array


cdef inline void array_lanes(const mb_program* program, const mb_item* item, Py_ssize_t start, int count,
                             const uint16_t* image, const mb_power* power, mb_lanes* lanes) noexcept nogil:
    cdef const mb_value* value = &program.values[item.value]
    cdef const uint16_t* at = image + item.source + start * value.width
    cdef int i
    for i in range(count):
        lanes.bits[i] = lane_load(value, at + i * value.width)
    lanes_convert(lanes, value.kind, count)
    if value.treatment == TREAT_SCALE:
        for i in range(count):
            lanes.number[i] = lanes.number[i] * value.multiply / value.divide + value.offset
    elif value.treatment == TREAT_CHECK:
        for i in range(count):
            lane_check(lanes, i, program, value, power)


cdef inline void array_numbers(const mb_program* program, const mb_item* item, const uint16_t* image,
                               const uint8_t* statuses, uint8_t* values, uint8_t* raw, uint8_t* quality) noexcept nogil:
    """Elements of one value to where its first one goes; raw and quality may be NULL."""
    cdef const mb_value* value = &program.values[item.value]
    cdef mb_power power = power_of_factor(program, value.factor, image, statuses)
    cdef mb_lanes lanes
    cdef Py_ssize_t start = 0
    cdef int count, i
    while start < item.count:
        count = <int>min(<Py_ssize_t>LANES, item.count - start)
        array_lanes(program, item, start, count, image, &power, &lanes)
        for i in range(count):
            lanes_put(value, &lanes, i, values + (start + i) * value.size)
        if raw is not NULL:
            for i in range(count):
                lane_store(raw + (start + i) * value.raw_size, lanes.bits[i], value.raw_size)
        if quality is not NULL:
            memcpy(quality + start, lanes.quality, count)
        start += LANES
