"""What is due when: jobs on a grid of time, and the rows they fill. Sans-I/O, in monotonic nanoseconds.

The rules. The grid is absolute: row n is due at start + n * every, whatever happened before. Every grid point gets a
row, in order. A row is opened at its instant, or, when the driver comes late, at once; one whose whole period has
passed is written as MISSED without being asked for. Its reads go out as one batch a stage, whose deadline is the next
grid point.
A row is closed when its last read is over or its time is, whatever comes first; what is in flight then is orphaned, so
that a late answer reaches nobody's memory. With every=0 a row begins when the one before is over.

Memory is that of the polls: batches are used again for every row, and answers are written straight into the open row
of the ring. Nothing here allocates. The Python objects that own the memory are in jobs.pyx.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from fastmodbus._core.batch cimport *
from fastmodbus._core.queue cimport queue_answered, queue_skip
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.statistics cimport histogram_bucket
from fastmodbus._core.units cimport unit_suspended
from fastmodbus._core.values cimport *

cdef enum:
    SECOND = 1000000000
    LONGEST_REST = 30               # seconds


# ---------------------------------------------------------------------------------------------------- rows

cdef inline uint8_t* _row(const mb_ring* r) noexcept nogil:
    """The row that is being written."""
    return r.memory + r.written % r.capacity * r.stride


cdef void _publish(mb_job* j, uint8_t worst) noexcept nogil:
    """The row that was being written is there for whoever reads."""
    j.poll.ring.written += 1
    j.row += 1
    j.counters.rows += 1
    j.counters.good += worst == QUALITY_GOOD
    if j.rows_left > 0:
        j.rows_left -= 1
    if j.rows_left == 0 or (j.once and worst == QUALITY_GOOD):
        j.done = j.news = True
    if j.row >= j.notify_at:
        j.notify_at = INT64_MAX
        j.bell = True


cdef void _write_missed(mb_job* j, uint8_t quality) noexcept nogil:
    """The row of an instant at which nobody could ask."""
    cdef mb_ring* r = &j.poll.ring
    cdef uint8_t* row = _row(r)
    memset(row, 0, r.stride)
    (<int64_t*>row)[0] = j.due
    memset(row + r.statuses_at, quality, j.poll.reads)
    j.counters.missed += 1
    _publish(j, quality)
    j.due += j.every


cdef void _skip_missed(mb_job* j, const mb_session* s, int64_t now) noexcept nogil:
    """Write the rows whose time is over; of more than the ring holds only the last, as the others would be lost."""
    cdef int64_t count = (now - j.due) // j.every
    cdef int64_t more
    if j.until != INT64_MAX:
        count = min(count, (j.until - j.due + j.every - 1) // j.every)
    if j.rows_left >= 0:
        count = min(count, j.rows_left)
    more = count - j.poll.ring.capacity
    if more > 0:
        j.due += more * j.every
        j.row += more
        j.poll.ring.written += more
        j.counters.rows += more
        j.counters.missed += more
        if j.rows_left > 0:
            j.rows_left -= more
        count -= more
    for _ in range(max(<int64_t>0, count)):
        _write_missed(j, QUALITY_LINK if s.state != SESSION_UP else QUALITY_MISSED)


# ---------------------------------------------------------------------------------------------------- opening a row

cdef void _rest(mb_job* j, bint suspended, int64_t now) noexcept nogil:
    """Ask silent units ever more seldom: after 1 s, 2 s, 4 s and so on."""
    j.news = j.news or j.suspended != suspended
    j.suspended = suspended
    if not suspended:
        j.rest = j.rest_until = 0
    elif now >= j.rest_until:
        j.rest = min(max(<int64_t>SECOND, 2 * j.rest), <int64_t>LONGEST_REST * SECOND)
        j.rest_until = now + j.rest


cdef bint _any_suspended(const mb_poll* p, const mb_session* s) noexcept nogil:
    cdef int32_t k, i
    for k in range(p.stage_count):
        for i in range(p.stages[k].count):
            if unit_suspended(&s.units, p.stages[k].transactions[i].unit):
                return True
    return False


cdef void _prepare(mb_job* j, mb_batch* b, const uint32_t* offsets, uint8_t* image) noexcept nogil:
    """A batch as it was before its first use, with the open row as its target."""
    cdef int32_t i
    cdef mb_transaction* t
    b.cursor = 0
    b.unfinished = b.count
    b.repeat_first = b.repeat_last = -1
    b.stopped = False
    b.deadline = j.closes
    b.late = j.late
    for i in range(b.count):
        t = &b.transactions[i]
        t.status = ST_QUEUED
        t.fault = t.exception = t.tries = t.left = t.hastened = t.crowd = 0
        t.first_id = 0
        t.next = -1
        t.sent = t.answered = t.not_before = 0
        t.target = image + offsets[i]


cdef void _give_up_resting(mb_job* j, mb_batch* b, const mb_session* s, int64_t now) noexcept nogil:
    """Leave out what goes to units that are left alone for now."""
    cdef int32_t i
    cdef mb_transaction* t
    for i in range(b.count):
        t = &b.transactions[i]
        if unit_suspended(&s.units, t.unit):
            t.status = ST_SUSPENDED
            b.unfinished -= 1
    queue_skip(b)


cdef void _open(mb_job* j, mb_session* s, int64_t now) noexcept nogil:
    cdef int32_t k, at = 0
    cdef bint resting
    cdef mb_ring* r
    if j.next_poll is not NULL:
        j.poll = j.next_poll
        j.next_poll = NULL
        j.poll.ring.first = j.row
    r = &j.poll.ring
    if j.every == 0:
        j.due = now
    j.open = True
    j.down = s.state != SESSION_UP
    j.losses = s.counters.losses
    j.closes = j.due + j.every if j.every else INT64_MAX
    j.stage = 0
    resting = now < j.rest_until
    _rest(j, _any_suspended(j.poll, s), now)
    (<int64_t*>_row(r))[0] = j.due
    for k in range(j.poll.stage_count):
        _prepare(j, j.poll.stages[k], j.poll.offsets + at, _row(r) + r.image_at)
        if j.suspended and resting:
            _give_up_resting(j, j.poll.stages[k], s, now)
        at += j.poll.stages[k].count
    j.asking = j.poll.stages[0] if j.poll.stage_count else NULL
    if j.asking is not NULL:
        session_submit(s, j.asking)


# ---------------------------------------------------------------------------------------------------- closing a row

cdef uint8_t _unasked(const mb_job* j, const mb_session* s, const mb_transaction* t) noexcept nogil:
    """The quality of a read that waits to be sent, or to be sent again, when its row is closed."""
    if queue_answered(t):
        return QUALITY_EXCEPTION | EXC_SERVER_DEVICE_BUSY
    if s.state != SESSION_UP or j.down or s.counters.losses != j.losses:
        return QUALITY_LINK
    if t.sent:
        return QUALITY_TIMEOUT
    return QUALITY_SUSPENDED if unit_suspended(&s.units, t.unit) else QUALITY_MISSED


cdef uint8_t _quality(const mb_job* j, const mb_session* s, const mb_transaction* t) noexcept nogil:
    if t.status == ST_OK:
        return QUALITY_GOOD
    if t.status == ST_EXCEPTION:
        return QUALITY_EXCEPTION | t.exception
    if t.status == ST_QUEUED:
        return _unasked(j, s, t)
    if t.status == ST_SENT or t.status == ST_TIMEOUT:
        return QUALITY_TIMEOUT
    if t.status == ST_PROTOCOL:
        return QUALITY_PROTOCOL
    if t.status == ST_SUSPENDED:
        return QUALITY_SUSPENDED
    if t.status == ST_DEADLINE:
        return QUALITY_TIMEOUT if t.sent else QUALITY_MISSED
    return QUALITY_MISSED if t.status == ST_CANCELLED else QUALITY_LINK


cdef void _note_read(mb_job* j, const mb_transaction* t, uint8_t quality) noexcept nogil:
    j.counters.retries += max(0, t.tries - 1)
    if quality == QUALITY_GOOD:
        j.counters.round_trips[histogram_bucket(t.answered - t.sent)] += 1
    elif j.watching and t.status == ST_EXCEPTION:
        if EXC_ILLEGAL_DATA_ADDRESS <= t.exception <= EXC_SERVER_DEVICE_FAILURE:
            j.refused = j.news = True


cdef void _write_reads(
    mb_job* j, const mb_session* s, uint8_t* row, uint8_t* worst, int64_t* first_sent
) noexcept nogil:
    """What became of each read, and when."""
    cdef mb_poll* p = j.poll
    cdef int64_t* sent = <int64_t*>(row + sizeof(int64_t))
    cdef int64_t* received = <int64_t*>(row + p.ring.received_at)
    cdef uint8_t* statuses = row + p.ring.statuses_at
    cdef int32_t k, i, n = 0
    cdef mb_transaction* t
    j.late = False
    for k in range(p.stage_count):
        for i in range(p.stages[k].count):
            t = &p.stages[k].transactions[i]
            statuses[n] = _quality(j, s, t)
            sent[n] = t.sent
            received[n] = t.answered if t.answered >= t.sent else 0
            worst[0] = max(worst[0], statuses[n])
            j.late = j.late or statuses[n] == QUALITY_MISSED
            if t.sent:
                first_sent[0] = min(first_sent[0], t.sent)
            _note_read(j, t, statuses[n])
            n += 1


cdef void _close(mb_job* j, mb_session* s, int64_t now) noexcept nogil:
    cdef uint8_t worst = QUALITY_GOOD
    cdef int64_t first_sent = INT64_MAX
    cdef int32_t k
    _write_reads(j, s, _row(&j.poll.ring), &worst, &first_sent)
    for k in range(j.stage + 1 if j.poll.stage_count else 0):
        session_detach(s, j.poll.stages[k], ST_DEADLINE)
    if first_sent != INT64_MAX:
        j.counters.lateness[histogram_bucket(max(<int64_t>0, first_sent - j.due))] += 1
    j.counters.missed += j.late
    j.open = False
    if j.every:
        j.due += j.every
    else:
        j.due = now if first_sent != INT64_MAX else max(now, j.due + SECOND)   # nobody to ask: no reason to hurry
    _publish(j, worst)


cdef bint _next_stage(mb_job* j, mb_session* s) noexcept nogil:
    """Begin the stages that are to come as far as they have something to ask; False after the last one."""
    while j.stage + 1 < j.poll.stage_count:
        j.stage += 1
        j.asking = j.poll.stages[j.stage]
        if j.asking.unfinished:
            session_submit(s, j.asking)
            return True
    return False


cdef bint _over(mb_job* j, mb_session* s, int64_t now) noexcept nogil:
    """Whether the open row is to be closed; sends its next stage on its way when one is due."""
    if now >= j.closes or j.asking is NULL:
        return True
    if j.asking.unfinished == 0 and not _next_stage(j, s):
        return True
    if j.every == 0 and (s.state == SESSION_UP) != (j.closes == INT64_MAX):
        # Back to back nothing but the answers ends a row; without a connection there are none.
        j.closes = j.asking.deadline = INT64_MAX if s.state == SESSION_UP else now + j.asking.timeout
    return False


# ---------------------------------------------------------------------------------------------------- for drivers

cdef void job_advance(mb_job* j, mb_session* s, int64_t now) noexcept nogil:
    """Close and open whatever rows are to be closed and opened by now. Call it before session_expire: a batch whose
    deadline is the end of its row is taken back here, where it is known why it is not over."""
    while True:
        if j.open:
            if not _over(j, s, now):
                return
            _close(j, s, now)
        if j.done or now < j.due:
            return
        if j.every:
            _skip_missed(j, s, now)
        if (j.due if j.every else now) >= j.until:
            j.done = j.news = True
        if j.done or now < j.due:
            return
        _open(j, s, now)


cdef int64_t job_next(const mb_job* j) noexcept nogil:
    """When job_advance has something to do if no answer comes before."""
    if j.open:
        return j.closes
    return INT64_MAX if j.done else j.due


cdef void job_pause(mb_job* j, mb_session* s) noexcept nogil:
    """The session is no longer driven for this job; when it is again, an open row begins anew if there is time left."""
    cdef int32_t k
    if j.open:
        for k in range(j.poll.stage_count):
            session_detach(s, j.poll.stages[k], ST_CANCELLED)
    j.open = False
