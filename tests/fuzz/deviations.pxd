# What a device says that it should not, or not like that: wrong frames of every kind, around values that no request
# may get. Each kind is recognisable for certain, so that a spoilt value that is delivered is an error of the session;
# where the specification leaves it open what is right, the transaction counts as tainted.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memset

from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16, wire_store16
from source cimport *
from truth cimport *
from world cimport *

cdef enum mb_deviation:
    OTHER_UNIT = 0
    OTHER_FUNCTION
    OTHER_EXCEPTION
    SHORTER
    LONGER
    LYING_LENGTH
    LYING_COUNT
    PROTOCOL_ID
    EXCEPTION_HEADER
    EXCEPTION_SIZE
    ZERO_ID
    ZERO_UNIT
    CHECKSUM
    OTHER_ECHO
    ANY_PDU
    DEVIATIONS


cdef inline void _taint(mb_world* w, const mb_seen* seen) noexcept nogil:
    if seen.work != NULL_WORK:
        truth_of(w, seen).tainted = True


cdef inline bint _open_ended(mb_world* w, const mb_seen* seen) noexcept nogil:
    """Whether a shorter or longer answer may be right as well."""
    cdef const mb_truth* truth = truth_of(w, seen)
    if truth is NULL or truth.answer_size == 0 or truth.answer[0] & EXCEPTION_BIT:
        return True
    return seen.function >= FC_ENCAPSULATED_INTERFACE


cdef inline bint _echoes(uint8_t function) noexcept nogil:
    return (FC_WRITE_COIL <= function <= FC_WRITE_REGISTER or FC_WRITE_COILS <= function <= FC_WRITE_REGISTERS
            or FC_WRITE_FILE_RECORD <= function <= FC_MASK_WRITE_REGISTER)


cdef inline int _misjudged(mb_world* w, mb_seen* seen, int kind, int n, uint8_t* pdu, int size) noexcept nogil:
    """Deviations inside of the PDU; returns its size."""
    if kind == OTHER_FUNCTION:
        pdu[0] ^= 0x10
    elif kind == OTHER_EXCEPTION:
        pdu[0] = (pdu[0] ^ 0x10) | EXCEPTION_BIT
        pdu[1] = exception_code(n % CODES)
        size = 2
    elif kind == SHORTER:
        size = max(1, size - 1 - n % 8)
    elif kind == LONGER:
        memset(pdu + size, 0xEE, 1 + n % 8)
        size += 1 + n % 8
    elif kind == LYING_COUNT:
        pdu[1] += <uint8_t>(1 + n % 255)
    elif kind == EXCEPTION_SIZE:
        pdu[0] = seen.function | EXCEPTION_BIT
        size = 1 if n & 1 else 3 + n % 8
        if w.session.quirks & QUIRK_EXCEPTION_LENGTH:
            _taint(w, seen)
    if kind in (SHORTER, LONGER) and _open_ended(w, seen):
        _taint(w, seen)
    elif kind == LYING_COUNT and (_open_ended(w, seen) or seen.function in (
        FC_READ_EXCEPTION_STATUS, FC_GET_COMM_EVENT_COUNTER
    )):
        _taint(w, seen)
    return size


cdef inline void _say_misframed(mb_world* w, mb_seen* seen, int kind, int n, uint8_t* out, int size) noexcept nogil:
    """Deviations of the header."""
    cdef int whole = frame_start(out, seen.transaction_id, seen.unit, size)
    if kind == OTHER_UNIT:
        out[6] += 10
    elif kind == PROTOCOL_ID:
        wire_store16(out + 2, <uint16_t>(1 + n))
    elif kind == LYING_LENGTH:
        wire_store16(out + 4, <uint16_t>(wire_load16(out + 4) + (1 + n % 6 if n & 128 else -1 - n % 6)))
        if _open_ended(w, seen):
            _taint(w, seen)
    world_says(w, out, whole)


cdef inline void _say_exception_header(mb_world* w, mb_seen* seen, int n, uint8_t* out) noexcept nogil:
    """An exception whose MBAP length is 2 or 4."""
    frame_start(out, seen.transaction_id, seen.unit, 2)
    wire_store16(out + 4, 2 if n & 1 else 4)
    out[7] = seen.function | EXCEPTION_BIT
    out[8] = exception_code(n % CODES)
    note_answer(w, seen, out + 7, 2)
    world_says(w, out, 9)


cdef inline void _say_right(mb_world* w, mb_seen* seen, int kind, uint8_t* out) noexcept nogil:
    """The right answer, but with id 0, with unit 0, or with a checksum behind it."""
    cdef int size = right_pdu(w, seen, out + 7)
    cdef uint8_t quirk = QUIRK_ZERO_ID if kind == ZERO_ID else QUIRK_ZERO_UNIT
    if size == 0 or (kind == ZERO_ID and spoken_for(w, 0)):
        return                  # the latter would be the answer to another request
    if kind == CHECKSUM or w.session.quirks & quirk:
        note_answer(w, seen, out + 7, size)
    seen.answered = True
    size = frame_start(
        out, 0 if kind == ZERO_ID else seen.transaction_id, 0 if kind == ZERO_UNIT else seen.unit, size
    )
    world_says(w, out, frame_checksum(out, size) if kind == CHECKSUM else size)


cdef inline void _say_any(mb_world* w, mb_seen* seen, mb_source* source, uint8_t* out) noexcept nogil:
    """A frame with the right header around arbitrary bytes."""
    cdef int size = 1 + take_below(source, 40)
    take_bytes(source, out + 7, size)
    _taint(w, seen)
    world_says(w, out, frame_start(out, seen.transaction_id, seen.unit, size))


cdef inline void deviate(mb_world* w, mb_seen* seen, mb_source* source) noexcept nogil:
    cdef uint8_t[FRAME] out
    cdef int kind = take_below(source, DEVIATIONS), n = take(source), size
    memset(out, 0, FRAME)       # some say more than was written: the same every time
    if kind != CHECKSUM or not w.session.quirks & QUIRK_TRAILING_CRC:
        w.clean = False
    seen.answered = True
    if kind == ANY_PDU:
        _say_any(w, seen, source, out)
        return
    if kind == EXCEPTION_HEADER:
        _say_exception_header(w, seen, n, out)
        return
    if kind in (ZERO_ID, ZERO_UNIT, CHECKSUM):
        _say_right(w, seen, kind, out)
        return
    if kind == OTHER_ECHO and _echoes(seen.function) and not _open_ended(w, seen):
        size = right_pdu(w, seen, out + 7)
        out[8 + n % (size - 1)] ^= <uint8_t>(1 + n % 255)
    else:
        size = _misjudged(w, seen, kind, n, out + 7, spoilt_pdu(w, seen, out + 7))
        kind = OTHER_UNIT if kind == OTHER_ECHO else kind
    _say_misframed(w, seen, kind, n, out, size)
