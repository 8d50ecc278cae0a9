# What every target needs: the fuzzer's input as numbers, and the result of a check. Choices are read from the input's
# beginning to its end. Used up, it gives zeros, so that each input means something and the shortest ones mean the
# plainest things.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

cdef struct mb_source:
    const uint8_t* at
    size_t left


cdef inline uint8_t take(mb_source* source) noexcept nogil:
    if source.left == 0:
        return 0
    source.left -= 1
    source.at += 1
    return (source.at - 1)[0]


cdef inline uint16_t take16(mb_source* source) noexcept nogil:
    return <uint16_t>(take(source) << 8 | take(source))


cdef inline int take_below(mb_source* source, int bound) noexcept nogil:
    """0 to bound - 1."""
    return take(source) % bound


cdef inline void take_bytes(mb_source* source, uint8_t* out, size_t size) noexcept nogil:
    cdef size_t given = min(size, source.left)
    if given:
        memcpy(out, source.at, given)
    memset(out + given, 0, size - given)
    source.at += given
    source.left -= given


cdef inline const char* unless(bint right, const char* wrong) noexcept nogil:
    """What a check returns: NULL, or what is wrong."""
    return NULL if right else wrong
