"""The codec under the fuzzer: framing of arbitrary bytes, requests read and written, answers judged.

The first byte says which part of the codec gets the rest. Bytes stand in memory of exactly their size, so that the
address sanitizer sees whoever reads beyond them.

Owned by tests/fuzz. RUN is the address of the target, for main.c; run() is for Python. One thread at a time.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from fastmodbus._core.adu cimport *
from fastmodbus._core.pdu cimport *
from fastmodbus._core.quirks cimport *
from fastmodbus._core.spec cimport *
from source cimport unless

cdef const char* _check_frame(const mb_frame* frame, const uint8_t* at, size_t size) noexcept nogil:
    if frame.size < MBAP_SIZE + 1 or <size_t>frame.size > size or frame.pdu != at + MBAP_SIZE:
        return b"a frame beyond the bytes received"
    if frame.pdu_size < 1 or frame.pdu_size > MAX_PDU or MBAP_SIZE + frame.pdu_size > frame.size:
        return b"a PDU beyond its frame"
    return NULL


cdef const char* _frames(const uint8_t* data, size_t size) noexcept nogil:
    """A stream, with the quirks that its first byte names.

    What is there early must not turn into something else. Only behind an exception that counts one byte too many more
    bytes tell more: whether that one was the next frame's first.
    """
    cdef mb_frame frame, early
    cdef uint8_t quirks = data[0] & 15 if size else 0
    cdef size_t at = min(size, 1)
    cdef mb_framing state, before
    cdef const char* wrong
    while True:
        state = quirk_read(data + at, size - at, quirks, &frame)
        if size > at:
            before = quirk_read(data + at, (size - at) // 2, quirks, &early)
            if before == FRAME_WHOLE and not early.pdu[0] & EXCEPTION_BIT and (
                state != FRAME_WHOLE or early.size != frame.size
            ):
                return b"a whole frame changes when more bytes come"
        if state != FRAME_WHOLE:
            return unless(state == FRAME_NEED_MORE or frame.fault != FAULT_NONE, b"broken without a fault")
        wrong = _check_frame(&frame, data + at, size - at)
        if wrong is not NULL:
            return wrong
        at += frame.size


cdef const char* _lines(const uint8_t* data, size_t size) noexcept nogil:
    """One RTU and one ASCII frame: what is taken must be written the same way."""
    cdef uint8_t[2 * MAX_ADU + 8] out
    cdef uint8_t[MAX_PDU + 2] raw
    cdef mb_frame frame
    cdef int count
    if rtu_read(data, size, &frame):
        memcpy(out + 1, frame.pdu, frame.pdu_size)
        if rtu_write(out, frame.unit, frame.pdu_size) != <int>size or memcmp(out, data, size) != 0:
            return b"an RTU frame is written differently"
    count = ascii_read(raw, data, size)
    if count and (ascii_write(out, raw, count) != <int>size or memcmp(out, data, size) != 0):
        return b"an ASCII frame is written differently"
    return NULL


cdef const char* _request(const uint8_t* data, size_t size) noexcept nogil:
    """A request that is understood is written the same way."""
    cdef uint8_t[MAX_PDU] out
    cdef mb_request request
    if not pdu_parse(&request, data, <int>min(size, MAX_PDU + 1)):
        return NULL
    if request.size and (request.data < data or request.data + request.size > data + size):
        return b"a request's data lie outside of it"
    if pdu_limits(&request) and (pdu_write(out, &request) != <int>size or memcmp(out, data, size) != 0):
        return b"a request is written differently"
    return NULL


cdef int _values(const mb_request* r) noexcept nogil:
    """How many bytes the values of a good answer must have; -1 where the request does not say."""
    if r.form == FORM_OPAQUE:
        return -1
    if r.function == FC_READ_COILS or r.function == FC_READ_DISCRETE_INPUTS:
        return bytes_for_bits(r.quantity)
    if r.function <= FC_READ_INPUT_REGISTERS or r.function == FC_READ_WRITE_REGISTERS:
        return 2 * r.quantity
    return -1


cdef const char* _judged(const mb_request* request, const uint8_t* pdu, int size) noexcept nogil:
    cdef mb_answer answer
    cdef int expected = _values(request)
    pdu_check(request, pdu, size, &answer)
    if answer.status == ST_PROTOCOL:
        return unless(answer.fault != FAULT_NONE, b"refused without a fault")
    if answer.status == ST_EXCEPTION:
        return unless(size == 2 and pdu[0] & EXCEPTION_BIT, b"an exception that is none")
    if answer.status != ST_OK or pdu[0] != request.function:
        return b"an answer to another function is good"
    if answer.data < pdu or answer.data + answer.size > pdu + size:
        return b"values beyond the answer"
    if expected >= 0 and (answer.size != expected or pdu_expected(request) != size):
        return b"a good answer with too many or too few values"
    return NULL


cdef const char* _answer(const uint8_t* data, size_t size) noexcept nogil:
    """The first byte is the length of a request, which follows; the rest is its answer."""
    cdef mb_request request
    cdef int head = min(<int>data[0], <int>size - 1) if size else 0
    cdef int rest = <int>size - 1 - head
    cdef uint8_t* pdu
    cdef const char* wrong = NULL
    if rest < 0 or not pdu_parse(&request, data + 1, head) or not pdu_limits(&request):
        return NULL
    pdu = <uint8_t*>malloc(max(rest, 1))
    if pdu is not NULL:
        memcpy(pdu, data + 1 + head, rest)
        wrong = _judged(&request, pdu, rest)
        if rest > 0 and pdu_announced(pdu, rest) < 0:
            wrong = b"an answer announces less than nothing"
    free(pdu)
    return wrong


cdef const char* codec_run(const uint8_t* data, size_t size) noexcept nogil:
    """What is wrong, or NULL."""
    cdef uint8_t* copy
    cdef const char* wrong
    cdef int part
    if size == 0:
        return NULL
    copy = <uint8_t*>malloc(max(size - 1, <size_t>1))
    if copy is NULL:
        return NULL
    memcpy(copy, data + 1, size - 1)
    part = data[0] & 3
    if part == 0:
        wrong = _frames(copy, size - 1)
    elif part == 1:
        wrong = _lines(copy, size - 1)
    elif part == 2:
        wrong = _request(copy, size - 1)
    else:
        wrong = _answer(copy, size - 1)
    free(copy)
    return wrong


RUN = <size_t>&codec_run


def run(const uint8_t[::1] data not None):
    """What the codec does wrong with this input, or None."""
    cdef const char* wrong = codec_run(&data[0] if data.shape[0] else NULL, data.shape[0])
    return wrong.decode() if wrong is not NULL else None
