# The queues of a session: which batches wait, whose transaction goes next, which are to be repeated. Inline; only
# session.pyx may use it. Knows no bytes, no ids and no sockets. A batch is linked into its queue as long as something
# of it is unfinished.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from fastmodbus._core.batch cimport *
from fastmodbus._core.spec cimport FN_REPEATABLE, ST_CANCELLED, ST_OK, ST_QUEUED

cdef struct mb_queues:
    mb_batch* first[PRIORITIES]     # circular lists, the next in turn first
    uint32_t finished               # batches that are over, a running count: drivers see by it whom to wake


cdef inline void queue_add(mb_queues* q, mb_batch* b) noexcept nogil:
    cdef mb_batch* head = q.first[b.priority]
    b.queued = True
    if head is NULL:
        b.next = b.previous = b
        q.first[b.priority] = b
    else:
        b.next = head
        b.previous = head.previous
        head.previous.next = b
        head.previous = b


cdef inline void queue_remove(mb_queues* q, mb_batch* b) noexcept nogil:
    if not b.queued:
        return
    b.queued = False
    q.finished += 1
    if b.next is b:
        q.first[b.priority] = NULL
        return
    b.previous.next = b.next
    b.next.previous = b.previous
    if q.first[b.priority] is b:
        q.first[b.priority] = b.next


cdef inline void _cancel_rest(mb_batch* b) noexcept nogil:
    cdef int32_t i
    for i in range(b.count):
        if b.transactions[i].status == ST_QUEUED:
            b.transactions[i].status = ST_CANCELLED
            b.unfinished -= 1
    b.cursor = b.count
    b.repeat_first = b.repeat_last = -1
    b.stopped = True


cdef inline void queue_finish(
    mb_queues* q, mb_batch* b, mb_transaction* t, uint8_t status, uint8_t fault
) noexcept nogil:
    """Give a transaction its final status; with the last one the batch leaves the queue."""
    t.status = status
    t.fault = fault
    b.unfinished -= 1
    if b.ordered and status != ST_OK:
        _cancel_rest(b)
    if b.unfinished == 0:
        queue_remove(q, b)


cdef inline bint queue_may_repeat(const mb_batch* b, const mb_transaction* t) noexcept nogil:
    return t.flags & FN_REPEATABLE and t.tries <= b.repeats


cdef inline void queue_repeat(mb_batch* b, int32_t index, int64_t not_before) noexcept nogil:
    cdef mb_transaction* t = &b.transactions[index]
    t.status = ST_QUEUED
    t.not_before = not_before
    t.next = -1
    if b.repeat_first < 0:
        b.repeat_first = index
    else:
        b.transactions[b.repeat_last].next = index
    b.repeat_last = index


cdef inline bint queue_answered(const mb_transaction* t) noexcept nogil:
    """Whether its last sending was answered: with exception 6, if it is to be sent again all the same."""
    return t.sent != 0 and t.answered >= t.sent


cdef inline void queue_forget_unanswered(mb_batch* b, uint8_t unit) noexcept nogil:
    """Take the transactions of a unit that had no answer out of those that wait to be repeated."""
    cdef int32_t index = b.repeat_first, following
    b.repeat_first = b.repeat_last = -1
    while index >= 0:
        following = b.transactions[index].next
        if b.transactions[index].unit != unit or queue_answered(&b.transactions[index]):
            queue_repeat(b, index, b.transactions[index].not_before)
        index = following


cdef inline int32_t queue_peek(const mb_batch* b, int64_t now) noexcept nogil:
    """The transaction of a batch to send next, or -1: repetitions that are due, then what was never sent."""
    if b.repeat_first >= 0 and b.transactions[b.repeat_first].not_before <= now:
        return b.repeat_first
    return b.cursor if b.cursor < b.count else -1


cdef inline void queue_skip(mb_batch* b) noexcept nogil:
    """Move the cursor past what was given up unsent."""
    while b.cursor < b.count and b.transactions[b.cursor].status != ST_QUEUED:
        b.cursor += 1


cdef inline void queue_take(mb_batch* b, int32_t index) noexcept nogil:
    if index == b.repeat_first:
        b.repeat_first = b.transactions[index].next
        b.transactions[index].next = -1
    else:
        b.cursor += 1
        queue_skip(b)


cdef inline int64_t queue_next_sending(const mb_batch* b, int64_t not_before, int64_t now) noexcept nogil:
    """When a batch may send again if only time stands in its way; -1 if something else does or nothing is left."""
    cdef int64_t due = -1, repeat = -1
    if b.cursor < b.count and not_before > now:
        due = not_before
    if b.repeat_first >= 0:
        repeat = max(not_before, b.transactions[b.repeat_first].not_before)
    return repeat if repeat > now and (due < 0 or repeat < due) else due


# ---------------------------------------------------------------------------------------------------- all batches

cdef struct mb_walk:                # over all batches, in the order of the queues
    const mb_queues* queues
    mb_batch* following             # NULL: the next queue's turn
    mb_batch* last                  # of this queue
    int priority


cdef inline bint queue_empty(const mb_queues* q) noexcept nogil:
    """Whether no batch waits for anything."""
    cdef int p
    for p in range(<int>PRIORITIES):
        if q.first[p] is not NULL:
            return False
    return True


cdef inline mb_walk queue_walk(const mb_queues* q) noexcept nogil:
    cdef mb_walk w
    w.queues = q
    w.following = w.last = NULL
    w.priority = -1
    return w


cdef inline mb_batch* queue_next(mb_walk* w) noexcept nogil:
    """The next batch, NULL after the last. It may leave its queue before the next is asked for."""
    cdef mb_batch* b
    while w.following is NULL:
        w.priority += 1
        if w.priority >= PRIORITIES:
            return NULL
        w.following = w.queues.first[w.priority]
        w.last = NULL if w.following is NULL else w.following.previous
    b = w.following
    w.following = NULL if b is w.last else b.next
    return b
