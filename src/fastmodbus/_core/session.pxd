# One connection's protocol state, sans-I/O: bytes and times go in, bytes and results come out. Structs and functions
# for drivers (reactor.pyx, verbs.pyx). Nothing in here is locked: the driver owns the lock.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastmodbus._core.batch cimport PRIORITY_WRITE, mb_batch, mb_transaction
from fastmodbus._core.pace cimport mb_pace, pace_limit, pace_proven
from fastmodbus._core.queue cimport mb_queues, queue_finish
from fastmodbus._core.spec cimport QUIRK_ZERO_ID, ST_PROTOCOL
from fastmodbus._core.statistics cimport mb_counters
from fastmodbus._core.trace cimport mb_trace
from fastmodbus._core.units cimport mb_units
from fastmodbus._core.window cimport mb_window

cdef enum mb_session_state:
    SESSION_DOWN = 0            # no connection; requests wait
    SESSION_UP = 1
    SESSION_BROKEN = 2          # up, but the driver must close it and report session_lost

cdef enum:
    EVENT_ROOM = 16
    LIKELY = 3                  # the transaction sent last, its target, where its round trip will be counted

cdef enum mb_event_kind:
    EVENT_CONNECTED = 1
    EVENT_LOST = 2              # fault: why, or FAULT_NONE when the peer closed
    EVENT_STALE = 3             # a late answer was dropped
    EVENT_UNKNOWN = 4           # an answer with an unknown id was dropped
    EVENT_TIMEOUT = 5
    EVENT_BUSY = 6              # exception 6, the request will be repeated
    EVENT_OVERTAKEN = 7         # a request was left unanswered while others were: it is asked again alone
    EVENT_ONE_AT_A_TIME = 8     # the device answers only one of several requests: from now on one at a time

cdef struct mb_event:
    int64_t time
    uint16_t transaction_id
    uint8_t kind
    uint8_t fault
    uint8_t unit

cdef struct mb_sending:         # one ADU in the send buffer
    uint32_t end                # offset after its last byte
    uint16_t transaction_id

cdef struct mb_session:
    # What every request and every answer need comes first and lies together: see fetch.pxd.
    uint8_t* output             # ADUs written and not yet sent: [output_sent, output_size)
    mb_sending* sending         # their ends
    uint32_t output_size, output_sent, output_capacity
    int32_t sending_count, sending_done
    bint output_lent            # a driver is handing output to the kernel: its bytes must stay where they are
    bint answerless             # among the ADUs in the send buffer is one that gets no answer
    uint8_t* input              # received and not yet framed: [0, input_size)
    uint32_t input_size, input_capacity
    int64_t expire_at           # no request in flight expires before; may be early
    int64_t not_before          # earliest next sending (request gap, delay after connecting)
    int64_t last_traffic
    int64_t request_gap, connect_delay
    const void* likely[LIKELY]  # what the next answer will touch outside of here; may be gone by then
    uint8_t state               # mb_session_state
    uint8_t fault               # mb_fault that broke it
    uint8_t quirks              # mb_quirk bits
    uint16_t crc
    bint crc_seen               # the bytes left over are the RTU checksum of the frame before
    bint crc_due                # crc may follow, and is to be passed over
    bint zero_asked             # a request had id 0, on this connection
    uint32_t zero_ids           # answers with id 0 that nobody could have asked for, and no timeout was put down to
    bint pipeline_writes
    bint datagrams              # one ADU each, over UDP: what is received is no stream
    int32_t event_count         # events[0 .. min(count, EVENT_ROOM)): the first ones since they were drained
    mb_trace trace
    mb_queues queues
    mb_pace pace
    mb_window window
    mb_units units
    mb_counters counters
    mb_event events[EVENT_ROOM]
    uint64_t random


cdef inline void session_event(
    mb_session* s, uint8_t kind, uint8_t fault, uint16_t transaction_id, uint8_t unit, int64_t now
) noexcept nogil:
    cdef mb_event* event
    if s.event_count < EVENT_ROOM:
        event = &s.events[s.event_count]
        event.time = now
        event.kind = kind
        event.fault = fault
        event.transaction_id = transaction_id
        event.unit = unit
    s.event_count += 1


cdef inline int32_t session_limit(const mb_session* s) noexcept nogil:
    """How many requests may be in flight. Answers without their id can only be matched one at a time."""
    if s.quirks & QUIRK_ZERO_ID:
        return 1
    if s.window.writes or s.queues.first[<int>PRIORITY_WRITE] is not NULL:
        return min(s.window.limit, pace_proven(&s.pace))
    return min(s.window.limit, pace_limit(&s.pace))


cdef inline int session_unsent(const mb_session* s, uint16_t transaction_id) noexcept nogil:
    """Whether a request still waits in the send buffer: 1 when a part of it was sent, 2 when nothing was."""
    cdef int i
    for i in range(s.sending_done, s.sending_count):
        if s.sending[i].transaction_id == transaction_id:
            return 2 if i > 0 and s.sending[i - 1].end >= s.output_sent or s.output_sent == 0 else 1
    return 0


cdef inline void session_refuse(mb_session* s, mb_batch* b, mb_transaction* t, uint8_t fault) noexcept nogil:
    """An answer to a request is wrong."""
    s.counters.protocol_errors += 1
    queue_finish(&s.queues, b, t, ST_PROTOCOL, fault)


# session.pyx: batches, the connection, sending
cdef bint session_allocate(mb_session* s, int window, bint automatic) noexcept nogil
cdef void session_free(mb_session* s) noexcept nogil
cdef void session_submit(mb_session* s, mb_batch* b) noexcept nogil
cdef void session_detach(mb_session* s, mb_batch* b, uint8_t status) noexcept nogil
cdef void session_abandon(mb_session* s, uint8_t status) noexcept nogil
cdef void session_connected(mb_session* s, int64_t now) noexcept nogil
cdef void session_lost(mb_session* s, int64_t now) noexcept nogil
cdef void session_distrust(mb_session* s, uint8_t fault) noexcept nogil
cdef void session_break(mb_session* s, uint8_t fault, int culprit) noexcept nogil
cdef void session_fill(mb_session* s, int64_t now) noexcept nogil
cdef void session_sent(mb_session* s, uint32_t size, int64_t now) noexcept nogil
cdef void session_asked_again(mb_session* s, mb_transaction* t, bint answered) noexcept nogil
