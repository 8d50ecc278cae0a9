# Jobs on the session under test: polls of every kind with rings of their own, and what must hold of their rows. The
# target without jobs calls the same functions, which find nothing to do.

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from fastmodbus._core.batch cimport *
from fastmodbus._core.schedule cimport job_advance, job_next, job_pause, mb_job, mb_poll, mb_ring
from fastmodbus._core.spec cimport *
from fastmodbus._core.values cimport QUALITY_EXCEPTION, QUALITY_GOOD, QUALITY_LINK, QUALITY_MISSED, QUALITY_SUSPENDED
from callers cimport MILLISECOND, span
from plant cimport UNITS
from source cimport *
from truth cimport *
from world cimport *


# ---------------------------------------------------------------------------------------------------- making them

cdef inline uint32_t _add_reads(
    mb_world* w, mb_source* source, mb_generation* g, int count, uint32_t at
) noexcept nogil:
    """One stage of so many reads, into the image from `at` on; where it ends."""
    cdef mb_work* work = &w.works[w.work_count]
    cdef mb_transaction* t
    cdef uint8_t limits = take(source)
    cdef int i
    work_start(work, count)
    work.polled = True
    work.batch.priority = PRIORITY_POLL
    work.batch.repeats = limits & 3
    work.batch.timeout = max(MILLISECOND, span(limits >> 2))
    for i in range(count):
        t = &work.transactions[i]
        t.unit = <uint8_t>(1 + take_below(source, UNITS))
        t.request.function = <uint8_t>(1 + (limits >> 5) % 4)
        t.request.address = <uint16_t>(2 * take(source))
        t.request.quantity = <uint16_t>(1 + take_below(source, QUANTITY))
        t.delivery = DELIVER_BITS if t.request.function <= FC_READ_DISCRETE_INPUTS else DELIVER_REGISTERS
        truth_learn(&work.truths[i], t, &w.plant)
        g.offsets[g.poll.reads] = at
        g.poll.reads += 1
        at += 2 * t.request.quantity
    g.stages[g.poll.stage_count] = &work.batch
    g.works[g.poll.stage_count] = w.work_count
    g.poll.stage_count += 1
    w.work_count += 1
    return at


cdef inline uint32_t _aligned(uint32_t size) noexcept nogil:
    return (size + 7) // 8 * 8


cdef inline void _make_ring(mb_generation* g, uint32_t image_size, int capacity) noexcept nogil:
    """As jobs.pyx lays it out."""
    cdef mb_ring* r = &g.poll.ring
    r.first = -1
    r.capacity = capacity
    r.image_size = image_size
    r.received_at = 8 * (1 + g.poll.reads)
    r.image_at = 8 * (1 + 2 * g.poll.reads)
    r.statuses_at = r.image_at + _aligned(image_size)
    r.stride = r.statuses_at + _aligned(g.poll.reads)
    r.memory = g.memory + GUARD
    memset(g.memory, PATTERN, sizeof(g.memory))
    memset(g.kept, PATTERN, sizeof(g.kept))


cdef inline int _new_generation(mb_world* w, mb_source* source) noexcept nogil:
    """A poll of up to two stages; its number, or -1 when there is no room for one more."""
    cdef mb_generation* g = &w.generations[w.generation_count]
    cdef uint32_t at = 0
    cdef int _
    if w.generation_count == GENERATIONS or w.work_count + STAGES > WORKS:
        return -1
    memset(g, 0, sizeof(mb_generation))
    g.poll.stages = g.stages
    g.poll.offsets = g.offsets
    for _ in range(take_below(source, STAGES + 1)):
        at = _add_reads(w, source, g, 1 + take_below(source, READS), at)
    _make_ring(g, at, 3 + take_below(source, 3))
    w.generation_count += 1
    return w.generation_count - 1


cdef inline void polls_start(mb_world* w, mb_source* source, int variety) noexcept nogil:
    """A job: on a grid or back to back, for so many rows, until some time, until a good row, or for ever."""
    cdef int64_t[8] every = [0, 1, 5, 20, 100, 1000, 3000, 50]
    cdef mb_polled* p = &w.polled[w.polled_count]
    cdef int which
    cdef uint8_t limits = take(source)
    if w.polled_count == POLLED:
        return
    which = _new_generation(w, source)
    if which < 0:
        return
    memset(p, 0, sizeof(mb_polled))
    p.generations[0] = which
    p.generation_count = 1
    p.job.poll = &w.generations[which].poll
    p.job.poll.ring.first = 0
    p.job.every = every[variety] * MILLISECOND
    p.start = p.job.due = w.now + span(limits)
    p.rows = p.job.rows_left = limits >> 4 if limits & 8 else -1
    p.job.done = p.rows == 0
    p.job.until = w.now + span(take(source)) if limits & 16 else INT64_MAX
    p.job.once = limits >> 7
    p.job.notify_at = take(source)
    p.job.watching = True
    w.polled_count += 1


cdef inline void polls_swap(mb_world* w, mb_source* source) noexcept nogil:
    """The next generation for a job; it takes over with the next row."""
    cdef mb_polled* p
    cdef int which
    if w.polled_count == 0:
        return
    p = &w.polled[take_below(source, w.polled_count)]
    if p.job.next_poll is not NULL:
        return
    which = _new_generation(w, source)
    if which < 0:
        return
    p.generations[p.generation_count] = which
    p.generation_count += 1
    p.job.next_poll = &w.generations[which].poll


# ---------------------------------------------------------------------------------------------------- what must hold

cdef inline const char* _check_read(
    const mb_polled* p, const mb_truth* truth, const mb_transaction* t, const uint8_t* image, uint8_t quality
) noexcept nogil:
    if quality & QUALITY_EXCEPTION:
        return NULL if p.tainted else check_exception(truth, quality & 0x7F)
    if quality != QUALITY_GOOD:
        return unless(quality <= QUALITY_SUSPENDED, b"no quality of a read")
    if p.tainted or truth.tainted:
        return NULL
    if truth.answer_size == 0 or truth.answer[0] & EXCEPTION_BIT:
        return b"a good read, though the device refuses it"
    if not truth.answered:
        return b"a good read without an answer to it"
    return unless(values_right(truth, t, image), b"a wrong value in a row")


cdef inline const char* _check_times(int64_t due, int64_t sent, int64_t received, uint8_t quality) noexcept nogil:
    return unless(quality != QUALITY_GOOD or due <= sent <= received, b"answered before it was asked, or its row due")


cdef inline void _check_asked(
    mb_world* w, const mb_polled* p, const mb_generation* g, const uint8_t* row
) noexcept nogil:
    """A row that was open: each read against its truth."""
    cdef const mb_ring* r = &g.poll.ring
    cdef const mb_work* work
    cdef uint8_t quality
    cdef int k, i, n = 0
    for k in range(g.poll.stage_count):
        work = &w.works[g.works[k]]
        for i in range(work.batch.count):
            quality = row[r.statuses_at + n]
            fail(w, _check_read(p, &work.truths[i], &work.transactions[i], row + r.image_at + g.offsets[n], quality))
            fail(w, _check_times((<const int64_t*>row)[0], (<const int64_t*>row)[1 + n],
                                 (<const int64_t*>(row + r.received_at))[n], quality))
            n += 1


cdef inline void _check_missed(mb_world* w, const mb_generation* g, const uint8_t* row) noexcept nogil:
    """A row that nobody asked for: its time was over before, or its units are left alone."""
    cdef const mb_ring* r = &g.poll.ring
    cdef uint32_t i
    for i in range(<uint32_t>g.poll.reads):
        if row[r.statuses_at + i] not in (QUALITY_LINK, QUALITY_MISSED, QUALITY_SUSPENDED):
            fail(w, b"a row that was not opened has another quality")


cdef inline void _check_due(mb_world* w, mb_polled* p, int64_t due, int64_t number) noexcept nogil:
    """The grid: every row at its instant, in order, none after the end."""
    if p.job.every and due != p.start + number * p.job.every:
        fail(w, b"a row is not on its grid")
    if due < p.last_due or due < p.start:
        fail(w, b"rows are out of order")
    if p.job.until != INT64_MAX and due >= p.job.until:
        fail(w, b"a row begins after the end")
    p.last_due = due


cdef inline void _check_rows(mb_world* w, mb_polled* p, mb_generation* g, int64_t asked) noexcept nogil:
    """The rows closed since the last look; `asked`: the number of the one that was open then."""
    cdef const mb_ring* r = &g.poll.ring
    cdef const uint8_t* row
    cdef int64_t n
    for n in range(max(g.checked, r.written - r.capacity + 1), r.written):  # the oldest's slot is the open row's
        row = r.memory + n % r.capacity * r.stride
        _check_due(w, p, (<const int64_t*>row)[0], r.first + n)
        if r.first + n == asked:
            _check_asked(w, p, g, row)
        else:
            _check_missed(w, g, row)
    if r.written != g.checked:
        memcpy(g.kept, g.memory, sizeof(g.memory))
        g.checked = r.written


cdef inline const char* _check_ring(const mb_generation* g) noexcept nogil:
    """Closed rows stay what they were, whatever arrives later, and nothing around the ring is written."""
    cdef const mb_ring* r = &g.poll.ring
    cdef uint32_t open_at = GUARD + <uint32_t>(r.written % r.capacity) * r.stride, behind = open_at + r.stride
    if memcmp(g.memory, g.kept, open_at) or memcmp(g.memory + behind, g.kept + behind, sizeof(g.memory) - behind):
        return b"a closed row was changed"
    return NULL


cdef inline void polls_check(mb_world* w) noexcept nogil:
    """After every step."""
    cdef const mb_polled* p
    cdef int k
    for k in range(w.generation_count):
        fail(w, _check_ring(&w.generations[k]))
    for k in range(w.polled_count):
        p = &w.polled[k]
        if p.rows >= 0 and p.job.row > p.rows:
            fail(w, b"more rows than were asked for")
        if p.job.counters.good > p.job.counters.rows or <int64_t>p.job.counters.rows != p.job.row:
            fail(w, b"rows are not counted right")


# ---------------------------------------------------------------------------------------------------- driving them

cdef inline void _forget_asked(mb_world* w, const mb_polled* p) noexcept nogil:
    """What is in flight of a job is nobody's any more: no later row may get its answer."""
    cdef const mb_generation* g
    cdef mb_work* work
    cdef int i, k, n
    for i in range(p.generation_count):
        g = &w.generations[p.generations[i]]
        for k in range(g.poll.stage_count):
            work = &w.works[g.works[k]]
            for n in range(work.batch.count):
                work.truths[n].answered = work.truths[n].tainted = False
                work.truths[n].codes = 0
            for n in range(w.first_unanswered, w.seen_count):
                if w.seen[n].work == g.works[k]:
                    w.seen[n].work = NULL_WORK


cdef inline void _advance(mb_world* w, mb_polled* p) noexcept nogil:
    cdef int64_t asked = p.job.row if p.job.open else -1
    cdef int i
    p.tainted = p.tainted or w.tainted
    job_advance(&p.job, &w.session, w.now)
    for i in range(p.generation_count):
        if w.generations[p.generations[i]].poll.ring.first >= 0:
            _check_rows(w, p, &w.generations[p.generations[i]], asked)
    if not p.job.open or p.job.row != asked:
        _forget_asked(w, p)
        p.tainted = w.tainted
    if job_next(&p.job) <= w.now:
        fail(w, b"a driver would not sleep for a job")


cdef inline void polls_advance(mb_world* w) noexcept nogil:
    cdef int k
    for k in range(w.polled_count):
        if not w.polled[k].paused:
            _advance(w, &w.polled[k])


cdef inline int64_t polls_next(mb_world* w) noexcept nogil:
    cdef int64_t next = INT64_MAX
    cdef int k
    for k in range(w.polled_count):
        if not w.polled[k].paused:
            next = min(next, job_next(&w.polled[k].job))
    return next


cdef inline void polls_pause(mb_world* w, int which) noexcept nogil:
    """Pause a job, or go on with it."""
    cdef mb_polled* p
    if w.polled_count == 0:
        return
    p = &w.polled[which % w.polled_count]
    p.paused = not p.paused
    if p.paused:
        job_pause(&p.job, &w.session)
        _forget_asked(w, p)


cdef inline void polls_end(mb_world* w) noexcept nogil:
    """The input is used up: jobs without an end are given one, the others go on."""
    cdef int k
    for k in range(w.polled_count):
        if w.polled[k].paused == (w.polled[k].rows >= 0 or w.polled[k].job.until != INT64_MAX):
            polls_pause(w, k)
