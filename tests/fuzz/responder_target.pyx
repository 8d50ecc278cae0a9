"""The device's side under the fuzzer: any stream of requests, in any pieces, to three units.

Whatever is asked, each request has one answer, in its order, that a client accepts as an answer to it; no table is
written beyond its end. Requests can be made well formed, so that inputs get past the header.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from cpython.pythread cimport PyThread_allocate_lock
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from fastmodbus._core.adu cimport *
from fastmodbus._core.bank cimport mb_rule
from fastmodbus._core.pdu cimport *
from fastmodbus._core.responder cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16
from plant cimport *
from source cimport *

cdef enum:
    ROOM = 8192

cdef struct mb_state:
    mb_plant plant
    mb_units units
    mb_rule rules[2]
    uint8_t stream[ROOM]
    int size

cdef mb_state* state = <mb_state*>calloc(1, sizeof(mb_state))
if state is NULL:
    raise MemoryError
plant_start(&state.plant)
for number in range(UNITS):
    state.plant.units[number].bank.lock = PyThread_allocate_lock()
    state.plant.pristine[number].bank.lock = state.plant.units[number].bank.lock
    state.plant.pristine[number].bank.rules = state.rules
    state.units.by_unit[1 + number] = &state.plant.units[number].bank
state.units.first = state.units.by_unit[1]


cdef void _start(mb_source* source) noexcept nogil:
    cdef int i
    memcpy(state.plant.units, state.plant.pristine, sizeof(state.plant.units))
    state.units.unknown = take_below(source, 3)
    for i in range(2):
        state.rules[i].area = take(source) & 3
        state.rules[i].start = 2 * take(source)
        state.rules[i].stop = state.rules[i].start + take(source)
        state.rules[i].times = take(source) % 4 - 1
        state.rules[i].code = 1 + take(source) % 11
    for i in range(UNITS):
        state.plant.units[i].bank.rule_count = i if i < 2 else 0
    state.size = 0


cdef void _say(mb_source* source) noexcept nogil:
    """One request behind the others: a frame around arbitrary bytes, or arbitrary bytes."""
    cdef uint8_t* at = state.stream + state.size
    cdef uint8_t kind = take(source)
    cdef int size = 1 + kind % 32
    if kind & 128:
        size = 1 + take(source)
    if state.size + MAX_ADU + 8 > ROOM:
        return
    if kind & 96 == 96:
        take_bytes(source, at, size)
        state.size += size
        return
    mbap_write(at, <uint16_t>(take(source) << 8 | state.size & 0xFF), 1 + take(source) % 4, size)
    take_bytes(source, at + MBAP_SIZE, size)
    state.size += MBAP_SIZE + size


cdef const char* _check_answer(const uint8_t* asked, int asked_size, const uint8_t* answered, int size) noexcept nogil:
    """A client's judgement of one answer: it must be an answer to this request, or an exception."""
    cdef mb_request request
    cdef mb_answer answer
    if memcmp(asked, answered, 2) != 0 or wire_load16(answered + 2) != 0 or answered[6] != asked[6]:
        return b"an answer to nobody's request"
    if wire_load16(answered + 4) != size - 6 or size > MAX_ADU or size < MBAP_SIZE + 2:
        return b"an answer with a wrong length"
    if not pdu_parse(&request, asked + MBAP_SIZE, asked_size - MBAP_SIZE):
        return unless(answered[7] & EXCEPTION_BIT, b"a malformed request is answered")
    pdu_check(&request, answered + MBAP_SIZE, size - MBAP_SIZE, &answer)
    if answer.status == ST_PROTOCOL:
        return b"an answer that no client accepts"
    if answer.status == ST_EXCEPTION and not 1 <= answer.exception <= 11:
        return b"an exception that is none"
    return NULL


cdef const char* _check_spans(const mb_receive* receive, const uint8_t* asked) noexcept nogil:
    cdef size_t i, at = 0, used = 0
    cdef const char* wrong
    for i in range(receive.count):
        if receive.spans[i].answer:
            wrong = _check_answer(asked + used, receive.spans[i].request, receive.answers + at, receive.spans[i].answer)
            if wrong is not NULL:
                return wrong
        used += receive.spans[i].request
        at += receive.spans[i].answer
    if used != receive.used or at != receive.size or receive.size > receive.capacity:
        return b"the parts are not the whole"
    return NULL


cdef const char* _receive(size_t available, Py_ssize_t capacity, bint first_only, size_t* used) noexcept nogil:
    cdef mb_receive receive
    cdef const char* wrong = NULL
    memset(&receive, 0, sizeof(mb_receive))
    if responder_answer(&state.units, state.stream + used[0], available, capacity, first_only, &receive):
        wrong = _check_spans(&receive, state.stream + used[0])
        used[0] += receive.used
        if receive.fault != FAULT_NONE:
            used[0] = state.size
    free(receive.answers)
    free(receive.spans)
    return wrong


cdef const char* _check_tables() noexcept nogil:
    """What no request can write is as it was."""
    cdef int i
    cdef const mb_unit* unit
    cdef const mb_unit* pristine
    for i in range(UNITS):
        unit = &state.plant.units[i]
        pristine = &state.plant.pristine[i]
        if memcmp(unit.registers[0], pristine.registers[0], sizeof(unit.registers[0])) != 0:
            return b"an input register was written"
        if memcmp(unit.bits[1], pristine.bits[1], sizeof(unit.bits[1])) != 0:
            return b"a discrete input was written"
        if memcmp(unit.queued, pristine.queued, sizeof(unit.queued)) != 0:
            return b"a queue was written"
        if unit.file.data != unit.records or unit.queue.data != unit.queued or unit.file.size != RECORDS:
            return b"a bank was overwritten"
    return NULL


cdef const char* responder_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL. The stream comes in pieces, each as long as the input says."""
    cdef mb_source source
    cdef const char* wrong = NULL
    cdef size_t used = 0
    cdef Py_ssize_t capacity
    cdef bint first_only
    source.at = data
    source.left = size
    _start(&source)
    capacity = <Py_ssize_t>(take(&source) % 8) - 1
    first_only = take(&source) & 1
    while source.left and wrong is NULL and used <= <size_t>state.size:
        _say(&source)
        wrong = _receive(min(<size_t>state.size - used, <size_t>take(&source) * 4), capacity, first_only, &used)
    if wrong is NULL and used < <size_t>state.size:
        wrong = _receive(state.size - used, capacity, first_only, &used)
    return _check_tables() if wrong is NULL else wrong


RUN = <size_t>&responder_run


def run(const uint8_t[::1] data not None):
    """What the device's side does wrong with this input, or None."""
    cdef const char* wrong = responder_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
