"""The session under the fuzzer: whatever callers, kernel, network and device may do, in any order, as the input says.

The input is a program for the two sides of one session. It makes batches of every kind, lets bytes leave and arrive cut
anywhere, lets time pass, loses and makes connections, and has the device answer well, late, twice, wrongly, or with
arbitrary bytes behind a right header. After every step and at the end the results are held against truth.pxd. When the
input is used up, time alone must bring everything to its end.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from libc.stdint cimport INT64_MAX, UINT32_MAX, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcpy, memmove

from fastmodbus._core.answers cimport *
from fastmodbus._core.batch cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from callers cimport *
from deviations cimport deviate
from plant cimport *
from source cimport *
from truth cimport *
from world cimport *

cdef enum:
    SECOND = 1000000000
    STEPS = 400                 # of one input

cdef mb_world* world = <mb_world*>calloc(1, sizeof(mb_world))
if world is NULL:
    raise MemoryError
plant_start(&world.plant)


# ---------------------------------------------------------------------------------------------------- what callers do

cdef void _submit(mb_world* w, mb_work* work) noexcept nogil:
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


cdef void _detach(mb_world* w, int which) noexcept nogil:
    if w.work_count:
        w.works[which % w.work_count].detached = True
        session_detach(&w.session, &w.works[which % w.work_count].batch, ST_CANCELLED)


# ---------------------------------------------------------------------------------------------------- kernel, network

cdef void _send(mb_world* w, uint32_t size, int withdrawn) noexcept nogil:
    """Let the kernel take up to `size` bytes; `withdrawn`: a batch that is detached while it has them, or -1."""
    cdef mb_session* s = &w.session
    session_fill(s, w.now)
    if s.state != SESSION_UP:
        return
    size = min(size, s.output_size - s.output_sent)
    world_sees(w, size)
    if withdrawn >= 0:
        s.output_lent = True
        _detach(w, withdrawn)
        s.output_lent = False
    session_sent(s, size, w.now)


cdef void _arrive(mb_world* w, int size) noexcept nogil:
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


cdef void _lose(mb_world* w) noexcept nogil:
    session_lost(&w.session, w.now)
    world_forget(w)


cdef void _connect(mb_world* w) noexcept nogil:
    if w.session.state == SESSION_BROKEN:
        _lose(w)
    if w.session.state == SESSION_DOWN:
        session_connected(&w.session, w.now)


cdef void _go_round(mb_world* w, int back) noexcept nogil:
    """So many requests later ids come again. What is on its way would be too old for that."""
    if w.line_size == 0:
        w.session.window.next_id -= <uint16_t>back


cdef bint _sleep(mb_world* w) noexcept nogil:
    """What a driver does: expire, send, sleep exactly until something is due. False when nothing ever is."""
    cdef int64_t until
    session_expire(&w.session, w.now)
    _send(w, UINT32_MAX, -1)
    if w.session.state != SESSION_UP or w.session.output_size:
        return True
    until = session_next_deadline(&w.session, w.now)
    if until == INT64_MAX:
        return False
    if until <= w.now:
        fail(w, b"a driver would not sleep")
    w.now = max(w.now, until)
    session_expire(&w.session, w.now)
    return True


# ---------------------------------------------------------------------------------------------------- the device

cdef void _answer(mb_world* w, int which) noexcept nogil:
    cdef uint8_t[FRAME] out
    cdef mb_seen* seen = world_pending(w, which)
    cdef int size
    if seen is NULL:
        return
    size = right_pdu(w, seen, out + 7)
    note_answer(w, seen, out + 7, size)
    if size:
        size = frame_start(out, seen.transaction_id, seen.unit, size)
        world_says(w, out, size)


cdef void _answer_all(mb_world* w, int which, int count) noexcept nogil:
    cdef int _
    for _ in range(count):
        if world_pending(w, 0) is NULL:
            return
        _answer(w, which)


cdef void _refuse(mb_world* w, int which, int code) noexcept nogil:
    cdef uint8_t[FRAME] out
    cdef mb_seen* seen = world_pending(w, which)
    if seen is NULL:
        return
    frame_start(out, seen.transaction_id, seen.unit, 2)
    out[7] = seen.function | EXCEPTION_BIT
    out[8] = exception_code(code % CODES)
    note_answer(w, seen, out + 7, 2)
    world_says(w, out, 9)


cdef void _say_unasked(mb_world* w, uint16_t transaction_id, int unit) noexcept nogil:
    """An answer to an id that nobody waits for: a duplicate, a foreign one."""
    cdef uint8_t[FRAME] out
    if spoken_for(w, transaction_id):
        return
    if w.session.quirks & QUIRK_ZERO_ID and transaction_id == 0:
        w.tainted = True        # the one answer that cannot be told from the right one
    frame_start(out, transaction_id, <uint8_t>(1 + unit % UNITS), 4)
    out[7] = 3
    out[8] = 2
    out[9] = out[10] = 0xEE
    w.clean = w.clean and transaction_id != 0
    world_says(w, out, 11)


cdef void _repeat_answer(mb_world* w, int which) noexcept nogil:
    if w.seen_count and w.seen[which % w.seen_count].answered:
        _say_unasked(w, w.seen[which % w.seen_count].transaction_id, which)


cdef void _say_anything(mb_world* w, mb_source* source) noexcept nogil:
    cdef uint8_t[64] out
    cdef int size = 1 + take_below(source, 63)
    take_bytes(source, out, size)
    w.clean = False
    w.tainted = True
    world_says(w, out, size)


cdef void _deviate(mb_world* w, mb_source* source, int which) noexcept nogil:
    cdef mb_seen* seen = world_pending(w, which)
    if seen is not NULL:
        deviate(w, seen, source)


cdef void _work_on(mb_world* w, int rounds, int64_t delay) noexcept nogil:
    """Some rounds of what usually happens: requests go, time passes, answers come."""
    cdef int _
    for _ in range(rounds):
        session_expire(&w.session, w.now)
        _send(w, UINT32_MAX, -1)
        w.now += delay
        _answer_all(w, 0, 64)
        _arrive(w, w.line_size)
        if w.session.state != SESSION_UP:
            return


# ---------------------------------------------------------------------------------------------------- the program

cdef void _caller_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if step == 0:
        _submit(w, ask_read(w, source, variety))
    elif step == 1:
        _submit(w, ask_write(w, source, variety))
    elif step == 2:
        _submit(w, ask_request(w, source, variety))
    elif step == 3:
        _submit(w, ask_exchange(w, source))
    elif step == 4:
        _detach(w, take(source))
    elif step == 5 and variety & 1:
        session_abandon(&w.session, ST_CLOSED if variety & 2 else ST_UNREACHABLE)
    else:
        w.session.window.unit_limit[1 + take_below(source, UNITS)] = <uint16_t>(variety & 3)


cdef void _network_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if step == 0:
        _send(w, UINT32_MAX, -1)
    elif step == 1:
        _send(w, take(source), take(source) if variety & 1 else -1)
    elif step == 2:
        _arrive(w, min(w.line_size, 1 + take(source)))
    elif step == 3:
        w.now += span(variety)
        session_expire(&w.session, w.now)
    elif step == 4:
        _sleep(w)
    elif step == 5:
        _lose(w)
    elif step == 6:
        _connect(w)
    elif variety == 7:
        session_distrust(&w.session, FAULT_LEFT_OVER)
        w.clean = False
    elif variety == 6:
        _go_round(w, 1 + take_below(source, 32))
    else:
        w.session.event_count = 0


cdef void _device_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if w.session.state != SESSION_UP:
        return
    if step == 0:
        _answer(w, variety)
    elif step == 1:
        _answer_all(w, variety, 1 + take_below(source, 64))
    elif step == 2:
        _refuse(w, variety, take(source))
    elif step == 3:
        _deviate(w, source, variety)
    elif step == 4:
        _repeat_answer(w, take(source))
    elif step == 5:
        _say_unasked(w, take16(source), variety)
    elif step == 6:
        _say_anything(w, source)
    else:
        _work_on(w, 1 + take_below(source, 40), span(variety))


cdef void _step(mb_world* w, mb_source* source) noexcept nogil:
    """One byte: two bits for the side, three for the step, three for its variety."""
    cdef uint8_t code = take(source)
    cdef int side = code & 3, step = code >> 2 & 7, variety = code >> 5
    if side == 0:
        _caller_step(w, source, step, variety)
    elif side == 1:
        _network_step(w, source, step, variety)
    else:
        _device_step(w, source, step, variety)
        if side == 2:           # else what was said stays on the line
            _arrive(w, w.line_size)


cdef bint _start(mb_world* w, mb_source* source) noexcept nogil:
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
    w.work_count = 0
    w.now = <int64_t>1000 * SECOND
    w.clean = True
    w.wrong = NULL
    world_forget(w)
    return made


cdef void _check(mb_world* w) noexcept nogil:
    cdef const mb_session* s = &w.session
    cdef int i
    for i in range(w.work_count):
        if not w.works[i].settled:
            fail(w, work_check(&w.works[i], w.now, w.clean, w.tainted))
    if not 0 <= s.window.in_flight <= s.window.limit:
        fail(w, b"more in flight than the window")
    if s.output_sent > s.output_size or s.output_size > s.output_capacity or s.input_size > s.input_capacity:
        fail(w, b"a buffer has overflown")
    if s.sending_done > s.sending_count or s.sending_count > s.window.limit:
        fail(w, b"more to send than in flight")


cdef bint _unfinished(const mb_world* w) noexcept nogil:
    cdef int i
    for i in range(w.work_count):
        if w.works[i].batch.unfinished:
            return True
    return False


cdef void _finish(mb_world* w) noexcept nogil:
    """With time alone, without any answer, everything ends and the session is empty."""
    cdef int i, _, steps = 0
    while _unfinished(w) and w.wrong is NULL:
        _connect(w)
        if not _sleep(w) and _unfinished(w):
            fail(w, b"nothing is due, and something is unfinished")
        steps += 1
        if steps > 100 * STEPS:
            fail(w, b"it never ends")
        _check(w)
    for _ in range(4):
        w.now += <int64_t>1000 * SECOND
        session_expire(&w.session, w.now)
    if w.session.window.in_flight:
        fail(w, b"in flight for nobody, for ever")
    for i in range(w.work_count):
        fail(w, work_check(&w.works[i], w.now, w.clean, w.tainted))
        fail(w, work_check_memory(&w.works[i]))


cdef const char* session_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL."""
    cdef mb_world* w = world
    cdef mb_source source
    cdef int steps = 0
    source.at = data
    source.left = size
    if _start(w, &source):
        _connect(w)
        while source.left and steps < STEPS and w.wrong is NULL:
            _step(w, &source)
            _check(w)
            steps += 1
        _finish(w)
    session_free(&w.session)
    return w.wrong


RUN = <size_t>&session_run


def run(const uint8_t[::1] data not None):
    """What the session does wrong with this input, or None."""
    cdef const char* wrong = session_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
