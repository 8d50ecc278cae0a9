# Counters of a connection and the histogram of its round trips: fixed size, written by the session, read by whoever
# holds its lock.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

cdef extern from *:
    """
    #ifdef _MSC_VER
    #include <intrin.h>
    static inline int statistics_log2(uint64_t value) {
        unsigned long at;
        _BitScanReverse64(&at, value);
        return (int)at;
    }
    #else
    static inline int statistics_log2(uint64_t value) { return 63 - __builtin_clzll(value); }
    #endif
    """
    int statistics_log2(uint64_t value) noexcept nogil      # of anything but 0, rounded down

cdef enum:
    # Round trips in buckets of 1/8 of a power of two from 1 us on: 12 % wide, up to a minute and beyond.
    HISTOGRAM_STEPS = 8
    HISTOGRAM_BUCKETS = 256

cdef struct mb_counters:
    uint64_t requests           # sent, repetitions included
    uint64_t answers            # matched, good or not
    uint64_t bytes_sent
    uint64_t bytes_received
    uint64_t exceptions
    uint64_t protocol_errors
    uint64_t timeouts
    uint64_t retries
    uint64_t stale              # late answers to requests that were given up: dropped
    uint64_t unknown            # answers with an id that nobody waits for: dropped
    uint64_t connections
    uint64_t losses
    int64_t longest_write_wait  # ns from a write's submission to its first sending
    uint32_t round_trips[HISTOGRAM_BUCKETS]


cdef inline int histogram_bucket(int64_t ns) noexcept nogil:
    """Floating-point's idea without floats: the exponent picks the octave, three more bits the step in it."""
    cdef uint64_t value = <uint64_t>ns >> 7     # 128 ns
    cdef int octave
    if value < HISTOGRAM_STEPS:
        return <int>value
    octave = statistics_log2(value) - 3     # log2 of HISTOGRAM_STEPS
    return min(octave * HISTOGRAM_STEPS + <int>(value >> octave), HISTOGRAM_BUCKETS - 1)


cdef inline int64_t histogram_bound(int bucket) noexcept nogil:
    """The smallest round trip of a bucket, in ns."""
    cdef int octave
    if bucket < HISTOGRAM_STEPS:
        return <int64_t>bucket << 7
    octave = bucket // HISTOGRAM_STEPS - 1
    return <int64_t>(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << (7 + octave)
