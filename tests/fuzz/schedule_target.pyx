"""Jobs on a session under the fuzzer: rows on their grid, whatever callers, network and device do meanwhile.

The input is a program as that of the session's target, with steps of its own: jobs begin, are paused and go on, and get
another plan. polls.pxd says what must hold of each row: that it is there, when, and with which values.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc

from driver cimport *
from plant cimport plant_start
from polls cimport polls_pause, polls_start, polls_swap
from source cimport *
from steps cimport side_step
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
    else:
        side_step(w, source, side, step, variety)
    pass_time(w)


cdef void _begin(mb_world* w, mb_source* source) noexcept nogil:
    polls_start(w, source, take_below(source, 8))


cdef const char* schedule_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL."""
    return world_run(world, data, size, _begin, _step)


RUN = <size_t>&schedule_run


def run(const uint8_t[::1] data not None):
    """What goes wrong with this input, or None."""
    cdef const char* wrong = schedule_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
