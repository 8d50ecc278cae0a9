# The checks of the serial framings: CRC-16 of RTU (sl 2.5.1.2) and LRC of ASCII (sl 2.5.2.2).

from libc.stdint cimport uint8_t, uint16_t


cdef inline uint16_t crc16(const uint8_t* data, size_t size) noexcept nogil:
    """CRC-16 with the reflected polynomial 0xA001, start value 0xFFFF; its low byte goes first on the wire."""
    cdef uint16_t crc = 0xFFFF
    cdef size_t i
    cdef int _bit
    for i in range(size):
        crc ^= data[i]
        for _bit in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


cdef inline uint8_t lrc(const uint8_t* data, size_t size) noexcept nogil:
    """The two's complement of the sum of all bytes."""
    cdef uint8_t total = 0
    cdef size_t i
    for i in range(size):
        total += data[i]
    return <uint8_t>(-total)
