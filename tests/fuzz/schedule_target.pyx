"""Jobs on a session under the fuzzer: rows on their grid, whatever callers, network and device do meanwhile.

The input is a program as that of the session's target, with steps of its own: jobs begin, are paused and go on, and get
another plan. polls.pxd says what must hold of each row: that it is there, when, and with which values.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc

from fastmodbus._core.session cimport session_free
from driver cimport *
from plant cimport plant_start
from polls cimport polls_pause, polls_start, polls_swap
from source cimport *
from steps cimport caller_step, device_step, network_step
from world cimport *

cdef mb_world* world = <mb_world*>calloc(1, sizeof(mb_world))
if world is NULL:
    raise MemoryError
plant_start(&world.plant)


cdef void _job_step(mb_world* w, mb_source* source, int step, int variety) noexcept nogil:
    if step == 5:
        polls_start(w, source, variety)
    elif step == 6:
        polls_swap(w, source)
    else:
        polls_pause(w, variety)


cdef void _step(mb_world* w, mb_source* source) noexcept nogil:
    """One byte: two bits for the side, three for the step, three for its variety."""
    cdef uint8_t code = take(source)
    cdef int side = code & 3, step = code >> 2 & 7, variety = code >> 5
    if side == 0 and step >= 5:
        _job_step(w, source, step, variety)
    elif side == 0:
        caller_step(w, source, step, variety)
    elif side == 1:
        network_step(w, source, step, variety)
    else:
        device_step(w, source, step, variety)
        if side == 2:           # else what was said stays on the line
            arrive(w, w.line_size)
    pass_time(w)


cdef const char* schedule_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL."""
    cdef mb_world* w = world
    cdef mb_source source
    cdef int steps = 0
    source.at = data
    source.left = size
    if world_start(w, &source):
        connect(w)
        polls_start(w, &source, take_below(&source, 8))
        while source.left and steps < STEPS and w.wrong is NULL:
            _step(w, &source)
            world_check(w)
            steps += 1
        world_finish(w)
    session_free(&w.session)
    return w.wrong


RUN = <size_t>&schedule_run


def run(const uint8_t[::1] data not None):
    """What goes wrong with this input, or None."""
    cdef const char* wrong = schedule_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
