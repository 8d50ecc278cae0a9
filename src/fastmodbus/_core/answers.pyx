"""What comes back to a session: answers are framed, matched, judged and delivered.

Nothing reaches the caller's memory before pdu_check said that the answer is right. What is late, foreign or unasked
for is dropped and counted. A stream that cannot be framed is broken for good: nobody looks for the next plausible
header in it.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from fastmodbus._core.adu cimport *
from fastmodbus._core.batch cimport *
from fastmodbus._core.expiry cimport session_first_overdue
from fastmodbus._core.pace cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.queue cimport *
from fastmodbus._core.quirks cimport *
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.statistics cimport histogram_bucket
from fastmodbus._core.trace cimport trace_record
from fastmodbus._core.units cimport *
from fastmodbus._core.window cimport *
from fastmodbus._core.wire cimport wire_load16, wire_swap_copy, wire_unpack_bits

cdef enum:
    MILLISECOND = 1000000
    BUSY_BACKOFF = 50 * MILLISECOND     # doubled with every try, jittered by half


# ---------------------------------------------------------------------------------------------------- judging

cdef void _deliver(mb_transaction* t, const mb_answer* answer, const mb_frame* frame) noexcept nogil:
    if t.delivery == DELIVER_REGISTERS:
        wire_swap_copy(t.target, answer.data, t.request.quantity)
    elif t.delivery == DELIVER_BITS:
        wire_unpack_bits(t.target, answer.data, t.request.quantity)
    elif t.delivery == DELIVER_BYTES:
        memcpy(t.target, answer.data, answer.size)
        t.received = answer.size
    elif t.delivery == DELIVER_PDU:
        memcpy(t.target, frame.pdu, frame.pdu_size)
        t.received = <uint16_t>frame.pdu_size


cdef int64_t _backoff(mb_session* s, int tries) noexcept nogil:
    """Doubled with every try, between half and all of it, so that clients of one device do not come back together."""
    cdef int64_t span = <int64_t>BUSY_BACKOFF << min(tries, 6)
    s.random ^= s.random << 13
    s.random ^= s.random >> 7
    s.random ^= s.random << 17
    return span // 2 + <int64_t>(s.random % <uint64_t>(span // 2))


cdef bint _ask_again(mb_session* s, mb_batch* b, int32_t index, int64_t now) noexcept nogil:
    """Exception 6: repeat the request later. Sent beside others, that may be why: fewer then, and no try counted."""
    cdef mb_transaction* t = &b.transactions[index]
    if not t.flags & FN_REPEATABLE:
        return False
    if s.pace.automatic and t.crowd > 1:
        pace_busy(&s.pace, t.crowd, s.window.in_flight)
        t.tries -= 1
        queue_repeat(b, index, now + s.pace.round_trip)
    elif queue_may_repeat(b, t):
        queue_repeat(b, index, now + _backoff(s, t.tries))
    else:
        return False
    s.counters.retries += 1
    session_event(s, EVENT_BUSY, FAULT_NONE, 0, t.unit, now)
    return True


cdef uint8_t _unit_fault(const mb_session* s, const mb_transaction* t, const mb_frame* frame) noexcept nogil:
    if frame.unit == t.unit or (frame.unit == 0 and s.quirks & QUIRK_ZERO_UNIT):
        return FAULT_NONE
    return FAULT_ZERO_UNIT if frame.unit == 0 else FAULT_UNIT


cdef bint _contradicts_frame(mb_session* s, const mb_transaction* t, const mb_frame* frame) noexcept nogil:
    """Whether a wrong answer leaves it open where the next one begins.

    It does when it counts more bytes than its frame has, unless the frame is as long as it must be (the byte count is
    what is wrong then); and when it counts fewer, and the others begin like an answer that is waited for.
    """
    cdef int said = pdu_announced(frame.pdu, frame.pdu_size)
    if said == 0 or said == frame.pdu_size:
        return False
    if said > frame.pdu_size:
        return frame.pdu_size != pdu_expected(&t.request)
    return said + 2 <= frame.pdu_size and window_find(&s.window, wire_load16(frame.pdu + said)) != NO_SLOT


cdef void _judge(mb_session* s, mb_batch* b, int32_t index, const mb_frame* frame, int64_t now) noexcept nogil:
    """An answer to a request in flight: deliver it, report it, or have the request repeated."""
    cdef mb_transaction* t = &b.transactions[index]
    cdef mb_answer answer
    cdef uint8_t fault = _unit_fault(s, t, frame)
    t.answered = now
    if t.hastened:
        session_asked_again(s, t, True)
    if fault != FAULT_NONE:
        session_refuse(s, b, t, fault)
        return
    pdu_check(&t.request, frame.pdu, frame.pdu_size, &answer)
    if answer.status == ST_PROTOCOL:
        session_refuse(s, b, t, answer.fault)
        if not s.datagrams and _contradicts_frame(s, t, frame):
            session_distrust(s, FAULT_BOUNDARY)
        return
    if answer.status == ST_OK:
        unit_answered(&s.units, t.unit)
        _deliver(t, &answer, frame)
        queue_finish(&s.queues, b, t, ST_OK, FAULT_NONE)
        return
    s.counters.exceptions += 1
    t.exception = answer.exception
    if answer.exception == EXC_SERVER_DEVICE_BUSY and _ask_again(s, b, index, now):
        return
    queue_finish(&s.queues, b, t, ST_EXCEPTION, FAULT_NONE)
    if answer.exception == EXC_GATEWAY_PATH_UNAVAILABLE or answer.exception == EXC_GATEWAY_TARGET_FAILED:
        unit_failed(&s.units, &s.queues, b, t.unit)
    else:
        unit_answered(&s.units, t.unit)


cdef void _refuse_zero_ids(mb_session* s, int64_t now) noexcept nogil:
    """As many answers with id 0 came as requests are in flight: whichever belongs to which, no other will come."""
    cdef mb_slot* slot
    while s.window.first != NO_SLOT:
        slot = &s.window.slots[s.window.first]
        if slot.batch is not NULL:
            session_refuse(s, slot.batch, &slot.batch.transactions[slot.index], FAULT_ZERO_ID)
        if not window_banish(&s.window, slot.transaction_id):
            session_break(s, FAULT_NONE, -1)
        window_close(&s.window, s.window.first, now)
    s.zero_ids = 0


cdef void _nobodys(mb_session* s, const mb_frame* frame, int64_t now) noexcept nogil:
    """An answer with an id that is not in flight: late, foreign, or from a device that answers with id 0."""
    if window_absolve(&s.window, frame.transaction_id):
        s.counters.stale += 1
        pace_late(&s.pace, frame.transaction_id)
        session_event(s, EVENT_STALE, FAULT_NONE, frame.transaction_id, frame.unit, now)
        return
    s.counters.unknown += 1
    session_event(s, EVENT_UNKNOWN, FAULT_NONE, frame.transaction_id, frame.unit, now)
    if frame.transaction_id != 0 or s.zero_asked:
        return
    if s.window.in_flight:
        s.zero_ids += 1
        if s.zero_ids >= <uint32_t>s.window.in_flight and s.sending_done == s.sending_count:
            _refuse_zero_ids(s, now)
    elif s.quirks & QUIRK_ZERO_ID:
        session_break(s, FAULT_LEFT_OVER, -1)       # one answer too many: it could be taken for the next one


cdef int16_t _match(mb_session* s, const mb_frame* frame) noexcept nogil:
    cdef int16_t k = window_find(&s.window, frame.transaction_id)
    if k == NO_SLOT and frame.transaction_id == 0 and s.quirks & QUIRK_ZERO_ID:
        # No late answer can be about: with this quirk a timeout closes the connection.
        return s.window.first
    return k


cdef bint _queue_is_long(const mb_batch* b) noexcept nogil:
    """Whether the calls that wait together, this one among them, have more requests left than one long batch."""
    cdef int32_t left = b.unfinished
    cdef const mb_batch* other = b.next
    while left <= PACE_LONG and other is not b:
        left += other.unfinished
        other = other.next
    return left > PACE_LONG


cdef void _pace(mb_session* s, const mb_batch* b, int64_t sent, int64_t now) noexcept nogil:
    """Tell the adaptive window of an answer. Beside a write it may be smaller than it should be: that is no measure.

    Many small calls that wait together are as good as one that is long, until none of them is left.
    """
    cdef int32_t size = 0 if s.window.writes else PACE_LONG + 1 if b.late else b.count
    cdef int64_t oldest = s.window.slots[s.window.first].base if s.window.in_flight else now
    cdef bint more = s.window.in_flight or b.cursor < b.count
    if 0 < size <= PACE_LONG and b.next is not b and b.priority == PRIORITY_CALL:
        if s.pace.last or _queue_is_long(b):
            size = PACE_ENDLESS
            more = True
    pace_answer(&s.pace, now, sent, s.window.in_flight, oldest, size, more)


cdef void _answer(mb_session* s, const mb_frame* frame, int64_t now) noexcept nogil:
    cdef int16_t k = _match(s, frame)
    cdef mb_batch* b
    cdef int32_t index
    cdef int64_t sent
    cdef uint32_t* bucket
    if k == NO_SLOT or session_unsent(s, s.window.slots[k].transaction_id):
        _nobodys(s, frame, now)
        return
    b = s.window.slots[k].batch
    index = s.window.slots[k].index
    window_close(&s.window, k, now)
    if b is NULL:
        s.counters.stale += 1
        unit_answered(&s.units, frame.unit)
        return
    sent = b.transactions[index].sent
    s.counters.answers += 1
    bucket = &s.counters.round_trips[histogram_bucket(now - sent)]
    bucket[0] += 1
    s.likely[2] = bucket
    if s.pace.automatic:
        _pace(s, b, sent, now)
    _judge(s, b, index, frame, now)


cdef void _expect_crc(mb_session* s, const mb_frame* frame, const uint8_t* at, uint32_t available) noexcept nogil:
    """Behind a frame a checksum may follow, now or later, where the user said so; else note whether one does."""
    if s.quirks & QUIRK_TRAILING_CRC:
        s.crc = quirk_crc(frame)
        s.crc_due = True
    elif available >= 2 and (available < MBAP_SIZE or wire_load16(at + 2) != 0):
        s.crc_seen = quirk_crc(frame) == wire_load16(at)


cdef uint32_t _pass_crc(mb_session* s, const uint8_t* at, uint32_t available) noexcept nogil:
    """How many bytes to pass over: a leaked checksum. An answer that is waited for may begin like it: then what follows
    decides, once it is here."""
    cdef bint alike = available >= 2 and wire_load16(at) == s.crc
    cdef bint awaited = alike and window_find(&s.window, s.crc) != NO_SLOT
    if available == 0 or (available == 1 and at[0] == s.crc >> 8):
        return 0
    if awaited and available < 6 and (available < 4 or wire_load16(at + 2) == 0):
        return 0
    s.crc_due = False
    return 2 if alike and not (awaited and is_head(at, available)) else 0


cdef void _datagram(mb_session* s, uint32_t size, int64_t now) noexcept nogil:
    """One datagram is at input[0]: it has one ADU and nothing else, or it is nobody's."""
    cdef mb_frame frame
    cdef mb_framing state = quirk_read(s.input, size, s.quirks, &frame)
    if state == FRAME_WHOLE:
        _expect_crc(s, &frame, s.input + frame.size, size - frame.size)
        if s.crc_due and size == <uint32_t>frame.size + 2 and wire_load16(s.input + frame.size) == s.crc:
            size -= 2
        s.crc_due = False
    if state == FRAME_WHOLE and <uint32_t>frame.size == size:
        _answer(s, &frame, now)
        return
    s.counters.unknown += 1
    session_event(s, EVENT_UNKNOWN, FAULT_NONE, wire_load16(s.input) if size >= 2 else 0, 0, now)


cdef void session_received(mb_session* s, uint32_t size, int64_t now) noexcept nogil:
    """`size` bytes were put behind input[input_size]: frame them, match them, deliver them."""
    cdef mb_frame frame
    cdef uint32_t at = 0
    cdef mb_framing state
    trace_record(&s.trace, now, 1, s.input + s.input_size, size)
    s.counters.bytes_received += size
    s.input_size += size
    s.last_traffic = now
    if s.datagrams:
        s.input_size = 0
        if s.state == SESSION_UP:
            _datagram(s, size, now)
    while s.state == SESSION_UP and not s.datagrams:
        if s.crc_due:
            at += _pass_crc(s, s.input + at, s.input_size - at)
        state = quirk_read(s.input + at, s.input_size - at, s.quirks, &frame)
        if state == FRAME_NEED_MORE:
            break
        if state == FRAME_BROKEN:
            session_break(s, frame.fault, frame.transaction_id)
            break
        _answer(s, &frame, now)
        at += frame.size
        _expect_crc(s, &frame, s.input + at, s.input_size - at)
    s.input_size -= at
    if at and s.input_size:
        memmove(s.input, s.input + at, s.input_size)
    if s.pace.automatic:
        s.expire_at = min(s.expire_at, session_first_overdue(s))
