# Framing with the deviations of real devices that a user may declare (spec.pxd, mb_quirk). Inline; only session.pyx
# uses it. What is not declared is recognised where that is certain, so that the error can name the option, and never
# accepted.

from libc.stdint cimport uint8_t, uint16_t

from fastmodbus._core.adu cimport *
from fastmodbus._core.checksum cimport crc16
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16


cdef inline bint _is_exception(const uint8_t* at) noexcept nogil:
    return at[MBAP_SIZE] & EXCEPTION_BIT != 0


cdef inline bint is_head(const uint8_t* at, size_t available) noexcept nogil:
    """Whether these bytes look like the header of a frame."""
    return available >= 6 and wire_load16(at + 2) == 0 and 2 <= wire_load16(at + 4) <= MAX_MBAP_LENGTH


cdef inline mb_framing quirk_read(const uint8_t* at, size_t available, uint8_t quirks, mb_frame* frame) noexcept nogil:
    """mbap_read, and exceptions whose MBAP length says 2 or 4 where it must be 3: nine bytes come in both cases."""
    cdef int length
    if available < 6 or wire_load16(at + 2) != 0:
        return mbap_read(at, available, frame)
    length = wire_load16(at + 4)
    if length != 2 and length != 4:
        return mbap_read(at, available, frame)
    frame.transaction_id = wire_load16(at)
    frame.fault = FAULT_NONE
    if available <= MBAP_SIZE:
        return FRAME_NEED_MORE
    if not _is_exception(at):
        return mbap_read(at, available, frame)
    frame.fault = FAULT_EXCEPTION_HEADER
    if length == 2 and not quirks & QUIRK_EXCEPTION_LENGTH:
        return FRAME_BROKEN                         # whether or not a code follows
    if available < MBAP_SIZE + 2:
        return FRAME_NEED_MORE
    if quirks & QUIRK_EXCEPTION_LENGTH:
        frame.fault = FAULT_NONE
        frame.unit = at[6]
        frame.size = MBAP_SIZE + 2
        frame.pdu_size = 2
        frame.pdu = at + MBAP_SIZE
        return FRAME_WHOLE
    if available > MBAP_SIZE + 2 and not is_head(at + MBAP_SIZE + 2, available - MBAP_SIZE - 2):
        return mbap_read(at, available, frame)      # its counted bytes are all there: one byte too many, framed well
    return FRAME_BROKEN


cdef inline uint16_t quirk_crc(const mb_frame* frame) noexcept nogil:
    """The RTU checksum of a frame's unit and PDU as a gateway leaks it, read from the wire like an id."""
    cdef uint16_t crc = crc16(frame.pdu - 1, frame.pdu_size + 1)
    return <uint16_t>(crc << 8 | crc >> 8)
