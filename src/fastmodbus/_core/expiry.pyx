"""What does not come back to a session: requests expire, or are asked again early, batches meet their deadlines.

A request whose time is up is given up for good, and its id stays in quarantine: an answer to it is late. Where the
window is learnt, one that others overtook is given up early and asked again, which counts as no try.
"""

from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t, uint16_t

from fastmodbus._core.batch cimport *
from fastmodbus._core.pace cimport *
from fastmodbus._core.queue cimport *
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.units cimport *
from fastmodbus._core.window cimport *
from fastmodbus._core.wire cimport wire_load16


cdef void _expire_slot(mb_session* s, int16_t k, int64_t now) noexcept nogil:
    cdef mb_slot* slot = &s.window.slots[k]
    cdef mb_batch* b = slot.batch
    cdef int32_t index = slot.index
    cdef uint16_t transaction_id = slot.transaction_id
    cdef mb_transaction* t
    cdef bint banished = window_banish(&s.window, slot.transaction_id)
    cdef bint zero_id = s.zero_ids > 0
    cdef int unsent = session_unsent(s, slot.transaction_id)
    cdef uint8_t unit
    s.zero_ids -= zero_id
    if not banished or s.quirks & QUIRK_ZERO_ID or unsent:
        # No memory to remember the id, no ids to tell late answers by, or the peer does not even read.
        session_break(s, FAULT_PARTIAL, -1)
    s.counters.timeouts += b is not NULL
    session_event(s, EVENT_TIMEOUT, FAULT_NONE, slot.transaction_id, slot.unit, now)
    unit = slot.unit
    window_close(&s.window, k, 0)
    if b is NULL:
        unit_silent(&s.units, unit)
        return
    t = &b.transactions[index]
    if unsent == 2:
        t.left = False
    session_asked_again(s, t, False)
    if _blame_window(s, t, transaction_id):
        _ask_early(b, index, HASTENED_ALONE, now)
        return
    if queue_may_repeat(b, t) and not unit_suspended(&s.units, t.unit):
        s.counters.retries += 1
        queue_repeat(b, index, now)
        return
    if zero_id:
        session_refuse(s, b, t, FAULT_ZERO_ID)
    else:
        queue_finish(&s.queues, b, t, ST_TIMEOUT, FAULT_NONE)
    unit_failed(&s.units, &s.queues, b, t.unit)


cdef bint _blame_window(mb_session* s, const mb_transaction* t, uint16_t transaction_id) noexcept nogil:
    """Whether a request that was just given up timed out perhaps because too many were in flight."""
    cdef bint beside = t.crowd > 1 or s.window.in_flight > 0
    if not t.flags & FN_REPEATABLE or t.hastened or not beside or unit_suspended(&s.units, t.unit):
        return False
    return pace_timeout(&s.pace, transaction_id)


cdef int64_t _overdue(const mb_session* s, const mb_slot* slot, int64_t mark) noexcept nogil:
    """When a request is taken for dropped because later ones, or those beside it, were answered.

    Reads only, each once, and only where the window is learnt.
    """
    cdef const mb_transaction* t
    if not s.pace.automatic or slot.batch is NULL:
        return INT64_MAX
    t = &slot.batch.transactions[slot.index]
    if HASTENED_BESIDE <= t.hastened <= HASTENED_IN_VAIN:
        return slot.base + pace_overdue(&s.pace)
    if not t.flags & FN_REPEATABLE or t.hastened or t.tries > 1 or unit_suspended(&s.units, t.unit):
        return INT64_MAX
    if s.pace.last_answer <= slot.base and s.pace.alone == 0:
        return INT64_MAX
    return max(slot.base, max(mark, slot.mark)) + pace_overdue(&s.pace)


cdef int64_t session_first_overdue(const mb_session* s) noexcept nogil:
    """Requests become overdue in the order in which they were sent."""
    cdef int16_t k = s.window.first
    cdef int64_t overdue = INT64_MAX
    while k != NO_SLOT and overdue == INT64_MAX and s.window.slots[k].base < s.pace.last_answer:
        overdue = _overdue(s, &s.window.slots[k], 0)
        k = s.window.slots[k].next
    return overdue


cdef void _ask_early(mb_batch* b, int32_t index, mb_hastened how, int64_t now) noexcept nogil:
    """That counts as no try."""
    b.transactions[index].hastened = how
    b.transactions[index].tries -= 1
    queue_repeat(b, index, now)


cdef void _hasten(mb_session* s, int16_t k, int64_t now) noexcept nogil:
    """Give a request up early, to ask it again. One that had nothing beside it when it was asked again is only slow, or
    the device dropped it because it had the first one all the same.
    """
    cdef mb_slot* slot = &s.window.slots[k]
    cdef mb_batch* b = slot.batch
    cdef int32_t index = slot.index
    cdef mb_transaction* t = &b.transactions[index]
    cdef mb_hastened how = HASTENED_IN_VAIN
    if t.hastened == HASTENED_ALONE and t.crowd == 1:
        t.hastened = HASTENED_IN_VAIN
        pace_in_vain(&s.pace)
        s.expire_at = min(s.expire_at, slot.base + pace_overdue(&s.pace))
        return
    if not window_banish(&s.window, slot.transaction_id):
        session_break(s, FAULT_PARTIAL, -1)
    session_event(s, EVENT_OVERTAKEN, FAULT_NONE, slot.transaction_id, slot.unit, now)
    if t.hastened == HASTENED_IN_VAIN:
        pace_in_vain(&s.pace)
    elif pace_suspect(&s.pace, slot.transaction_id, t.crowd, False, t.hastened != HASTENED_NEVER):
        how = HASTENED_ALONE
    else:
        how = HASTENED_BESIDE
    t.first_id = slot.transaction_id
    window_close(&s.window, k, 0)
    _ask_early(b, index, how, now)


cdef bint _stuck(const mb_session* s) noexcept nogil:
    """Whether a part of a frame was received that is not the beginning of an answer still waited for."""
    if s.input_size < 2:
        return s.input_size > 0
    return window_find(&s.window, wire_load16(s.input)) == NO_SLOT


cdef void _expire_window(mb_session* s, int64_t now) noexcept nogil:
    """Give up the requests whose clocks ran out.

    Those sent later to other units start anew: a gateway waited in vain for the silent unit before it turned to them.
    """
    cdef int64_t mark = 0, due, overdue
    cdef int16_t k = s.window.first, following
    cdef int silent_unit = -1
    cdef mb_slot* slot
    s.expire_at = INT64_MAX
    while k != NO_SLOT:
        slot = &s.window.slots[k]
        following = slot.next
        mark = max(mark, slot.mark)
        if silent_unit >= 0 and slot.unit != silent_unit:
            slot.base = now
        due = max(slot.base, mark) + slot.timeout
        overdue = _overdue(s, slot, mark)
        if due <= now:
            silent_unit = slot.unit
            _expire_slot(s, k, now)
        else:
            s.expire_at = min(s.expire_at, min(due, overdue) if overdue > now else due)
            if overdue <= now:
                _hasten(s, k, now)
        k = following
    if silent_unit >= 0 and _stuck(s):
        session_break(s, FAULT_PARTIAL, -1)


cdef void session_expire(mb_session* s, int64_t now) noexcept nogil:
    """Let time pass: requests whose answer is overdue, batches whose deadline came."""
    cdef mb_walk walk
    cdef mb_batch* b
    if now >= s.expire_at:
        _expire_window(s, now)
    walk = queue_walk(&s.queues)
    b = queue_next(&walk)
    while b is not NULL:
        if b.deadline <= now:
            session_detach(s, b, ST_DEADLINE)
        b = queue_next(&walk)


cdef int64_t session_next_deadline(mb_session* s, int64_t now) noexcept nogil:
    """When session_expire or session_fill has something to do at the earliest, if nothing arrives before.

    Whatever could be sent at `now` has been: ask after session_fill.
    """
    cdef int64_t next = s.expire_at, sending
    cdef bint room = s.state == SESSION_UP and s.window.in_flight < session_limit(s) and s.output_size == 0
    cdef mb_walk walk = queue_walk(&s.queues)
    cdef mb_batch* b = queue_next(&walk)
    while b is not NULL:
        next = min(next, b.deadline)
        if room:
            sending = queue_next_sending(b, s.not_before, now)
            if sending >= 0:
                next = min(next, sending)
        b = queue_next(&walk)
    return next
