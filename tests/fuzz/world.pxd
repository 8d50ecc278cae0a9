# Everything around the session under test: its batches with their truths, its jobs, the clock, and the device at the
# other end of the connection with the bytes it saw and the bytes that are on their way back.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from fastmodbus._core.checksum cimport crc16
from fastmodbus._core.pdu cimport *
from fastmodbus._core.schedule cimport mb_job, mb_poll
from fastmodbus._core.session cimport mb_session
from fastmodbus._core.spec cimport *
from fastmodbus._core.window cimport NO_SLOT, window_find
from fastmodbus._core.wire cimport wire_load16, wire_store16
from plant cimport *
from source cimport *
from truth cimport *

cdef enum:
    SEEN = 1024
    LINE = 1 << 14
    FRAME = 600                 # no frame of the device is longer, with all that may stand behind it

cdef struct mb_seen:            # a request that the device of this connection saw
    uint16_t transaction_id
    uint8_t unit
    uint8_t function
    int8_t work                 # NULL_WORK: its batch was detached
    uint8_t index
    bint answered

cdef enum:
    NULL_WORK = -1

cdef enum:
    POLLED = 2                  # jobs
    GENERATIONS = 4             # of what they read
    STAGES = 2
    READS = 4                   # of a stage
    QUANTITY = 12               # of a read
    RING = 2560                 # bytes: five rows of the longest kind

cdef struct mb_generation:      # one mb_poll, with its memory
    mb_poll poll
    mb_batch* stages[STAGES]
    uint32_t offsets[STAGES * READS]
    int works[STAGES]
    int64_t checked             # rows that were found to be right
    uint8_t memory[GUARD + RING + GUARD]
    uint8_t kept[GUARD + RING + GUARD]          # what it was when the last row was closed

cdef struct mb_polled:          # a job, and what it was told
    mb_job job
    int generations[GENERATIONS]
    int generation_count
    int64_t start, rows
    int64_t last_due
    bint paused
    bint tainted                # arbitrary bytes came while the open row was

cdef struct mb_world:
    mb_plant plant
    mb_session session
    mb_work works[WORKS]
    int work_count
    mb_generation generations[GENERATIONS]
    int generation_count
    mb_polled polled[POLLED]
    int polled_count
    int64_t now
    bint clean                  # the device answered well, or not at all
    bint tainted                # arbitrary bytes came on this connection: any frame may be among them
    int chunk                   # bytes a receive brings, 0: all
    mb_seen seen[SEEN]
    int seen_count, first_unanswered
    uint8_t line[LINE]          # on their way to the session
    int line_size
    const char* wrong


cdef inline void fail(mb_world* w, const char* wrong) noexcept nogil:
    if w.wrong is NULL:
        w.wrong = wrong


cdef inline mb_truth* truth_of(mb_world* w, const mb_seen* seen) noexcept nogil:
    return &w.works[seen.work].truths[seen.index] if seen.work != NULL_WORK else NULL


# ---------------------------------------------------------------------------------------------------- what it sees

cdef inline void _note_seen(mb_world* w, uint16_t transaction_id) noexcept nogil:
    """A whole request left."""
    cdef int16_t k = window_find(&w.session.window, transaction_id)
    cdef mb_seen* seen = &w.seen[w.seen_count]
    cdef int i
    if w.seen_count == SEEN:
        return
    for i in range(w.first_unanswered, w.seen_count):
        if w.seen[i].transaction_id == transaction_id and not w.seen[i].answered and not w.tainted:
            fail(w, b"an id is used a second time before its answer")
    memset(seen, 0, sizeof(mb_seen))
    seen.transaction_id = transaction_id
    seen.work = NULL_WORK
    if k == NO_SLOT:
        fail(w, b"a request leaves that is not in the window")
        return
    seen.unit = w.session.window.slots[k].unit
    w.seen_count += 1
    if w.session.window.slots[k].batch is not NULL:
        _note_transaction(w, seen, w.session.window.slots[k].batch, w.session.window.slots[k].index)


cdef inline int work_number(const mb_world* w, const mb_batch* b) noexcept nogil:
    return <int>((<const uint8_t*>b - <const uint8_t*>w.works) // sizeof(mb_work))


cdef inline void _note_transaction(mb_world* w, mb_seen* seen, const mb_batch* b, int32_t index) noexcept nogil:
    cdef mb_work* work = &w.works[work_number(w, b)]
    seen.work = <int8_t>work_number(w, b)
    seen.index = <uint8_t>index
    seen.function = b.transactions[index].request.function
    if b.ordered and index <= work.last_seen:
        fail(w, b"the parts of a write left out of their order")
    work.last_seen = index


cdef inline void _note_leaving(mb_world* w, uint16_t transaction_id) noexcept nogil:
    """The first byte of a request left."""
    cdef int16_t k = window_find(&w.session.window, transaction_id)
    cdef const mb_batch* b = w.session.window.slots[k].batch if k != NO_SLOT else NULL
    cdef int32_t index
    if b is NULL:
        return
    index = w.session.window.slots[k].index
    w.works[work_number(w, b)].truths[index].leavings += 1
    if not b.transactions[index].flags & FN_REPEATABLE and w.works[work_number(w, b)].truths[index].leavings > 1:
        fail(w, b"a write left twice")


cdef inline void world_sees(mb_world* w, uint32_t size) noexcept nogil:
    """The kernel is about to take `size` bytes of the session's output."""
    cdef const mb_session* s = &w.session
    cdef uint32_t start, upto = s.output_sent + size
    cdef int i
    for i in range(s.sending_done, s.sending_count):
        start = s.sending[i - 1].end if i else 0
        if s.output_sent <= start < upto:
            _note_leaving(w, s.sending[i].transaction_id)
        if s.sending[i].end <= upto:
            _note_seen(w, s.sending[i].transaction_id)


cdef inline mb_seen* world_pending(mb_world* w, int which) noexcept nogil:
    """One of the requests that were not answered on this connection, NULL if there is none."""
    cdef int i, count = 0
    while w.first_unanswered < w.seen_count and w.seen[w.first_unanswered].answered:
        w.first_unanswered += 1
    for i in range(w.first_unanswered, w.seen_count):
        count += not w.seen[i].answered
    if count == 0:
        return NULL
    which %= count
    for i in range(w.first_unanswered, w.seen_count):
        if not w.seen[i].answered:
            if which == 0:
                return &w.seen[i]
            which -= 1
    return NULL


cdef inline bint spoken_for(const mb_world* w, uint16_t transaction_id) noexcept nogil:
    """Whether somebody waits for this id, or may when what is said now arrives."""
    cdef int i
    for i in range(w.first_unanswered, w.seen_count):
        if w.seen[i].transaction_id == transaction_id and not w.seen[i].answered:
            return True
    return (window_find(&w.session.window, transaction_id) != NO_SLOT
            or <uint16_t>(transaction_id - w.session.window.next_id) < SEEN)


cdef inline void world_forget(mb_world* w) noexcept nogil:
    """The connection is gone, with all that was on its way."""
    cdef int i, k
    w.seen_count = w.first_unanswered = w.line_size = 0
    w.tainted = False
    for i in range(w.work_count):
        for k in range(w.works[i].batch.count):
            if w.works[i].transactions[k].status != ST_OK:
                w.works[i].truths[k].answered = False


# ---------------------------------------------------------------------------------------------------- what it says

cdef inline void world_says(mb_world* w, const uint8_t* data, int size) noexcept nogil:
    if w.line_size + size <= LINE:
        memcpy(w.line + w.line_size, data, size)
        w.line_size += size


cdef inline int frame_start(uint8_t* out, uint16_t transaction_id, uint8_t unit, int pdu_size) noexcept nogil:
    wire_store16(out, transaction_id)
    wire_store16(out + 2, 0)
    wire_store16(out + 4, <uint16_t>(pdu_size + 1))
    out[6] = unit
    return 7 + pdu_size


cdef inline int frame_checksum(uint8_t* out, int size) noexcept nogil:
    """What a gateway leaks behind a frame: the RTU checksum of its unit and PDU, low byte first."""
    cdef uint16_t crc = crc16(out + 6, size - 6)
    out[size] = crc & 0xFF
    out[size + 1] = crc >> 8
    return size + 2


cdef inline int right_pdu(mb_world* w, const mb_seen* seen, uint8_t* out) noexcept nogil:
    """The right answer to a request; to an orphan anything, as nobody may ever see it."""
    cdef mb_truth* truth = truth_of(w, seen)
    if truth is NULL:
        out[0] = 3
        out[1] = 2
        out[2] = out[3] = 0xEE
        return 4
    memcpy(out, truth.answer, truth.answer_size)
    return truth.answer_size


cdef inline int spoilt_pdu(mb_world* w, const mb_seen* seen, uint8_t* out) noexcept nogil:
    """The right answer with other values, and for the rest well formed."""
    cdef int i, size = right_pdu(w, seen, out)
    if size == 0 or out[0] & EXCEPTION_BIT:
        out[0] = seen.function
        out[1] = 2
        out[2] = out[3] = 0xEE
        return 4
    for i in range(2, size):
        if out[0] <= FC_READ_DISCRETE_INPUTS:
            out[i] = ~out[i]
        elif i & 1 == 0:
            out[i] |= 0x80
    return size


cdef inline void note_answer(mb_world* w, mb_seen* seen, const uint8_t* pdu, int size) noexcept nogil:
    """The device gives what may become the result of a request."""
    cdef mb_truth* truth = truth_of(w, seen)
    cdef int i
    seen.answered = True
    if truth is NULL or size == 0:
        return
    if not pdu[0] & EXCEPTION_BIT:
        truth.answered = True
        return
    for i in range(CODES):
        if exception_code(i) == pdu[1]:
            truth.codes |= <uint16_t>(1 << i)
