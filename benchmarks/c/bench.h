/*
 * What the C programs of the benchmark share: clocks, big-endian words, the register values of the server, a connected socket,
 * and the line protocol by which the harness makes a client run one round after the other.
 *
 * Used by benchmarks/c/ alone. Plain Linux and POSIX; no library.
 */
#ifndef FASTMODBUS_BENCH_H
#define FASTMODBUS_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TABLE = 65536, MBAP = 7, REQUEST = 12, MAX_ADU = 260 };

static inline uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint16_t load16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline void store16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* What the server holds at the start, so that every client can check what it read. */
static inline uint16_t holding_value(unsigned address) { return (uint16_t)(address * 7919u); }
static inline uint16_t input_value(unsigned address) { return (uint16_t)(address * 7919u + 1u); }
static inline unsigned bit_value(unsigned address) { return (address * 7919u >> 4) & 1u; }

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline int connect_to(const char *host, int port) {
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &peer.sin_addr) != 1) die("socket");
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Read requests at 0, registers, 2 * registers, ... and again from 0 after `batch` of them; nothing stays in flight over a batch's end. */
typedef struct {
    long requests;
    int registers, in_flight, coalesce, batch;
} round_t;

typedef int (*round_fn)(void *client, const round_t *round);

static volatile int bench_busy;

static inline void *bench_spin(void *unused) {
    cpu_set_t all; /* any core, not only where its parent is pinned */
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    for (volatile unsigned long i = 0; bench_busy; i++) {
    }
    return unused;
}

static inline void bench_set_busy(int on) {
    static pthread_t thread;
    if (on == bench_busy) return;
    bench_busy = on;
    if (on) pthread_create(&thread, NULL, bench_spin, NULL);
    else pthread_join(thread, NULL);
}

/* "run REQUESTS REGISTERS IN_FLIGHT COALESCE BATCH" -> "ok SECONDS CPU_SECONDS"; "busy 0|1" -> "ok"; ends with stdin. */
static inline void serve_rounds(round_fn run, void *client) {
    char line[128];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        round_t r;
        int busy;
        if (sscanf(line, "run %ld %d %d %d %d", &r.requests, &r.registers, &r.in_flight, &r.coalesce, &r.batch) == 5) {
            uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
            int status = run(client, &r);
            uint64_t end = clock_ns(CLOCK_MONOTONIC), cpu_end = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
            if (status == 0) printf("ok %.9f %.9f\n", (double)(end - start) * 1e-9, (double)(cpu_end - cpu) * 1e-9);
            else printf("error the answers were wrong or the connection was lost\n");
        } else if (sscanf(line, "busy %d", &busy) == 1) {
            bench_set_busy(busy != 0);
            puts("ok");
        } else {
            puts("error unknown command");
        }
        fflush(stdout);
    }
    bench_set_busy(0);
}

static inline int values_are_wrong(const uint16_t *values, const round_t *r) {
    long asked = r->requests < r->batch ? r->requests : r->batch;
    for (long i = 0; i < asked * r->registers; i++)
        if (values[i] != holding_value((unsigned)i)) return 1;
    return 0;
}

#endif
