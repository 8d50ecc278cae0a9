"""Decode programs: the registers of a plan's reads to columns of values, and values to registers for writing.

A Program is built once from plain tuples (by fastmodbus.values, which alone knows tags) and never changes. What could
reach beyond its memory is checked here, when it is built or bound to columns; running it checks nothing any more.
"""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_CONTIG, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.dict cimport PyDict_SetItem
from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastmodbus._core.decode cimport decode_image
from fastmodbus._core.encode cimport *
from fastmodbus._core.lanes cimport mb_power, power_of
from fastmodbus._core.layout cimport columns_lay_out
from fastmodbus._core.meanings cimport check, is_number, missing_bits, set_value
from fastmodbus._core.objects cimport is_same, object_of
from fastmodbus._core.order cimport order_host
from fastmodbus._core.values cimport *

KINDS = ("coil", "bit", "str", "u8", "u16", "u32", "u64", "bcd16", "bcd32", "i8", "i16", "i32", "i64", "f16", "f32",
         "f64")
FORMS = {"float64": FORM_FLOAT64, "float32": FORM_FLOAT32, "raw": FORM_RAW}
SOURCES = {"float": SOURCE_FLOAT, "signed": SOURCE_SIGNED, "unsigned": SOURCE_UNSIGNED}
ENCODINGS = {"not finite": NOT_FINITE, "out of range": OUT_OF_RANGE, "no step": NO_STEP}
SWAPS = {"bytes": SWAP_BYTES, "words": SWAP_WORDS, "halves": SWAP_HALVES, "host": order_host()}
UNREAD = <uint32_t>NOT_READ
LARGEST_EXPONENT = MAX_EXPONENT

cdef enum:
    WORTH_RELEASING = 1 << 16   # bytes of registers; fewer are decoded before another thread could have the GIL


cdef void program_run(const mb_program* program, const uint16_t* image, const uint8_t* statuses,
                      const mb_output* outputs, Py_ssize_t row) noexcept nogil:
    decode_image(program, image, statuses, outputs, row)


cdef class Program:
    """A decode program; the stub says what the tuples hold."""

    def __cinit__(self, uint32_t image_size, uint32_t read_count, values, items, *, factors=(), members=(), twins=()):
        self.c.image_size = image_size
        self.c.read_count = read_count
        self._set_values(values, len(factors))
        self._set_items(items)
        self._set_factors(factors)
        self.c.members = self._members(members, &self.c.member_count)
        self._set_twins(twins)

    def __dealloc__(self):
        free(self.c.values)
        free(self.c.items)
        free(self.c.operations)
        free(self.c.factors)
        free(self.c.missing)
        free(self.c.members)
        free(self.c.torn)
        free(self.c.twins)
        free(self.c.texts)

    cdef void* _table(self, Py_ssize_t count, size_t size) except NULL:
        cdef void* table = calloc(max(count, 1), size)
        if table is NULL:
            raise MemoryError(f"{count} entries of a decode program")
        return table

    cdef int _set_values(self, values, Py_ssize_t factors) except -1:
        cdef mb_value* value
        cdef list missing = []
        self.c.values = <mb_value*>self._table(len(values), sizeof(mb_value))
        for given in values:
            value = &self.c.values[self.c.value_count]
            set_value(value, given)
            check(-1 <= value.factor < factors, "no such factor", given)
            value.missing = <uint32_t>len(missing)
            missing += [(self.c.value_count, one) for one in given[12]]
            self.c.value_count += 1
        return self._set_missing(missing)

    cdef int _set_missing(self, list missing) except -1:
        cdef bytes texts = b"".join([one for _, one in missing if isinstance(one, bytes)])
        cdef mb_missing* entry
        cdef uint32_t at = 0
        self.c.texts = <uint8_t*>self._table(len(texts), 1)
        self.c.missing = <mb_missing*>self._table(len(missing), sizeof(mb_missing))
        memcpy(self.c.texts, <const char*>texts, len(texts))
        for owner, one in missing:
            entry = &self.c.missing[self.c.missing_count]
            if isinstance(one, bytes):
                entry.text, entry.text_size = at, len(one)
                at += entry.text_size
            else:
                entry.bits = missing_bits(&self.c.values[<uint32_t>owner], one)
            self.c.missing_count += 1
        return 0

    cdef int _check_item(self, const mb_item* item) except -1:
        cdef const mb_value* value
        cdef uint64_t end = item.source
        check(item.value < self.c.value_count, "no such value", item.value)
        value = &self.c.values[item.value]
        check(item.count >= 1 and <uint64_t>item.first + item.count <= value.count, "no such elements", item.first)
        if value.kind == KIND_COIL:
            end = (end + item.count + 1) // 2
        elif value.kind == KIND_BIT:
            end += ((value.bit + item.first & 15) + <uint64_t>item.count + 15) // 16
        else:
            end += <uint64_t>item.count * value.width
        check(end <= self.c.image_size, "beyond the image", item.source)
        return 0

    cdef tuple _sort_key(self, uint32_t index, uint32_t source):
        cdef const mb_value* value = &self.c.values[index]
        return value.count == 1, value.kind, value.form, value.treatment, value.swaps, source

    cdef int _set_items(self, items) except -1:
        cdef mb_item* item
        self.c.items = <mb_item*>self._table(len(items), sizeof(mb_item))
        self.c.operations = <mb_operation*>self._table(len(items), sizeof(mb_operation))
        for index, _, _, _ in items:
            check(0 <= index < self.c.value_count, "no such value", index)
        for index, source, first, count in sorted(items, key=lambda one: self._sort_key(one[0], one[1])):
            item = &self.c.items[self.c.item_count]
            item.value, item.source, item.first, item.count = index, source, first, count
            self._check_item(item)
            self._extend_operation(self.c.item_count)
            self.c.item_count += 1
        return 0

    cdef int _extend_operation(self, uint32_t index) except -1:
        """Take an item into the last operation if it is of its kind, else begin the next one."""
        cdef const mb_value* value = &self.c.values[self.c.items[index].value]
        cdef const mb_value* other
        cdef mb_operation* operation
        if self.c.operation_count:
            operation = &self.c.operations[self.c.operation_count - 1]
            other = &self.c.values[self.c.items[operation.item].value]
            if (value.kind, value.form, value.treatment, value.swaps, value.count == 1) == (
                    other.kind, other.form, other.treatment, other.swaps, other.count == 1):
                operation.count += 1
                return 0
        operation = &self.c.operations[self.c.operation_count]
        operation.item, operation.count = index, 1
        operation.scattered = is_number(value) and value.count == 1
        self.c.operation_count += 1
        return 0

    cdef int _set_factors(self, factors) except -1:
        cdef mb_factor* factor
        self.c.factors = <mb_factor*>self._table(len(factors), sizeof(mb_factor))
        for given in factors:
            factor = &self.c.factors[self.c.factor_count]
            factor.value, factor.source, factor.read, constant = given
            factor.is_constant = constant is not None
            factor.constant = constant or 0
            if not factor.is_constant and factor.read != NOT_READ:
                check(factor.read < self.c.read_count and factor.value < self.c.value_count, "no such factor", given)
                check(self.c.values[factor.value].flags & VALUE_WHOLE != 0, "no integer", given)
                check(<uint64_t>factor.source + self.c.values[factor.value].width <= self.c.image_size,
                      "beyond the image", given)
            self.c.factor_count += 1
        return 0

    cdef mb_member* _members(self, members, uint32_t* counted) except NULL:
        cdef mb_member* table = <mb_member*>self._table(len(members), sizeof(mb_member))
        cdef mb_member* member
        try:
            for given in members:
                member = &table[counted[0]]
                member.read, member.value, member.first, member.count = given
                check(member.read < self.c.read_count or member.read == NOT_READ, "no such read", given)
                check(member.value < self.c.value_count and member.count >= 1, "no such value", given)
                check(<uint64_t>member.first + member.count <= self.c.values[member.value].count, "no element", given)
                counted[0] += 1
        except BaseException:
            free(table)
            raise
        return table

    cdef int _set_twins(self, twins) except -1:
        cdef mb_twin* twin
        torn = []
        self.c.twins = <mb_twin*>self._table(len(twins), sizeof(mb_twin))
        for source, again, read, width, members in twins:
            twin = &self.c.twins[self.c.twin_count]
            twin.source, twin.again, twin.read, twin.width = source, again, read, width
            twin.member, twin.count = len(torn), len(members)
            check(max(source, again) + width <= self.c.image_size and read < self.c.read_count, "no factor", source)
            torn += [(read, *member) for member in members]
            self.c.twin_count += 1
        self.c.torn = self._members(torn, &self.c.torn_count)
        return 0

    @property
    def operations(self):
        """How many values each operation takes together."""
        return [self.c.operations[i].count for i in range(self.c.operation_count)]

    def block_size(self, Py_ssize_t rows):
        """Bytes of memory that columns of so many rows take."""
        check(1 <= rows <= 1 << 30, "no number of rows", rows)
        return max(1, columns_lay_out(&self.c, rows, NULL, NULL))

    cdef int _check_image(self, Py_ssize_t image, Py_ssize_t statuses) except -1:
        check(image == self.c.image_size, f"the image has {self.c.image_size} registers", image)
        return check(statuses == 0 or statuses == self.c.read_count, f"there are {self.c.read_count} reads", statuses)

    def run(self, const uint16_t[::1] image not None, const uint8_t[::1] statuses not None, Columns columns not None,
            Py_ssize_t row):
        """Decode into a row of columns; statuses: a quality for each read, or empty when all went well."""
        self._check_image(image.shape[0], statuses.shape[0])
        check(columns.program is self, "columns of another program", columns)
        check(0 <= row < columns.rows, f"there are {columns.rows} rows", row)
        columns.overwrite(row)
        cdef const uint16_t* registers = &image[0] if image.shape[0] else NULL
        cdef const uint8_t* known = &statuses[0] if statuses.shape[0] else NULL
        with nogil:
            program_run(&self.c, registers, known, columns.outputs, row)

    def run_rows(self, const uint16_t[:, :] images not None, const uint8_t[:, :] statuses not None,
                 Columns columns not None):
        """Decode images into the first rows of columns; an image may be followed by more, which is left alone."""
        cdef Py_ssize_t rows = images.shape[0]
        cdef Py_ssize_t row
        check(images.shape[1] >= self.c.image_size and images.strides[1] == 2,
              f"an image has {self.c.image_size} registers, one after the other", images.shape[1])
        check(statuses.shape[0] == rows and statuses.shape[1] == self.c.read_count and statuses.strides[1] == 1,
              f"there are {rows} rows of {self.c.read_count} reads", statuses.shape[0])
        check(columns.program is self, "columns of another program", columns)
        check(rows <= columns.rows, f"there are {columns.rows} rows", rows)
        columns.overwrite(columns.known_row)
        cdef bint with_images = rows > 0 and self.c.image_size > 0
        cdef bint with_statuses = rows > 0 and self.c.read_count > 0
        with nogil:
            for row in range(rows):
                program_run(&self.c, &images[row, 0] if with_images else NULL,
                            &statuses[row, 0] if with_statuses else NULL, columns.outputs, row)

    def run_single(self, image, out):
        """Decode the only value of a program, without its quality; False where the image is no plain row of registers.

        Types are not looked at: of the image any with two bytes will do, of `out` any whose bytes fit.
        """
        cdef mb_output output
        cdef Py_buffer registers, values
        cdef const mb_value* value = self._value(0)
        check(self.c.value_count == 1, "not one value", self.c.value_count)
        PyObject_GetBuffer(image, &registers, PyBUF_STRIDED_RO)
        try:
            if registers.ndim != 1 or registers.itemsize != 2 or registers.strides[0] != 2 and registers.shape[0] > 1:
                return False
            check(registers.len == 2 * <Py_ssize_t>self.c.image_size, "another size", registers.len)
            PyObject_GetBuffer(out, &values, PyBUF_CONTIG)
            try:
                check(values.len == <Py_ssize_t>value.count * value.size, "another size", values.len)
                output.values, output.raw, output.quality = <uint8_t*>values.buf, NULL, NULL
                if registers.len < WORTH_RELEASING:
                    program_run(&self.c, <const uint16_t*>registers.buf, NULL, &output, 0)
                else:
                    with nogil:
                        program_run(&self.c, <const uint16_t*>registers.buf, NULL, &output, 0)
            finally:
                PyBuffer_Release(&values)
        finally:
            PyBuffer_Release(&registers)
        return True

    cdef mb_value* _value(self, Py_ssize_t index) except NULL:
        check(0 <= index < self.c.value_count, "no such value", index)
        return &self.c.values[index]

    def encode(self, Py_ssize_t index, const uint64_t[::1] numbers not None, int form, object exponent, bint any_float,
               uint16_t[::1] out not None):
        """Numbers (the bits of float64, int64 or uint64, as form says) to registers: (mb_encoded, how many were done).

        An 8-bit number leaves the other byte of its register.
        """
        cdef mb_value* value = self._value(index)
        cdef mb_power power = power_of(exponent or 0)
        cdef bint scaled = exponent is not None or not value.flags & VALUE_WHOLE
        cdef uint64_t bits = 0
        cdef Py_ssize_t i
        cdef int status
        check(is_number(value) and power.quality == QUALITY_GOOD, "no number", exponent)
        check(out.shape[0] == numbers.shape[0] * value.width, "another size", out.shape[0])
        if value.kind >= KIND_F16:
            scaled = exponent is not None or value.multiply != 1 or value.divide != 1 or value.offset != 0
        for i in range(numbers.shape[0]):
            status = encode_number(value, &power, scaled, numbers[i], form, any_float, &bits)
            if status != ENCODED:
                return status, i
            encode_store(value, bits, &out[i * value.width])
        return ENCODED, numbers.shape[0]

    def encode_text(self, Py_ssize_t index, const uint8_t[::1] text not None, uint16_t[::1] out not None):
        """The bytes of a string to the registers of one element, filled up with NUL."""
        cdef mb_value* value = self._value(index)
        cdef bint swapped = value.swaps & SWAP_BYTES
        cdef Py_ssize_t i
        check(value.kind == KIND_STRING and text.shape[0] <= value.size, "too long", text.shape[0])
        check(out.shape[0] == value.width, "another size", out.shape[0])
        for i in range(out.shape[0]):
            out[i] = 0
        for i in range(text.shape[0]):
            out[i >> 1] |= <uint16_t>text[i] << (0 if (i & 1) != swapped else 8)


cdef class Record:
    """Makes dicts with always the same keys. What is what it was the last time is not entered again, but copied."""

    def __cinit__(self, keys):
        self.keys = tuple(keys)
        self.values = [None] * len(self.keys)
        self.newest = dict.fromkeys(self.keys)

    def of(self, list values not None):
        """A dict of these values, one for each key; there may be more."""
        cdef Py_ssize_t i
        cdef object value
        check(len(self.keys) <= len(values), "too few values", len(values))
        with cython.critical_section(self):
            for i in range(len(self.keys)):
                value = <object>PyList_GET_ITEM(values, i)
                if PyList_GET_ITEM(self.values, i) != <PyObject*>value:
                    PyDict_SetItem(self.newest, <object>PyTuple_GET_ITEM(self.keys, i), value)
                    self.values[i] = value
            return self.newest.copy()


@cython.no_gc_clear     # see Batch
cdef class Columns:
    """Where a program puts its rows: columns in one block of memory, which is held as long as this lives."""

    def __cinit__(self, Program program not None, block, Py_ssize_t rows):
        self.program = program
        self.rows = rows
        self.known_row = -1
        PyObject_GetBuffer(block, &self.block, PyBUF_CONTIG)
        self.has_block = True
        check(self.block.len >= program.block_size(rows), "too small a block", self.block.len)
        check(<size_t>self.block.buf % 8 == 0, "unaligned", block)
        self.outputs = <mb_output*>program._table(program.c.value_count, sizeof(mb_output))
        columns_lay_out(&program.c, rows, <uint8_t*>self.block.buf, self.outputs)

    def __dealloc__(self):
        free(self.outputs)
        if self.has_block:
            PyBuffer_Release(&self.block)

    def offsets(self, Py_ssize_t index):
        """Where in the block the values, the raw numbers and the qualities of a value begin."""
        cdef const mb_value* value = self.program._value(index)
        cdef const mb_output* out = &self.outputs[index]
        cdef const uint8_t* raw = out.values if value.flags & VALUE_SHARED else out.raw
        cdef const uint8_t* start = <const uint8_t*>self.block.buf
        return out.values - start, raw - start, out.quality - start

    @property
    def spare_row(self):
        """Another row than `objects` was asked for last: decode into that, and it sees what has not changed."""
        return 1 if self.known_row == 0 and self.rows > 1 else 0

    cdef void overwrite(self, Py_ssize_t row):
        """A row will be decoded: it is no measure for others any more."""
        if row == self.known_row:
            self.known_row, self.known = -1, None

    def objects(self, Py_ssize_t row):
        """A row as Python objects, in the order of the values; an array is None here.

        What is the same as in the row that was asked for last is the same object.
        """
        cdef mb_value* value
        cdef mb_output* out
        cdef list known = self.known if row != self.known_row else None
        cdef list found = PyList_New(self.program.c.value_count)
        cdef uint32_t i
        check(0 <= row < self.rows, f"there are {self.rows} rows", row)
        for i in range(self.program.c.value_count):
            value = &self.program.c.values[i]
            out = &self.outputs[i]
            if not value.flags & VALUE_SINGLE:
                one = None
            elif known is not None and is_same(value, out, row, self.known_row):
                one = <object>PyList_GET_ITEM(known, i)
            else:
                one = object_of(value, out, row)
            Py_INCREF(one)  # the list takes a reference over
            PyList_SET_ITEM(found, i, one)
        self.known, self.known_row = found, row
        return found.copy()
