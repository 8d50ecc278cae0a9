"""Batches: arrays of transactions, made by the clients, worked off by a session.

A Batch owns its transactions and holds the buffers of the caller's memory, so an array cannot be resized or freed
while an answer may be written into it. Arguments were checked before they come here; what is checked again is only
what would corrupt memory.
"""

cimport cython
from cpython.buffer cimport PyBUF_CONTIG_RO, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport calloc, free

from fastmodbus._core.pdu cimport *
from fastmodbus._core.spec cimport *


@cython.no_gc_clear     # the collector would drop the objects behind the buffers without releasing the buffers
cdef class Batch:
    def __cinit__(self):
        self.c.deadline = INT64_MAX
        self.c.repeat_first = self.c.repeat_last = -1
        self.c.priority = PRIORITY_CALL

    def __del__(self):
        """Whoever drops a batch that is still lent, an exception on its way out for instance, ends the loan."""
        if self.owner is not None:
            self.owner.detach(self)

    def __dealloc__(self):
        if self.c.transactions is not NULL and self.c.transactions is not &self.single:
            free(self.c.transactions)
        if self.has_target:
            PyBuffer_Release(&self.target)
        if self.has_source:
            PyBuffer_Release(&self.source)

    cdef mb_transaction* _allocate(self, Py_ssize_t count) except NULL:
        if count == 1:
            self.c.transactions = &self.single
        else:
            self.c.transactions = <mb_transaction*>calloc(count, sizeof(mb_transaction))
            if self.c.transactions is NULL:
                raise MemoryError(f"{count} transactions")
        self.c.count = self.c.unfinished = <int32_t>count
        return self.c.transactions

    cdef int _take_target(self, object target, Py_ssize_t needed) except -1:
        PyObject_GetBuffer(target, &self.target, PyBUF_CONTIG_RO | PyBUF_WRITABLE)
        self.has_target = True
        if self.target.len != needed:
            raise ValueError(f"the target has {self.target.len} bytes, {needed} are needed")
        return 0

    cdef int _take_source(self, object source, Py_ssize_t needed) except -1:
        PyObject_GetBuffer(source, &self.source, PyBUF_CONTIG_RO)
        self.has_source = True
        if self.source.len != needed:
            raise ValueError(f"the source has {self.source.len} bytes, {needed} are needed")
        return 0

    cdef int lend(self, object owner) except -1:
        """Note which session borrows the batch: once in its life."""
        if self.owner is not None or self.c.unfinished == 0:
            raise ValueError("the batch was submitted before")
        self.owner = owner
        return 0

    def limits(self, int64_t timeout, int64_t deadline, uint8_t repeats):
        """Set the time limits (ns; the deadline on the monotonic clock) and how often a read may be repeated."""
        self.c.timeout = min(timeout, <int64_t>1 << 61)     # added to a time of the clock it stays inside 64 bits
        self.c.deadline = deadline
        self.c.repeats = min(repeats, 254)      # mb_transaction.tries counts to 255
        return self

    @property
    def count(self):
        return self.c.count

    @property
    def unfinished(self):
        """Transactions without a result; 0 when the batch is over."""
        return self.c.unfinished

    @property
    def deadline(self):
        return self.c.deadline

    @property
    def has_deadline(self):
        return self.c.deadline != INT64_MAX

    @property
    def repeats(self):
        return self.c.repeats

    @property
    def attached(self):
        """Whether a session still borrows this batch."""
        return self.owner is not None

    def ok(self):
        """Whether every transaction got its answer."""
        cdef int32_t i
        for i in range(self.c.count):
            if self.c.transactions[i].status != ST_OK:
                return False
        return True

    def result(self, int32_t index):
        """(status, fault, exception, unit, function, address, quantity, left, tries) of one transaction."""
        cdef mb_transaction* t
        if not 0 <= index < self.c.count:
            raise IndexError(index)
        t = &self.c.transactions[index]
        return (t.status, t.fault, t.exception, t.unit, t.request.function, t.request.address, t.request.quantity,
                bool(t.left), t.tries)

    def times(self, int32_t index):
        """(sent, answered) of one transaction, monotonic ns; 0 where it never happened."""
        if not 0 <= index < self.c.count:
            raise IndexError(index)
        return self.c.transactions[index].sent, self.c.transactions[index].answered

    def failures(self):
        """Indices of the transactions that did not get a good answer."""
        cdef int32_t i
        return [i for i in range(self.c.count) if self.c.transactions[i].status != ST_OK]

    def received(self, int32_t index=0):
        """How many bytes one transaction delivered as they came."""
        if not 0 <= index < self.c.count:
            raise IndexError(index)
        return self.c.transactions[index].received


cdef void _prepare(mb_transaction* t, uint8_t unit, uint8_t function) noexcept:
    """Fill in what all have in common; a new batch's transactions are all zeros."""
    t.unit = unit
    t.next = -1
    t.request.function = function
    t.flags = <uint8_t>function_flags(function)


def read_batch(uint8_t function, uint8_t unit, int32_t address, int32_t count, int32_t limit, target):
    """Read `count` bits or registers from `address` into target, at most `limit` a request.

    target: one byte a bit (functions 1, 2) or native uint16 (3, 4), exactly `count` of them.
    """
    cdef Batch batch = Batch.__new__(Batch)
    cdef bint bits = function <= FC_READ_DISCRETE_INPUTS
    cdef int32_t i, at = 0, size = 1 if bits else 2
    cdef mb_transaction* t
    if not (0 <= address and 1 <= count and address + count <= TABLE_SIZE and 1 <= limit):
        raise ValueError(f"address {address}, count {count}, limit {limit}")
    if not FC_READ_COILS <= function <= FC_READ_INPUT_REGISTERS:
        raise ValueError(f"function {function}")
    limit = min(limit, MAX_READ_BITS if bits else MAX_READ_REGISTERS)
    batch._take_target(target, <Py_ssize_t>count * size)
    batch._allocate((count + limit - 1) // limit)
    for i in range(batch.c.count):
        t = &batch.c.transactions[i]
        _prepare(t, unit, function)
        t.delivery = DELIVER_BITS if bits else DELIVER_REGISTERS
        t.request.address = <uint16_t>(address + at)
        t.request.quantity = <uint16_t>min(limit, count - at)
        t.target = <uint8_t*>batch.target.buf + <Py_ssize_t>at * size
        at += limit
    return batch


def image_batch(list reads, target):
    """Reads of any tables and units into one image.

    reads: (function, unit, address, count, offset in the target in bytes); one byte a bit or native uint16, as in
    read_batch; none longer than one request.
    """
    cdef Batch batch = Batch.__new__(Batch)
    cdef mb_transaction* t
    cdef Py_ssize_t i, offset
    cdef int32_t function, unit, address, count, size
    PyObject_GetBuffer(target, &batch.target, PyBUF_CONTIG_RO | PyBUF_WRITABLE)
    batch.has_target = True
    if not reads:
        raise ValueError("no reads")
    batch._allocate(len(reads))
    for i in range(batch.c.count):
        function, unit, address, count, offset = reads[i]
        if not (FC_READ_COILS <= function <= FC_READ_INPUT_REGISTERS and 0 <= unit <= 255):
            raise ValueError(f"function {function}, unit {unit}")
        size = 1 if function <= FC_READ_DISCRETE_INPUTS else 2
        if not (0 <= address and 1 <= count <= (MAX_READ_BITS if size == 1 else MAX_READ_REGISTERS)):
            raise ValueError(f"address {address}, count {count}")
        if address + count > TABLE_SIZE or offset < 0 or offset + count * size > batch.target.len or offset % size:
            raise ValueError(f"address {address}, count {count}, offset {offset} of {batch.target.len}")
        t = &batch.c.transactions[i]
        _prepare(t, <uint8_t>unit, <uint8_t>function)
        t.delivery = DELIVER_BITS if size == 1 else DELIVER_REGISTERS
        t.request.address = <uint16_t>address
        t.request.quantity = <uint16_t>count
        t.target = <uint8_t*>batch.target.buf + offset
    return batch


def write_batch(uint8_t function, uint8_t unit, int32_t address, int32_t count, int32_t limit, source):
    """Write `count` coils (function 15, one byte each) or native uint16 registers (16), at most `limit` a request.

    After the first request that fails nothing more is sent; the rest is cancelled.
    """
    cdef Batch batch = Batch.__new__(Batch)
    cdef bint bits = function == FC_WRITE_COILS
    cdef int32_t i, at = 0, size = 1 if bits else 2
    cdef mb_transaction* t
    if not (0 <= address and 1 <= count and address + count <= TABLE_SIZE and 1 <= limit):
        raise ValueError(f"address {address}, count {count}, limit {limit}")
    if function != FC_WRITE_COILS and function != FC_WRITE_REGISTERS:
        raise ValueError(f"function {function}")
    limit = min(limit, MAX_WRITE_BITS if bits else MAX_WRITE_REGISTERS)
    batch._take_source(source, <Py_ssize_t>count * size)
    batch._allocate((count + limit - 1) // limit)
    batch.c.priority = PRIORITY_WRITE
    batch.c.ordered = True
    for i in range(batch.c.count):
        t = &batch.c.transactions[i]
        _prepare(t, unit, function)
        t.request.form = FORM_BITS if bits else FORM_REGISTERS
        t.request.address = <uint16_t>(address + at)
        t.request.quantity = <uint16_t>min(limit, count - at)
        t.request.size = bytes_for_bits(t.request.quantity) if bits else <uint16_t>(2 * t.request.quantity)
        t.request.data = <const uint8_t*>batch.source.buf + <Py_ssize_t>at * size
        at += limit
    return batch


def pdu_batch(uint8_t unit, bytes pdu, target, *, bint strict=True, bint whole=False):
    """One request given as its PDU; the values of its answer go to target (a buffer of MAX_PDU bytes) as they came.

    A request that does not have the form its function code needs is only sent when not strict; its answer is then
    judged by the function code alone. `whole`: the target gets the answer PDU from its function code on.
    """
    cdef Batch batch = Batch.__new__(Batch)
    cdef mb_transaction* t
    batch._take_target(target, MAX_PDU)
    batch._take_source(pdu, len(pdu))
    t = batch._allocate(1)
    if not 1 <= len(pdu) <= MAX_PDU:
        raise ValueError(f"a PDU has 1 to {MAX_PDU} bytes, not {len(pdu)}")
    _prepare(t, unit, pdu[0])
    if not pdu_parse(&t.request, <const uint8_t*>batch.source.buf, <int>len(pdu)):
        if strict:
            raise ValueError(f"the request {pdu.hex(' ')} is malformed")
        t.request.form = FORM_OPAQUE
        t.request.size = <uint16_t>(len(pdu) - 1)
        t.request.data = <const uint8_t*>batch.source.buf + 1
    t.delivery = DELIVER_PDU if whole else DELIVER_BYTES
    t.target = <uint8_t*>batch.target.buf
    if t.flags & FN_WRITE:
        batch.c.priority = PRIORITY_WRITE
    return batch


def read_write_batch(uint8_t unit, uint16_t address, uint16_t quantity, uint16_t write_address, source, target):
    """Function 23: write the native uint16 of source, then read `quantity` registers into target."""
    cdef Batch batch = Batch.__new__(Batch)
    cdef mb_transaction* t
    cdef Py_ssize_t count = len(source)
    if not (1 <= quantity <= MAX_READ_WRITE_READ and 1 <= count <= MAX_READ_WRITE_WRITE):
        raise ValueError(f"reads {quantity}, writes {count}")
    batch._take_target(target, 2 * quantity)
    batch._take_source(source, 2 * count)
    t = batch._allocate(1)
    _prepare(t, unit, FC_READ_WRITE_REGISTERS)
    batch.c.priority = PRIORITY_WRITE
    t.delivery = DELIVER_REGISTERS
    t.target = <uint8_t*>batch.target.buf
    t.request.form = FORM_REGISTERS
    t.request.address = address
    t.request.quantity = quantity
    t.request.write_address = write_address
    t.request.write_quantity = <uint16_t>count
    t.request.size = <uint16_t>(2 * count)
    t.request.data = <const uint8_t*>batch.source.buf
    return batch
