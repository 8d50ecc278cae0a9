# One row from one image: bits, strings, numbers (lanes.pxd), then what is torn and what did not come. Only program.pyx
# includes this. Everything was checked when the program was built; nothing is allocated, nothing can fail.

from libc.math cimport NAN
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy, memset

from fastmodbus._core.lanes cimport *
from fastmodbus._core.order cimport *
from fastmodbus._core.values cimport *


# --------------------------------------------------------------------------------------------- bits and strings


cdef inline void load_bits(const mb_value* value, const mb_item* item, const uint16_t* image,
                           uint8_t* to) noexcept nogil:
    """Elements of an item: the bytes of coils, or bits of registers from the one of element item.first upwards."""
    cdef const uint8_t* coils = <const uint8_t*>image + item.source
    cdef const uint16_t* registers = image + item.source
    cdef uint32_t bit = value.bit + item.first & 15
    cdef uint32_t i
    if value.kind == KIND_COIL:
        for i in range(item.count):
            to[i] = coils[i] != 0
    else:
        for i in range(item.count):
            to[i] = registers[bit + i >> 4] >> (bit + i & 15) & 1


cdef inline void run_bits(const mb_program* program, const mb_item* item, const uint16_t* image,
                          const mb_output* out, Py_ssize_t row) noexcept nogil:
    cdef const mb_value* value = &program.values[item.value]
    load_bits(value, item, image, out.values + row * value.count + item.first)
    if out.quality is not NULL:
        memset(out.quality + row * value.count + item.first, QUALITY_GOOD, item.count)


cdef inline uint32_t load_text(const mb_value* value, const uint16_t* at, uint8_t* to) noexcept nogil:
    """The bytes of a string up to the first NUL, without the blanks at its end; the rest is NUL. Returns its length."""
    cdef uint32_t size = value.size
    cdef uint32_t i
    cdef uint16_t two
    cdef bint swapped = value.swaps & SWAP_BYTES
    # The first byte is the high one of its register, which a little-endian host has last.
    cdef unsigned swaps = SWAP_BYTES if (order_host() != 0) != swapped else 0
    for i in range(size >> 1):
        two = order_swap16(at[i], swaps)
        memcpy(to + 2 * i, &two, 2)
    if size & 1:
        to[size - 1] = <uint8_t>(at[size >> 1] >> (0 if swapped else 8))
    cdef const uint8_t* end = <const uint8_t*>memchr(to, 0, size)
    if end is not NULL:
        size = <uint32_t>(end - to)
    while size and to[size - 1] == c' ':
        size -= 1
    memset(to + size, 0, value.size - size)
    return size


cdef inline uint8_t text_quality(const mb_program* program, const mb_value* value, const uint8_t* text,
                                 uint32_t size) noexcept nogil:
    cdef const mb_missing* missing
    cdef uint32_t i
    for i in range(value.missing_count):
        missing = &program.missing[value.missing + i]
        if missing.text_size == size and memcmp(text, program.texts + missing.text, size) == 0:
            return QUALITY_MISSING
    return QUALITY_GOOD


cdef inline void run_texts(const mb_program* program, const mb_item* item, const uint16_t* image,
                           const mb_output* out, Py_ssize_t row) noexcept nogil:
    cdef const mb_value* value = &program.values[item.value]
    cdef Py_ssize_t at = row * value.count + item.first
    cdef uint8_t* to = out.values + at * value.size
    cdef uint32_t i, size
    for i in range(item.count):
        size = load_text(value, image + item.source + i * value.width, to)
        if out.quality is not NULL:
            out.quality[at + i] = text_quality(program, value, to, size)
        to += value.size


# ------------------------------------------------------------------------------------------------ running a program


cdef inline void run_array(const mb_program* program, const mb_item* item, const uint16_t* image,
                           const uint8_t* statuses, const mb_output* out, Py_ssize_t row) noexcept nogil:
    cdef const mb_value* value = &program.values[item.value]
    cdef Py_ssize_t at = row * value.count + item.first
    cdef uint8_t* values = out.values + at * value.size
    cdef uint8_t* raw = out.raw + at * value.raw_size if out.raw is not NULL else NULL
    cdef uint8_t* quality = out.quality + at if out.quality is not NULL else NULL
    if value.flags & VALUE_COPIED:
        order_copy(values, image + item.source, item.count, value.width, value.swaps)
        if quality is not NULL:
            memset(quality, QUALITY_GOOD, item.count)
    else:
        array_numbers(program, item, image, statuses, values, raw, quality)


cdef inline void run_scattered(const mb_program* program, const mb_operation* operation, const uint16_t* image,
                               const uint8_t* statuses, const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    cdef const mb_item* items = program.items + operation.item
    cdef uint32_t at = 0
    if program.values[items.value].flags & VALUE_COPIED:
        scattered_copies(&program.values[items.value], items, operation.count, image, outputs, row)
        return
    while at < operation.count:
        scattered_lanes(program, items + at, <int>min(<uint32_t>LANES, operation.count - at), image, statuses, outputs,
                        row)
        at += LANES


cdef inline void run_one_by_one(const mb_program* program, const mb_operation* operation, const uint16_t* image,
                                const uint8_t* statuses, const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    cdef const mb_item* item
    cdef int kind = program.values[program.items[operation.item].value].kind
    cdef uint32_t i
    for i in range(operation.item, operation.item + operation.count):
        item = &program.items[i]
        if kind == KIND_STRING:
            run_texts(program, item, image, &outputs[item.value], row)
        elif kind < KIND_STRING:
            run_bits(program, item, image, &outputs[item.value], row)
        else:
            run_array(program, item, image, statuses, &outputs[item.value], row)


cdef inline void fill_nan(uint8_t* to, uint32_t count, int form) noexcept nogil:
    cdef double wide = NAN
    cdef float narrow = NAN
    cdef size_t i
    for i in range(count):
        if form == FORM_FLOAT64:
            memcpy(to + 8 * i, &wide, 8)
        else:
            memcpy(to + 4 * i, &narrow, 4)


cdef inline void blank(const mb_program* program, const mb_member* member, const mb_output* outputs, Py_ssize_t row,
                       uint8_t quality, bint keep_raw) noexcept nogil:
    """Mark elements as having no value; keep_raw: the device's numbers are right all the same."""
    cdef const mb_value* value = &program.values[member.value]
    cdef const mb_output* out = &outputs[member.value]
    cdef Py_ssize_t at = row * value.count + member.first
    if out.quality is not NULL:
        memset(out.quality + at, quality, member.count)
    if out.raw is not NULL and not keep_raw:
        memset(out.raw + at * value.raw_size, 0, <size_t>member.count * value.raw_size)
    if value.form != FORM_RAW:
        fill_nan(out.values + at * value.size, member.count, value.form)
    elif not keep_raw:
        memset(out.values + at * value.size, 0, <size_t>member.count * value.size)


cdef inline void tear(const mb_program* program, const uint16_t* image, const uint8_t* statuses,
                      const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    """Values whose scale factor changed while they were read, or may have."""
    cdef const mb_twin* twin
    cdef uint32_t i, k
    for i in range(program.twin_count):
        twin = &program.twins[i]
        if memcmp(image + twin.source, image + twin.again, 2 * twin.width) != 0 or (
                statuses is not NULL and statuses[twin.read] != QUALITY_GOOD):
            for k in range(twin.member, twin.member + twin.count):
                blank(program, &program.torn[k], outputs, row, QUALITY_TORN, True)


cdef inline void decode_image(const mb_program* program, const uint16_t* image, const uint8_t* statuses,
                              const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    cdef const mb_operation* operation
    cdef const mb_member* member
    cdef uint32_t i
    for i in range(program.operation_count):
        operation = &program.operations[i]
        if operation.scattered:
            run_scattered(program, operation, image, statuses, outputs, row)
        else:
            run_one_by_one(program, operation, image, statuses, outputs, row)
    tear(program, image, statuses, outputs, row)
    for i in range(program.member_count):
        member = &program.members[i]
        if member.read == NOT_READ:
            blank(program, member, outputs, row, QUALITY_SUSPENDED, False)
        elif statuses is not NULL and statuses[member.read] != QUALITY_GOOD:
            blank(program, member, outputs, row, statuses[member.read], False)
