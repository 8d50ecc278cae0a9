"""The session under the fuzzer: whatever callers, kernel, network and device may do, in any order, as the input says.

The input is a program for the two sides of one session. It makes batches of every kind, lets bytes leave and arrive cut
anywhere, lets time pass, loses and makes connections, and has the device answer well, late, twice, wrongly, or with
arbitrary bytes behind a right header. After every step and at the end the results are held against truth.pxd. When the
input is used up, time alone must bring everything to its end.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc

from driver cimport *
from plant cimport plant_start
from source cimport *
from steps cimport side_step
from world cimport *

cdef mb_world* world = <mb_world*>calloc(1, sizeof(mb_world))
if world is NULL:
    raise MemoryError
plant_start(&world.plant)


cdef void _step(mb_world* w, mb_source* source) noexcept nogil:
    """One byte: two bits for the side, three for the step, three for its variety."""
    cdef uint8_t code = take(source)
    cdef int side = code & 3, step = code >> 2 & 7, variety = code >> 5
    side_step(w, source, side, step, variety)


cdef const char* session_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL."""
    return world_run(world, data, size, NULL, _step)


RUN = <size_t>&session_run


def run(const uint8_t[::1] data not None):
    """What the session does wrong with this input, or None."""
    cdef const char* wrong = session_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
