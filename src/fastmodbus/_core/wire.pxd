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

    static inline void wire_store16(uint8_t *at, uint16_t value) {
        value = FM_SWAP16(value);
        memcpy(at, &value, 2);
    }

    /* So many registers that compilers keep them in vectors. */
    #define FM_SWAP_BLOCK(n) \
        static inline void wire_swap_##n(uint8_t *to, const uint8_t *from) { \
            uint16_t values[n]; \
            memcpy(values, from, sizeof values); \
            for (int k = 0; k < n; k++) values[k] = FM_SWAP16(values[k]); \
            memcpy(to, values, sizeof values); \
        }
    FM_SWAP_BLOCK(16)
    FM_SWAP_BLOCK(8)
    FM_SWAP_BLOCK(1)

    /* Serves both directions; `to` and `from` do not overlap. The last block may swap again what was swapped before. */
    static inline void wire_swap_copy(uint8_t *to, const uint8_t *from, size_t registers) {
        size_t i = 0;
        for (; i + 16 <= registers; i += 16) wire_swap_16(to + 2 * i, from + 2 * i);
        if (registers < 8) {
            for (; i < registers; i++) wire_swap_1(to + 2 * i, from + 2 * i);
            return;
        }
        if (i + 8 < registers) wire_swap_8(to + 2 * i, from + 2 * i);
        if (i < registers) wire_swap_8(to + 2 * (registers - 8), from + 2 * (registers - 8));
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
