"""One connection's protocol state, sans-I/O: batches come and go, the connection comes and goes, requests are sent.

Rules of a session, here, in answers.pyx and in expiry.pyx. A transaction gets its final status exactly once, in
queue_finish or session_detach. session_detach is the only way by which a batch leaves before all its answers came;
what was in flight for it stays in flight, orphaned, until it is answered or expires. The verbs are the same for every
driver; time is an argument, in monotonic nanoseconds. No verb allocates.
"""

from libc.stdint cimport INT64_MAX, int16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove, memset

from fastmodbus._core.adu cimport *
from fastmodbus._core.batch cimport *
from fastmodbus._core.pace cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.queue cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.statistics cimport *
from fastmodbus._core.trace cimport *
from fastmodbus._core.units cimport *
from fastmodbus._core.window cimport *
from fastmodbus._core.wire cimport wire_load16

cdef enum:
    # Requests written before they are sent, and answers taken by one receive: while one side is busy with so many,
    # the other works on the next.
    AT_ONCE = 64

# ---------------------------------------------------------------------------------------------------- life

cdef bint session_allocate(mb_session* s, int window, bint automatic) noexcept nogil:
    """Buffers sized by the window: memory is bounded by what the caller asked for, never by what the peer sends."""
    memset(s, 0, sizeof(mb_session))
    s.output_capacity = max(1024, min(MAX_ADU * <int>AT_ONCE, 32 * window))
    s.input_capacity = max(1024, MAX_ADU * min(<int>AT_ONCE, window))
    s.expire_at = INT64_MAX
    pace_start(&s.pace, automatic, window)
    if not window_allocate(&s.window, window):
        return False
    s.output = <uint8_t*>malloc(s.output_capacity)
    s.input = <uint8_t*>malloc(s.input_capacity)
    s.sending = <mb_sending*>malloc(window * sizeof(mb_sending))
    s.random = <size_t>s.output * <uint64_t>0x9E3779B97F4A7C15 | 1     # another one in every session; never 0
    return s.output is not NULL and s.input is not NULL and s.sending is not NULL


cdef void session_free(mb_session* s) noexcept nogil:
    window_free(&s.window)
    free(s.output)
    free(s.input)
    free(s.sending)
    free(s.trace.ring)
    memset(s, 0, sizeof(mb_session))


# ---------------------------------------------------------------------------------------------------- batches

cdef void session_submit(mb_session* s, mb_batch* b) noexcept nogil:
    """Queue all of a batch's transactions; the session borrows its memory until the batch is over or detached."""
    if b.unfinished > 0:
        queue_add(&s.queues, b)


cdef void _forget_unsent(mb_session* s, mb_batch* b) noexcept nogil:
    """Take the ADUs of a batch that the kernel has not seen any byte of out of the send buffer, and their slots too."""
    cdef int i, kept = s.sending_done
    cdef uint32_t start, size, at
    cdef int16_t k
    if s.output_lent:           # the kernel is being handed the buffer: what is in it may be on its way already
        return
    start = s.sending[kept - 1].end if kept else 0
    at = start
    for i in range(s.sending_done, s.sending_count):
        size = s.sending[i].end - start
        k = window_find(&s.window, s.sending[i].transaction_id)
        if start >= s.output_sent and k != NO_SLOT and s.window.slots[k].batch is b:
            b.transactions[s.window.slots[k].index].left = False
            window_close(&s.window, k, 0)
        else:
            memmove(s.output + at, s.output + start, size)
            at += size
            s.sending[kept].end = at
            s.sending[kept].transaction_id = s.sending[i].transaction_id
            kept += 1
        start += size
    s.sending_count = kept
    s.output_size = at
    _output_done(s)


cdef void _output_done(mb_session* s) noexcept nogil:
    if s.output_sent == s.output_size:
        s.output_sent = s.output_size = 0
        s.sending_count = s.sending_done = 0
        s.answerless = False


cdef void _note_unsent(mb_session* s) noexcept nogil:
    """The connection is gone, and with it what is in the send buffer: of that nothing has left."""
    cdef int i
    cdef int16_t k
    cdef uint32_t start = s.sending[s.sending_done - 1].end if s.sending_done else 0
    for i in range(s.sending_done, s.sending_count):
        k = window_find(&s.window, s.sending[i].transaction_id)
        if start >= s.output_sent and k != NO_SLOT and s.window.slots[k].batch is not NULL:
            s.window.slots[k].batch.transactions[s.window.slots[k].index].left = False
        start = s.sending[i].end


cdef int32_t _drops(mb_session* s, uint16_t first_id, int64_t now) noexcept nogil:
    """Remember that a request was answered when it was asked again beside others, until its first answer comes too.

    Returns for how many of those that did not happen long since.
    """
    cdef int32_t i, found = 0
    cdef bint noted = False
    for i in range(HASTENED):
        if s.pace.beside_at[i] == 0 or not window_quarantined(&s.window, s.pace.beside[i]):
            s.pace.beside[i] = first_id
            s.pace.beside_at[i] = 0 if noted else now
            noted = True
        found += s.pace.beside_at[i] != 0 and now - s.pace.beside_at[i] > PACE_GONE
    return found


cdef void session_asked_again(mb_session* s, mb_transaction* t, bint answered) noexcept nogil:
    """A request that was asked again early is over, one way or another."""
    cdef bint tell = False
    if t.hastened == HASTENED_ALONE:
        tell = pace_asked_again(&s.pace, answered)
    elif t.hastened == HASTENED_BESIDE and answered and window_quarantined(&s.window, t.first_id):
        tell = pace_drops(&s.pace, _drops(s, t.first_id, t.answered))
    if t.hastened:
        t.hastened = HASTENED_BEFORE
    if tell:
        session_event(s, EVENT_ONE_AT_A_TIME, FAULT_NONE, 0, t.unit, t.answered)


cdef void session_detach(mb_session* s, mb_batch* b, uint8_t status) noexcept nogil:
    """End the loan of a batch's memory: what is unfinished gets `status`, nothing is written there any more."""
    cdef int16_t k
    cdef int32_t i
    if b.unfinished == 0:
        return
    _forget_unsent(s, b)
    k = s.window.first
    while k != NO_SLOT:
        if s.window.slots[k].batch is b:
            s.window.slots[k].batch = NULL
        k = s.window.slots[k].next
    for i in range(b.count):
        if b.transactions[i].status < ST_OK:
            b.transactions[i].status = status
            session_asked_again(s, &b.transactions[i], False)
    b.unfinished = 0
    queue_remove(&s.queues, b)


cdef void session_abandon(mb_session* s, uint8_t status) noexcept nogil:
    """Detach every batch: no connection could be made, or the client is closed."""
    cdef int p
    for p in range(<int>PRIORITIES):
        while s.queues.first[p] is not NULL:
            session_detach(s, s.queues.first[p], status)


# ---------------------------------------------------------------------------------------------------- connection

cdef void session_connected(mb_session* s, int64_t now) noexcept nogil:
    s.state = SESSION_UP
    s.fault = FAULT_NONE
    s.not_before = max(s.not_before, now + s.connect_delay)
    s.last_traffic = now
    s.counters.connections += 1
    session_event(s, EVENT_CONNECTED, FAULT_NONE, 0, 0, now)


cdef void session_distrust(mb_session* s, uint8_t fault) noexcept nogil:
    """The stream can no longer be trusted: the driver has to close it."""
    s.state = SESSION_BROKEN
    s.fault = FAULT_TRAILING_CRC if s.crc_seen and fault != FAULT_NONE else fault


cdef void session_break(mb_session* s, uint8_t fault, int culprit) noexcept nogil:
    """Distrust the stream, and tell the request whose answer showed it: the one with the id `culprit`, else the only
    one in flight. The others are treated as on any lost connection."""
    cdef int16_t k = NO_SLOT
    cdef mb_slot* slot
    if s.state != SESSION_UP:
        return
    session_distrust(s, fault)
    if fault == FAULT_NONE or fault == FAULT_PARTIAL:
        return                  # who says so deals with the requests in flight, and may be at one of them
    fault = s.fault
    if culprit >= 0:
        k = window_find(&s.window, <uint16_t>culprit)
    if k == NO_SLOT and s.window.in_flight == 1:
        k = s.window.first
    if k == NO_SLOT:
        return
    slot = &s.window.slots[k]
    if slot.batch is not NULL:
        session_refuse(s, slot.batch, &slot.batch.transactions[slot.index], fault)
    window_close(&s.window, k, 0)


cdef void _lose(mb_session* s, mb_batch* b, int32_t index, int64_t now, bint backing_off) noexcept nogil:
    """What becomes of a request whose connection went: repeated if nothing of it left or repeating does no harm.

    Where the window was perhaps too large for the device, and is smaller now, that does not count as one of its tries.
    """
    cdef mb_transaction* t = &b.transactions[index]
    if t.hastened:
        t.hastened = HASTENED_BEFORE
    if not t.left and b.stopped:
        queue_finish(&s.queues, b, t, ST_CANCELLED, FAULT_NONE)
    elif not t.left or (backing_off and t.flags & FN_REPEATABLE):
        t.tries -= 1
        queue_repeat(b, index, now)
    elif queue_may_repeat(b, t):
        s.counters.retries += 1
        queue_repeat(b, index, now)
    elif s.fault != FAULT_NONE:
        queue_finish(&s.queues, b, t, ST_PROTOCOL, s.fault)
    else:
        queue_finish(&s.queues, b, t, ST_LOST, FAULT_NONE)


cdef void session_lost(mb_session* s, int64_t now) noexcept nogil:
    """The connection is gone, by the peer or by us. Requests that may be repeated wait for the next one."""
    cdef int16_t k
    cdef mb_batch* b
    cdef bint backing_off
    if s.state == SESSION_DOWN:
        return
    s.counters.losses += 1
    session_event(s, EVENT_LOST, s.fault, 0, 0, now)
    backing_off = pace_loss(&s.pace, s.window.in_flight)
    _note_unsent(s)
    while s.window.first != NO_SLOT:
        k = s.window.first
        b = s.window.slots[k].batch
        if b is not NULL:
            _lose(s, b, s.window.slots[k].index, now, backing_off)
        window_close(&s.window, k, 0)
    window_clear(&s.window)
    s.output_size = s.output_sent = s.input_size = 0
    s.sending_count = s.sending_done = 0
    s.output_lent = s.answerless = s.crc_seen = s.crc_due = s.zero_asked = False
    s.zero_ids = 0
    s.expire_at = INT64_MAX
    s.state = SESSION_DOWN


# ---------------------------------------------------------------------------------------------------- sending

cdef bint _experiment(const mb_session* s) noexcept nogil:
    """Whether something is in flight of which the adaptive window does not know whether the device stands it."""
    cdef int16_t k = s.window.first
    cdef const mb_slot* slot
    while s.pace.automatic and k != NO_SLOT:
        slot = &s.window.slots[k]
        if slot.batch is not NULL and slot.batch.transactions[slot.index].crowd > s.pace.good:
            return True
        k = slot.next
    return False


cdef bint _admits(const mb_session* s, const mb_transaction* t) noexcept nogil:
    """Whether this transaction may be sent beside those in flight."""
    if t.flags & FN_WRITE and ((s.window.writes and not s.pipeline_writes) or _experiment(s)):
        return False
    if s.quirks & QUIRK_ZERO_UNIT or unit_suspended(&s.units, t.unit):
        return s.window.unit_in_flight[t.unit] == 0
    return window_admits(&s.window, t.unit)


cdef mb_batch* _pick(mb_session* s, int64_t now, int32_t* index) noexcept nogil:
    """Whose turn it is: writes, then polls, then calls; batches of one priority in turn, transaction by transaction."""
    cdef int p
    cdef mb_batch* b
    for p in range(<int>PRIORITIES):
        b = s.queues.first[p]
        while b is not NULL:
            index[0] = queue_peek(b, now)
            if index[0] >= 0:
                if _admits(s, &b.transactions[index[0]]):
                    s.queues.first[p] = b.next
                    return b
            b = b.next
            if b is s.queues.first[p]:
                break
    return NULL


cdef mb_batch* _next(mb_session* s, mb_batch* last, int64_t now, int32_t* index) noexcept nogil:
    """Whose turn it is after `last`, whose it was a moment ago: its own again where no other of its priority waits.

    What was not admitted then is not admitted now either, since more is in flight.
    """
    if last is not NULL and last.next is last:
        index[0] = queue_peek(last, now)
        if index[0] >= 0 and _admits(s, &last.transactions[index[0]]):
            return last
    return _pick(s, now, index)


cdef void _encode(mb_session* s, mb_batch* b, int32_t index, int64_t now) noexcept nogil:
    cdef mb_transaction* t = &b.transactions[index]
    cdef mb_slot* slot = window_open(&s.window, t.unit, t.flags & FN_WRITE != 0, now)
    cdef uint8_t* at = s.output + s.output_size
    cdef int size = pdu_write(at + MBAP_SIZE, &t.request)
    s.zero_asked |= slot.transaction_id == 0
    slot.batch = b
    slot.index = index
    slot.timeout = b.timeout
    s.output_size += mbap_write(at, slot.transaction_id, t.unit, size)
    s.sending[s.sending_count].end = s.output_size
    s.sending[s.sending_count].transaction_id = slot.transaction_id
    s.sending_count += 1
    s.answerless |= t.request.function == FC_DIAGNOSTICS and t.request.address == DIAG_FORCE_LISTEN_ONLY
    t.status = ST_SENT
    t.left = True
    t.crowd = <uint8_t>min(s.window.in_flight, 255)
    t.tries += 1
    t.sent = now
    s.likely[0] = t
    s.likely[1] = t.target
    if b.submitted:
        s.counters.longest_write_wait = max(s.counters.longest_write_wait, now - b.submitted)
        b.submitted = 0
    s.counters.requests += 1
    s.expire_at = min(s.expire_at, now + slot.timeout)
    if HASTENED_BESIDE <= t.hastened <= HASTENED_IN_VAIN:
        s.expire_at = min(s.expire_at, now + pace_overdue(&s.pace))


cdef bint _left_over(const mb_session* s) noexcept nogil:
    """Whether bytes came that, with nothing in flight, are not the beginning of a late answer."""
    if s.input_size == 1:
        return s.window.quarantined == 0 and not s.crc_due
    return s.input_size > 0 and not window_quarantined(&s.window, wire_load16(s.input))


cdef void session_fill(mb_session* s, int64_t now) noexcept nogil:
    """Write requests into the send buffer while the window, the gap between requests and the buffer allow it."""
    cdef int32_t index = -1, limit
    cdef mb_batch* b = NULL
    if s.state != SESSION_UP or s.output_size:
        return
    if s.window.in_flight == 0 and _left_over(s):
        session_break(s, FAULT_LEFT_OVER, -1)
        return
    if s.window.quarantined >= QUARANTINE_LIMIT and s.window.in_flight == 0:
        session_break(s, FAULT_NONE, -1)
        return
    if s.window.quarantined >= QUARANTINE_LIMIT:
        return
    limit = session_limit(s)
    while s.window.in_flight < limit and s.sending_count < AT_ONCE and s.not_before <= now:
        if s.output_size + MAX_ADU > s.output_capacity:
            return
        b = _next(s, b, now, &index)
        if b is NULL:
            return
        queue_take(b, index)
        _encode(s, b, index, now)
        s.last_traffic = now
        if s.request_gap:
            s.not_before = now + s.request_gap


cdef void session_sent(mb_session* s, uint32_t size, int64_t now) noexcept nogil:
    """The kernel took `size` more bytes of the send buffer."""
    trace_record(&s.trace, now, 0, s.output + s.output_sent, size)
    s.output_sent += size
    s.counters.bytes_sent += size
    while s.output_sent < s.output_size or s.answerless:
        if s.sending_done == s.sending_count or s.sending[s.sending_done].end > s.output_sent:
            break
        s.sending_done += 1
        _finish_answerless(s, s.sending[s.sending_done - 1].transaction_id)
    _output_done(s)


cdef void _finish_answerless(mb_session* s, uint16_t transaction_id) noexcept nogil:
    """Force Listen Only Mode is never answered (ap 6.8.1): sent is done. An answer would find its id in quarantine.

    A device that answers with id 0 could not be understood: it needs another connection."""
    cdef int16_t k = window_find(&s.window, transaction_id)
    cdef mb_slot* slot = &s.window.slots[k]
    cdef mb_transaction* t
    if k == NO_SLOT or slot.batch is NULL:
        return
    t = &slot.batch.transactions[slot.index]
    if t.request.function != FC_DIAGNOSTICS or t.request.address != DIAG_FORCE_LISTEN_ONLY:
        return
    queue_finish(&s.queues, slot.batch, t, ST_OK, FAULT_NONE)
    if s.quirks & QUIRK_ZERO_ID or not window_banish(&s.window, slot.transaction_id):
        session_break(s, FAULT_NONE, -1)
    window_close(&s.window, k, 0)
