# The driver of the session under test, and its kernel: what a loop or a calling thread does with the session's verbs,
# in the same order; and what must hold after each step. With jobs it keeps their schedules, as the loop does.

from libc.stdint cimport INT64_MAX, UINT32_MAX, int64_t, uint8_t, uint32_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy, memmove

from fastmodbus._core.answers cimport *
from fastmodbus._core.batch cimport *
from fastmodbus._core.expiry cimport *
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from callers cimport MILLISECOND
from polls cimport polls_advance, polls_check, polls_end, polls_next
from source cimport *
from truth cimport *
from world cimport *

cdef enum:
    SECOND = 1000000000
    STEPS = 400                 # of one input

# ---------------------------------------------------------------------------------------------------- what callers do

cdef inline void submit(mb_world* w, mb_work* work) noexcept nogil:
    cdef int i
    if work is NULL:
        return
    for i in range(work.batch.count):
        truth_learn(&work.truths[i], &work.transactions[i], &w.plant)
        if work.transactions[i].flags & FN_WRITE:
            work.batch.priority = PRIORITY_WRITE
            work.batch.submitted = w.now
    w.work_count += 1
    session_submit(&w.session, &work.batch)


cdef inline void detach(mb_world* w, int which) noexcept nogil:
    if w.work_count and not w.works[which % w.work_count].polled:
        w.works[which % w.work_count].detached = True
        session_detach(&w.session, &w.works[which % w.work_count].batch, ST_CANCELLED)


# ---------------------------------------------------------------------------------------------------- kernel, network

cdef inline void send(mb_world* w, uint32_t size, int withdrawn) noexcept nogil:
    """Let the kernel take up to `size` bytes; `withdrawn`: a batch that is detached while it has them, or -1."""
    cdef mb_session* s = &w.session
    session_fill(s, w.now)
    if s.state != SESSION_UP:
        return
    size = min(size, s.output_size - s.output_sent)
    world_sees(w, size)
    if withdrawn >= 0:
        s.output_lent = True
        detach(w, withdrawn)
        s.output_lent = False
    session_sent(s, size, w.now)


cdef inline void arrive(mb_world* w, int size) noexcept nogil:
    """`size` bytes of what the device said come in, in as many receives as the chunks make them."""
    cdef mb_session* s = &w.session
    cdef uint32_t part
    cdef int at = 0
    while at < size and s.state == SESSION_UP:
        part = min(<uint32_t>(size - at), s.input_capacity - s.input_size)
        if w.chunk:
            part = min(part, <uint32_t>w.chunk)
        if part == 0:
            fail(w, b"no room to receive into")
            return
        memcpy(s.input + s.input_size, w.line + at, part)
        session_received(s, part, w.now)
        at += <int>part
    memmove(w.line, w.line + size, w.line_size - size)
    w.line_size -= size


cdef inline void lose(mb_world* w) noexcept nogil:
    session_lost(&w.session, w.now)
    world_forget(w)


cdef inline void connect(mb_world* w) noexcept nogil:
    if w.session.state == SESSION_BROKEN:
        lose(w)
    if w.session.state == SESSION_DOWN:
        session_connected(&w.session, w.now)


cdef inline void go_round(mb_world* w, int back) noexcept nogil:
    """So many requests later ids come again. What is on its way would be too old for that."""
    if w.line_size == 0:
        w.session.window.next_id -= <uint16_t>back


cdef inline void pass_time(mb_world* w) noexcept nogil:
    polls_advance(w)
    session_expire(&w.session, w.now)


cdef inline bint sleep(mb_world* w) noexcept nogil:
    """What a driver does: expire, send, sleep exactly until something is due. False when nothing ever is."""
    cdef int64_t until
    pass_time(w)
    send(w, UINT32_MAX, -1)
    if w.session.state != SESSION_UP or w.session.output_size:
        return True
    until = min(session_next_deadline(&w.session, w.now), polls_next(w))
    if until == INT64_MAX:
        return False
    if until <= w.now:
        fail(w, b"a driver would not sleep")
    w.now = max(w.now, until)
    pass_time(w)
    return True


cdef inline bint world_start(mb_world* w, mb_source* source) noexcept nogil:
    cdef uint8_t[6] windows = [1, 2, 3, 8, 16, 64]
    cdef uint8_t options = take(source)
    cdef mb_session* s = &w.session
    cdef bint made = session_allocate(s, windows[take_below(source, 6)], options & 1)
    s.random = 88172645463325252
    s.pipeline_writes = options & 2
    s.request_gap = MILLISECOND if options & 4 else 0
    s.connect_delay = 5 * MILLISECOND if options & 8 else 0
    s.quirks = options >> 4
    w.chunk = take_below(source, 16)
    s.window.next_id = take16(source)
    if w.chunk & 8:
        s.trace.ring = <uint8_t*>malloc(1024)
        s.trace.capacity = 1024 if s.trace.ring is not NULL else 0
    w.work_count = w.generation_count = w.polled_count = 0
    w.now = <int64_t>1000 * SECOND
    w.clean = True
    w.wrong = NULL
    world_forget(w)
    return made


cdef inline void world_check(mb_world* w) noexcept nogil:
    cdef const mb_session* s = &w.session
    cdef int i
    for i in range(w.work_count):
        if not w.works[i].settled and not w.works[i].polled:
            fail(w, work_check(&w.works[i], w.now, w.clean, w.tainted))
    polls_check(w)
    if not 0 <= s.window.in_flight <= s.window.limit:
        fail(w, b"more in flight than the window")
    if s.output_sent > s.output_size or s.output_size > s.output_capacity or s.input_size > s.input_capacity:
        fail(w, b"a buffer has overflown")
    if s.sending_done > s.sending_count or s.sending_count > s.window.limit:
        fail(w, b"more to send than in flight")


cdef inline bint world_unfinished(mb_world* w) noexcept nogil:
    cdef int i
    for i in range(w.work_count):
        if w.works[i].batch.unfinished and not w.works[i].polled:
            return True
    return polls_next(w) != INT64_MAX


cdef inline void world_finish(mb_world* w) noexcept nogil:
    """With time alone, without any answer, everything ends and the session is empty."""
    cdef int i, _, steps = 0
    polls_end(w)
    while world_unfinished(w) and w.wrong is NULL:
        connect(w)
        if not sleep(w) and world_unfinished(w):
            fail(w, b"nothing is due, and something is unfinished")
        steps += 1
        if steps > 100 * STEPS:
            fail(w, b"it never ends")
        world_check(w)
    for _ in range(4):
        w.now += <int64_t>1000 * SECOND
        pass_time(w)
    if w.session.window.in_flight:
        fail(w, b"in flight for nobody, for ever")
    for i in range(w.work_count):
        if not w.works[i].polled:
            fail(w, work_check(&w.works[i], w.now, w.clean, w.tainted))
            fail(w, work_check_memory(&w.works[i]))


# ---------------------------------------------------------------------------------------------------- a whole input

ctypedef void (*mb_part)(mb_world* w, mb_source* source) noexcept nogil


cdef inline const char* world_run(
    mb_world* w, const uint8_t* data, size_t size, mb_part begin, mb_part step
) noexcept nogil:
    """What is wrong, or NULL. `begin`: what comes before the steps; NULL for nothing."""
    cdef mb_source source
    cdef int steps = 0
    source.at = data
    source.left = size
    if world_start(w, &source):
        connect(w)
        if begin is not NULL:
            begin(w, &source)
        while source.left and steps < STEPS and w.wrong is NULL:
            step(w, &source)
            world_check(w)
            steps += 1
        world_finish(w)
    session_free(&w.session)
    return w.wrong
