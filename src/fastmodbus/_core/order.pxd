# Byte orders of values that lie in native registers, and the two number formats that C lacks: half floats and BCD.
# wire.pxd knows the bytes of a register; this file knows how registers make a wider value. Memory has any alignment.
#
# Every order is a choice of three swaps against ABCD: the bytes of each register, the registers of each pair, the
# halves of 64 bits. They commute and undo themselves, so that reading and writing are the same. A little-endian host,
# to which the first register is the lowest, has swapped registers and halves already: order_host().

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum mb_swap:
    SWAP_BYTES = 1
    SWAP_WORDS = 2
    SWAP_HALVES = 4

cdef extern from *:
    """
    #include <math.h>
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    static inline unsigned order_host(void) {
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        return 0;
    #else
        return 2 | 4;
    #endif
    }

    static inline uint16_t order_swap16(uint16_t v, unsigned swaps) {
        return (swaps & 1) ? (uint16_t)((v >> 8) | (v << 8)) : v;
    }

    static inline uint32_t order_swap32(uint32_t v, unsigned swaps) {
        if (swaps & 1) v = ((v >> 8) & 0x00ff00ffu) | ((v & 0x00ff00ffu) << 8);
        if (swaps & 2) v = (v >> 16) | (v << 16);
        return v;
    }

    static inline uint64_t order_swap64(uint64_t v, unsigned swaps) {
        if (swaps & 1) v = ((v >> 8) & 0x00ff00ff00ff00ffu) | ((v & 0x00ff00ff00ff00ffu) << 8);
        if (swaps & 2) v = ((v >> 16) & 0x0000ffff0000ffffu) | ((v & 0x0000ffff0000ffffu) << 16);
        if (swaps & 4) v = (v >> 32) | (v << 32);
        return v;
    }

    static inline uint32_t order_load32(const uint16_t *at, unsigned swaps) {
        uint32_t v;
        memcpy(&v, at, 4);
        return order_swap32(v, swaps);
    }

    static inline uint64_t order_load64(const uint16_t *at, unsigned swaps) {
        uint64_t v;
        memcpy(&v, at, 8);
        return order_swap64(v, swaps);
    }

    /* One loop for each choice of swaps: with a constant the compiler makes vector shifts of it. */
    #define ORDER_LOOP(bits, swaps) \\
        case swaps: \\
            for (size_t i = 0; i < count; i++) { \\
                uint##bits##_t v; \\
                memcpy(&v, from + i * (bits / 8), bits / 8); \\
                v = order_swap##bits(v, swaps); \\
                memcpy(to + i * (bits / 8), &v, bits / 8); \\
            } \\
            break;

    static inline void order_copy(uint8_t *to, const uint16_t *registers, size_t count, unsigned width,
                                  unsigned swaps) {
        const uint8_t *from = (const uint8_t *)registers;
        swaps &= 2 * width - 1;
        if (swaps == 0) {
            memcpy(to, from, 2 * width * count);
        } else if (width == 1) {
            switch (swaps) { ORDER_LOOP(16, 1) }
        } else if (width == 2) {
            switch (swaps) { ORDER_LOOP(32, 1) ORDER_LOOP(32, 2) ORDER_LOOP(32, 3) }
        } else {
            switch (swaps) {
                ORDER_LOOP(64, 1) ORDER_LOOP(64, 2) ORDER_LOOP(64, 3) ORDER_LOOP(64, 4)
                ORDER_LOOP(64, 5) ORDER_LOOP(64, 6) ORDER_LOOP(64, 7)
            }
        }
    }

    static inline double bits_double(uint64_t bits) { double v; memcpy(&v, &bits, 8); return v; }
    static inline uint64_t double_bits(double v) { uint64_t bits; memcpy(&bits, &v, 8); return bits; }
    static inline float bits_float(uint32_t bits) { float v; memcpy(&v, &bits, 4); return v; }
    static inline uint32_t float_bits(float v) { uint32_t bits; memcpy(&bits, &v, 4); return bits; }

    /* binary16: 1 sign, 5 exponent, 10 fraction (IEEE 754-2008, 3.4). */
    static inline double half_double(uint16_t half) {
        unsigned exponent = (half >> 10) & 31, fraction = half & 1023;
        double v;
        if (exponent == 31) v = fraction ? NAN : INFINITY;
        else if (exponent == 0) v = ldexp((double)fraction, -24);
        else v = ldexp((double)(fraction + 1024), (int)exponent - 25);
        return half & 0x8000 ? -v : v;
    }

    /* The nearest half, ties to even; |v| is below 65520, infinite or NaN. */
    static inline uint16_t double_half(double v) {
        uint16_t sign = signbit(v) ? 0x8000 : 0;
        int exponent;
        if (isnan(v)) return sign | 0x7e00;
        v = fabs(v);
        if (isinf(v)) return sign | 0x7c00;
        if (v < 6.103515625e-05) return sign | (uint16_t)rint(ldexp(v, 24));
        frexp(v, &exponent);
        /* A fraction that rounds up to 2048 carries into the exponent, as it should. */
        return (uint16_t)(sign | (((exponent + 13) << 10) + (int)rint(ldexp(v, 11 - exponent))));
    }

    /* Four bits a decimal digit, the most significant first; -1 where one is no digit. */
    static inline int64_t bcd_number(uint32_t bits) {
        int64_t number = 0;
        for (int shift = 28; shift >= 0; shift -= 4) {
            unsigned digit = (bits >> shift) & 15;
            if (digit > 9) return -1;
            number = number * 10 + digit;
        }
        return number;
    }

    static inline uint32_t number_bcd(uint32_t number) {
        uint32_t bits = 0;
        for (int shift = 0; shift < 32; shift += 4, number /= 10) bits |= (number % 10) << shift;
        return bits;
    }
    """
    unsigned order_host() noexcept nogil
    uint16_t order_swap16(uint16_t value, unsigned swaps) noexcept nogil
    uint32_t order_swap32(uint32_t value, unsigned swaps) noexcept nogil
    uint64_t order_swap64(uint64_t value, unsigned swaps) noexcept nogil
    uint32_t order_load32(const uint16_t* registers, unsigned swaps) noexcept nogil
    uint64_t order_load64(const uint16_t* registers, unsigned swaps) noexcept nogil
    void order_copy(uint8_t* to, const uint16_t* registers, size_t count, unsigned width, unsigned swaps) noexcept nogil
    double bits_double(uint64_t bits) noexcept nogil
    uint64_t double_bits(double value) noexcept nogil
    float bits_float(uint32_t bits) noexcept nogil
    uint32_t float_bits(float value) noexcept nogil
    double half_double(uint16_t half) noexcept nogil
    uint16_t double_half(double value) noexcept nogil
    int64_t bcd_number(uint32_t bits) noexcept nogil
    uint32_t number_bcd(uint32_t number) noexcept nogil
