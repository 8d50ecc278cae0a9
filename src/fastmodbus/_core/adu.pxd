# Framing: bytes -> (unit, transaction id, PDU), "need more" or "broken", for MBAP; wrapping and checking of whole RTU
# and ASCII frames. Inline, no state: whoever owns a buffer calls it. Sources: mg 3.1.3; sl 2.5.

from libc.stdint cimport uint8_t, uint16_t

from fastmodbus._core.checksum cimport crc16, lrc
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16, wire_store16

cdef struct mb_frame:
    uint16_t transaction_id
    uint8_t unit
    uint8_t fault               # mb_fault when broken
    int size                    # bytes of the whole frame
    int pdu_size
    const uint8_t* pdu

cdef enum mb_framing:
    FRAME_NEED_MORE = 0
    FRAME_WHOLE = 1
    FRAME_BROKEN = 2


cdef inline mb_framing mbap_read(const uint8_t* at, size_t available, mb_frame* frame) noexcept nogil:
    """Frame the bytes at `at`. A header that cannot be right is broken as soon as its bytes are there."""
    cdef int length
    frame.fault = FAULT_NONE
    if available < 4:
        return FRAME_NEED_MORE
    frame.transaction_id = wire_load16(at)
    if wire_load16(at + 2) != 0:
        frame.fault = FAULT_PROTOCOL_ID
        return FRAME_BROKEN
    if available < 6:
        return FRAME_NEED_MORE
    length = wire_load16(at + 4)
    if length < MIN_MBAP_LENGTH or length > MAX_MBAP_LENGTH:
        frame.fault = FAULT_ADU_LENGTH
        return FRAME_BROKEN
    if available < <size_t>(6 + length):
        return FRAME_NEED_MORE
    frame.unit = at[6]
    frame.size = 6 + length
    frame.pdu_size = length - 1
    frame.pdu = at + MBAP_SIZE
    return FRAME_WHOLE


cdef inline int mbap_write(uint8_t* out, uint16_t transaction_id, uint8_t unit, int pdu_size) noexcept nogil:
    """Write the header before a PDU that already stands at out + MBAP_SIZE; returns the size of the ADU."""
    wire_store16(out, transaction_id)
    wire_store16(out + 2, 0)
    wire_store16(out + 4, <uint16_t>(pdu_size + 1))
    out[6] = unit
    return MBAP_SIZE + pdu_size


cdef inline int rtu_write(uint8_t* out, uint8_t unit, int pdu_size) noexcept nogil:
    """Wrap a PDU that already stands at out + 1; returns the size of the ADU. The CRC's low byte goes first."""
    cdef uint16_t crc
    out[0] = unit
    crc = crc16(out, 1 + pdu_size)
    out[1 + pdu_size] = crc & 0xFF
    out[2 + pdu_size] = crc >> 8
    return 3 + pdu_size


cdef inline bint rtu_read(const uint8_t* at, size_t size, mb_frame* frame) noexcept nogil:
    """Unwrap one whole RTU frame, as silence on the line delimits it. False when its size or CRC is wrong."""
    if size < 4 or size > MAX_RTU_ADU:
        return False
    if crc16(at, size - 2) != (at[size - 2] | (at[size - 1] << 8)):
        return False
    frame.unit = at[0]
    frame.transaction_id = 0
    frame.size = <int>size
    frame.pdu_size = <int>size - 3
    frame.pdu = at + 1
    return True


cdef inline uint8_t _hex_digit(uint8_t value) noexcept nogil:
    return value + (48 if value < 10 else 55)


cdef inline int _hex_value(uint8_t digit) noexcept nogil:
    if 48 <= digit <= 57:
        return digit - 48
    if 65 <= digit <= 70:
        return digit - 55
    return -1


cdef inline int ascii_write(uint8_t* out, const uint8_t* unit_and_pdu, int size) noexcept nogil:
    """':' , two hexadecimal digits a byte, LRC, CR LF; returns the number of characters (at most 2 * size + 5)."""
    cdef int i
    cdef uint8_t byte
    out[0] = 58
    for i in range(size + 1):
        byte = unit_and_pdu[i] if i < size else lrc(unit_and_pdu, size)
        out[1 + 2 * i] = _hex_digit(byte >> 4)
        out[2 + 2 * i] = _hex_digit(byte & 15)
    out[2 * size + 3] = 13
    out[2 * size + 4] = 10
    return 2 * size + 5


cdef inline int ascii_read(uint8_t* out, const uint8_t* at, size_t size) noexcept nogil:
    """Unwrap one whole ASCII frame into unit and PDU bytes; returns their number, 0 when the frame is wrong."""
    cdef int count = <int>((size - 5) >> 1), i, high, low
    if size < 9 or not (size & 1) or count > 1 + MAX_PDU:
        return 0
    if at[0] != 58 or at[size - 2] != 13 or at[size - 1] != 10:
        return 0
    for i in range(count + 1):
        high = _hex_value(at[1 + 2 * i])
        low = _hex_value(at[2 + 2 * i])
        if high < 0 or low < 0:
            return 0
        if i < count:
            out[i] = <uint8_t>(high << 4 | low)
        elif <uint8_t>(high << 4 | low) != lrc(out, count):
            return 0
    return count
