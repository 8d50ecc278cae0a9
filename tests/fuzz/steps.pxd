# What the device and the program of an input do: the device answers well, late, twice, wrongly, or with arbitrary bytes
# behind a right header; a step is one thing that a caller, the network or the device does. Shared by the targets that
# have a session.

from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint16_t

from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from callers cimport *
from deviations cimport deviate
from driver cimport *
from plant cimport UNITS
from source cimport *
from truth cimport *
from world cimport *

# ---------------------------------------------------------------------------------------------------- the device

cdef inline void answer(mb_world* w, int which) noexcept nogil:
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


cdef inline void answer_all(mb_world* w, int which, int count) noexcept nogil:
    cdef int _
    for _ in range(count):
        if world_pending(w, 0) is NULL:
            return
        answer(w, which)


cdef inline void refuse(mb_world* w, int which, int code) noexcept nogil:
    cdef uint8_t[FRAME] out
    cdef mb_seen* seen = world_pending(w, which)
    if seen is NULL:
        return
    frame_start(out, seen.transaction_id, seen.unit, 2)
    out[7] = seen.function | EXCEPTION_BIT
    out[8] = exception_code(code % CODES)
    note_answer(w, seen, out + 7, 2)
    world_says(w, out, 9)


cdef inline void say_unasked(mb_world* w, uint16_t transaction_id, int unit) noexcept nogil:
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


cdef inline void repeat_answer(mb_world* w, int which) noexcept nogil:
    if w.seen_count and w.seen[which % w.seen_count].answered:
        say_unasked(w, w.seen[which % w.seen_count].transaction_id, which)


cdef inline void say_anything(mb_world* w, mb_source* source) noexcept nogil:
    cdef uint8_t[64] out
    cdef int size = 1 + take_below(source, 63)
    take_bytes(source, out, size)
    w.clean = False
    w.tainted = True
    world_says(w, out, size)


cdef inline void say_wrongly(mb_world* w, mb_source* source, int which) noexcept nogil:
    cdef mb_seen* seen = world_pending(w, which)
    if seen is not NULL:
        deviate(w, seen, source)


cdef inline void work_on(mb_world* w, int rounds, int64_t delay) noexcept nogil:
    """Some rounds of what usually happens: requests go, time passes, answers come."""
    cdef int _
    for _ in range(rounds):
        pass_time(w)
        send(w, UINT32_MAX, -1)
        w.now += delay
        answer_all(w, 0, 64)
        arrive(w, w.line_size)
        if w.session.state != SESSION_UP:
            return


# ---------------------------------------------------------------------------------------------------- the program

cdef inline void caller_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if step == 0:
        submit(w, ask_read(w, source, variety))
    elif step == 1:
        submit(w, ask_write(w, source, variety))
    elif step == 2:
        submit(w, ask_request(w, source, variety))
    elif step == 3:
        submit(w, ask_exchange(w, source))
    elif step == 4:
        detach(w, take(source))
    elif step == 5 and variety & 1:
        session_abandon(&w.session, ST_CLOSED if variety & 2 else ST_UNREACHABLE)
    else:
        w.session.window.unit_limit[1 + take_below(source, UNITS)] = <uint16_t>(variety & 3)


cdef inline void network_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if step == 0:
        send(w, UINT32_MAX, -1)
    elif step == 1:
        send(w, take(source), take(source) if variety & 1 else -1)
    elif step == 2:
        arrive(w, min(w.line_size, 1 + take(source)))
    elif step == 3:
        w.now += span(variety)
        pass_time(w)
    elif step == 4:
        sleep(w)
    elif step == 5:
        lose(w)
    elif step == 6:
        connect(w)
    elif variety == 7:
        session_distrust(&w.session, FAULT_LEFT_OVER)
        w.clean = False
    elif variety == 6:
        go_round(w, 1 + take_below(source, 32))
    else:
        w.session.event_count = 0


cdef inline void device_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if w.session.state != SESSION_UP:
        return
    if step == 0:
        answer(w, variety)
    elif step == 1:
        answer_all(w, variety, 1 + take_below(source, 64))
    elif step == 2:
        refuse(w, variety, take(source))
    elif step == 3:
        say_wrongly(w, source, variety)
    elif step == 4:
        repeat_answer(w, take(source))
    elif step == 5:
        say_unasked(w, take16(source), variety)
    elif step == 6:
        say_anything(w, source)
    else:
        work_on(w, 1 + take_below(source, 40), span(variety))


cdef inline void side_step(mb_world* w, mb_source* source, int side, int step, int variety) noexcept nogil:
    if side == 0:
        caller_step(w, source, step, variety)
    elif side == 1:
        network_step(w, source, step, variety)
    else:
        device_step(w, source, step, variety)
        if side == 2:           # else what was said stays on the line
            arrive(w, w.line_size)
