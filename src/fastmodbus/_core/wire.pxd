# Bytes on the wire: big-endian loads and stores, swap-copy of registers, packing of bits. The only file of the core
# that knows byte order. Pointers into a frame have any alignment, so everything goes through memcpy.

from libc.stdint cimport uint8_t, uint16_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define FM_BIG_ENDIAN 1
    #define FM_SWAP16(v) (v)
    #else
    #define FM_BIG_ENDIAN 0
    #define FM_SWAP16(v) ((uint16_t)(((v) >> 8) | ((v) << 8)))
    #endif

    static inline uint16_t wire_load16(const uint8_t *at) {
        uint16_t value;
        memcpy(&value, at, 2);
        return FM_SWAP16(value);
    }

    static inline uint16_t wire_native16(const uint8_t *at) {
        uint16_t value;
        memcpy(&value, at, 2);
        return value;
    }

    static inline void wire_store16(uint8_t *at, uint16_t value) {
        value = FM_SWAP16(value);
        memcpy(at, &value, 2);
    }

    /* Eight registers at once: compilers find this by themselves, but not without storing every block twice. */
    #if defined(__SSE2__) || defined(_M_X64)
    #include <emmintrin.h>
    static inline void wire_swap_8(uint8_t *to, const uint8_t *from) {
        __m128i v = _mm_loadu_si128((const __m128i *)from);
        _mm_storeu_si128((__m128i *)to, _mm_or_si128(_mm_slli_epi16(v, 8), _mm_srli_epi16(v, 8)));
    }
    #elif defined(__ARM_NEON) && !FM_BIG_ENDIAN
    #include <arm_neon.h>
    static inline void wire_swap_8(uint8_t *to, const uint8_t *from) { vst1q_u8(to, vrev16q_u8(vld1q_u8(from))); }
    #else
    static inline void wire_swap_8(uint8_t *to, const uint8_t *from) {
        uint16_t values[8];
        memcpy(values, from, sizeof values);
        for (int k = 0; k < 8; k++) values[k] = FM_SWAP16(values[k]);
        memcpy(to, values, sizeof values);
    }
    #endif

    /* Serves both directions; `to` and `from` do not overlap. The last block may swap again what was swapped before. */
    static inline void wire_swap_copy(uint8_t *to, const uint8_t *from, size_t registers) {
        size_t i = 0;
        if (registers < 8) {
            for (; i < registers; i++) wire_store16(to + 2 * i, wire_native16(from + 2 * i));
            return;
        }
        for (; i + 32 <= registers; i += 32) {
            wire_swap_8(to + 2 * i, from + 2 * i);
            wire_swap_8(to + 2 * i + 16, from + 2 * i + 16);
            wire_swap_8(to + 2 * i + 32, from + 2 * i + 32);
            wire_swap_8(to + 2 * i + 48, from + 2 * i + 48);
        }
        for (; i + 8 < registers; i += 8) wire_swap_8(to + 2 * i, from + 2 * i);
        wire_swap_8(to + 2 * (registers - 8), from + 2 * (registers - 8));
    }

    /* Eight bits become eight bytes of 0 or 1 at once: every byte of the product keeps one bit, then becomes 1. */
    static inline void wire_unpack_bits(uint8_t *to, const uint8_t *from, size_t bits) {
        size_t whole = bits >> 3, i, k;
        for (i = 0; i < whole; i++, to += 8) {
    #if FM_BIG_ENDIAN
            for (k = 0; k < 8; k++) to[k] = (from[i] >> k) & 1;
    #else
            uint64_t spread = (from[i] * 0x0101010101010101ULL) & 0x8040201008040201ULL;
            spread = ((spread + 0x7f7f7f7f7f7f7f7fULL) >> 7) & 0x0101010101010101ULL;
            memcpy(to, &spread, 8);
    #endif
        }
        for (k = 0; k < (bits & 7); k++) to[k] = (from[whole] >> k) & 1;
    }

    /* Any byte but 0 counts as on; the bits that fill up the last byte are 0 (ap 6.11). */
    static inline void wire_pack_bits(uint8_t *to, const uint8_t *from, size_t bits) {
        memset(to, 0, (bits + 7) >> 3);
        for (size_t i = 0; i < bits; i++) to[i >> 3] |= (uint8_t)((from[i] != 0) << (i & 7));
    }
    """
    uint16_t wire_load16(const uint8_t* at) noexcept nogil
    void wire_store16(uint8_t* at, uint16_t value) noexcept nogil
    void wire_swap_copy(uint8_t* to, const uint8_t* source, size_t registers) noexcept nogil
    void wire_unpack_bits(uint8_t* to, const uint8_t* source, size_t bits) noexcept nogil
    void wire_pack_bits(uint8_t* to, const uint8_t* source, size_t bits) noexcept nogil
