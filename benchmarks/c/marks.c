/*
 * Lets a Python program that runs under callgrind say for what it wants its instructions counted. A shared library for ctypes,
 * used by benchmarks/counted.py alone; without callgrind both functions do nothing.
 */
#include <valgrind/callgrind.h>

void mark_begin(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void mark_end(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
