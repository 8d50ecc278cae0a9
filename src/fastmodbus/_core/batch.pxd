# Transactions and the batches that hold them. The Python object Batch owns the memory, and a held Py_buffer on each
# piece of the caller's memory; a session only borrows both, until it detaches the batch.

from cpython.buffer cimport Py_buffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from fastmodbus._core.pdu cimport mb_request

cdef enum mb_delivery:          # what becomes of the values of a good answer
    DELIVER_NOTHING = 0
    DELIVER_REGISTERS = 1       # native uint16 at mb_transaction.target
    DELIVER_BITS = 2            # one byte a bit there
    DELIVER_BYTES = 3           # as they came, at most MAX_PDU bytes
    DELIVER_PDU = 4             # the whole answer PDU

cdef enum mb_hastened:          # whether the adaptive window had it given up early
    HASTENED_NEVER = 0
    HASTENED_BESIDE = 1         # it is asked again
    HASTENED_ALONE = 2          # it is asked again, with nothing else in flight
    HASTENED_IN_VAIN = 3        # that did not help: it is asked again beside others, ever more seldom
    HASTENED_BEFORE = 4

cdef enum mb_priority:          # queues of a session, served in this order
    PRIORITY_WRITE = 0
    PRIORITY_POLL = 1
    PRIORITY_CALL = 2
    PRIORITIES = 3

cdef struct mb_transaction:
    mb_request request
    uint8_t unit
    uint8_t status              # mb_status
    uint8_t fault               # mb_fault
    uint8_t exception
    uint8_t delivery            # mb_delivery
    uint8_t flags               # mb_function_flag
    uint8_t tries               # times handed to the connection
    uint8_t left                # since it is in a send buffer: some byte of it may have reached the device
    uint8_t hastened            # mb_hastened
    uint8_t crowd               # requests in flight when it was sent, with it; 255 for more
    uint16_t first_id           # before it was asked again early
    uint16_t received           # bytes delivered with DELIVER_BYTES or DELIVER_PDU
    int32_t next                # of those that wait to be repeated
    uint8_t* target
    int64_t sent                # monotonic ns of the last sending
    int64_t answered
    int64_t not_before          # a repetition waits until then

cdef struct mb_batch:
    mb_transaction* transactions
    int32_t count
    int32_t cursor              # the first that was never sent
    int32_t unfinished          # 0: nothing of it is left in the session
    int32_t repeat_first        # list of those to repeat, -1 when empty
    int32_t repeat_last
    uint8_t priority
    uint8_t repeats             # how often a repeatable transaction may be sent again
    uint8_t ordered             # nothing more is sent once one of it failed
    uint8_t stopped             # that came to pass
    uint8_t queued              # linked into a queue of a session
    uint8_t late                # of a poll that does not get round in time: more in flight may help
    int64_t timeout             # ns the device may take for one answer
    int64_t deadline            # monotonic ns, INT64_MAX for none
    int64_t submitted           # of writes: when, monotonic ns; 0 once its first request was sent
    mb_batch* previous
    mb_batch* next


cdef class Batch:
    cdef mb_batch c
    cdef mb_transaction single          # a batch of one needs no allocation
    cdef Py_buffer target, source
    cdef bint has_target, has_source
    cdef object owner                   # the session that borrowed it, None otherwise
    cdef mb_transaction* _allocate(self, Py_ssize_t count) except NULL
    cdef int lend(self, object owner) except -1
    cdef int _take_target(self, object target, Py_ssize_t needed) except -1
    cdef int _take_source(self, object source, Py_ssize_t needed) except -1
