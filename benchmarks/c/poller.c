/*
 * The bare C pollers: what a loop of epoll or of a timerfd costs that reads the same devices and does nothing else.
 *
 *   poller connections --port N --devices D --reads R --in-flight F [--registers G] [--host A]
 *   poller timer --period-us P
 *
 * `connections` opens D connections and prints "ready"; each reads G registers R times, F in flight, over and over, one send a request, answers in order,
 * swapped into an array. A line "run SECONDS" on stdin is answered by "ok REQUESTS SECONDS CPU_SECONDS". `timer` wakes up every P microseconds and does
 * nothing: "run SECONDS" is answered by "ok" and how late it was, in nanoseconds: the median, 99 of a hundred, the worst. "busy 0|1" lets a thread spin.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

enum { EVENTS = 256, BUFFER = 4096, MOST_WAKE_UPS = 1 << 20 };

typedef struct {
    int fd;
    uint16_t next_id;
    int sent, done; /* of this round of reads */
    size_t held;
    uint8_t received[BUFFER];
    uint16_t *values;
} device_t;

static struct {
    int devices, reads, in_flight, registers, port, period_us;
    const char *host;
} how = {.devices = 1, .reads = 10, .in_flight = 1, .registers = 10, .host = "127.0.0.1", .period_us = 2000};

static device_t *devices;
static long answers;

static int send_next(device_t *d) {
    uint8_t adu[REQUEST];
    while (d->sent < how.reads && d->sent - d->done < how.in_flight) {
        store16(adu, d->next_id++);
        memcpy(adu + 2, "\0\0\0\6\1\3", 6);
        store16(adu + 8, (unsigned)(d->sent * 2 * how.registers));
        store16(adu + 10, (unsigned)how.registers);
        if (send(d->fd, adu, REQUEST, MSG_NOSIGNAL | MSG_EOR) != REQUEST) return -1;
        d->sent++;
    }
    return 0;
}

static void take(device_t *d, const uint8_t *answer) {
    uint16_t *to = d->values + d->done * how.registers;
    for (int i = 0; i < how.registers; i++) {
        uint16_t word;
        memcpy(&word, answer + 9 + 2 * i, 2);
        to[i] = (uint16_t)(word << 8 | word >> 8);
    }
    d->done++;
    answers++;
}

static int on_readable(device_t *d) {
    const size_t adu = MBAP + 2u + 2u * (size_t)how.registers;
    ssize_t n = recv(d->fd, d->received + d->held, BUFFER - d->held, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    size_t length = d->held + (size_t)n, used = 0;
    for (; length - used >= adu; used += adu) {
        const uint8_t *answer = d->received + used;
        if (load16(answer) != (uint16_t)(d->next_id - (d->sent - d->done)) || answer[7] != 3) return -1;
        take(d, answer);
    }
    d->held = length - used;
    if (d->held) memmove(d->received, d->received + used, d->held);
    if (d->done == how.reads) d->sent = d->done = 0;
    return send_next(d);
}

static int run_connections(int epoll_fd, double seconds) {
    struct epoll_event events[EVENTS];
    uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
    answers = 0;
    do {
        int n = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < n; i++)
            if (on_readable(&devices[events[i].data.u32]) < 0) return -1;
    } while (clock_ns(CLOCK_MONOTONIC) < end);
    return 0;
}

static int open_devices(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    devices = calloc((size_t)how.devices, sizeof *devices);
    if (!devices) die("calloc");
    for (int i = 0; i < how.devices; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        devices[i].fd = connect_to(how.host, how.port);
        devices[i].values = calloc((size_t)(how.reads * how.registers), 2);
        if (!devices[i].values || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, devices[i].fd, &event) < 0) die("epoll_ctl");
        if (send_next(&devices[i]) < 0) die("send");
    }
    return epoll_fd;
}

static void answer_connections(int epoll_fd, double seconds) {
    uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
    int status = run_connections(epoll_fd, seconds);
    double took = (double)(clock_ns(CLOCK_MONOTONIC) - start) * 1e-9;
    double cpu_took = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e-9;
    if (status == 0) printf("ok %ld %.9f %.9f\n", answers, took, cpu_took);
    else puts("error an answer was wrong or a connection was lost");
}

static int by_size(const void *a, const void *b) { return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b); }

static void answer_timer(double seconds) {
    static int64_t late[MOST_WAKE_UPS];
    int64_t period = how.period_us * 1000ll, due = (int64_t)clock_ns(CLOCK_MONOTONIC) + period;
    long count = (long)(seconds * 1e9 / (double)period);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (count > MOST_WAKE_UPS) count = MOST_WAKE_UPS;
    for (long i = 0; i < count; i++, due += period) {
        uint64_t expirations;
        struct itimerspec when = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
        timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
        if (read(fd, &expirations, sizeof expirations) < 0) die("timerfd");
        late[i] = (int64_t)clock_ns(CLOCK_MONOTONIC) - due;
    }
    close(fd);
    qsort(late, (size_t)count, sizeof *late, by_size);
    printf("ok %lld %lld %lld\n", (long long)late[count / 2], (long long)late[count * 99 / 100], (long long)late[count - 1]);
}

int main(int argc, char **argv) {
    int connections = argc > 1 && !strcmp(argv[1], "connections"), epoll_fd = -1, busy;
    char line[128];
    double seconds;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--host")) how.host = argv[i + 1];
        else if (!strcmp(argv[i], "--port")) how.port = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--devices")) how.devices = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--reads")) how.reads = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--in-flight")) how.in_flight = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--registers")) how.registers = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--period-us")) how.period_us = atoi(argv[i + 1]);
        else return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    if (connections) epoll_fd = open_devices();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "run %lf", &seconds) == 1) {
            if (connections) answer_connections(epoll_fd, seconds);
            else answer_timer(seconds);
        } else if (sscanf(line, "busy %d", &busy) == 1) {
            bench_set_busy(busy != 0);
            puts("ok");
        } else {
            puts("error unknown command");
        }
        fflush(stdout);
    }
    bench_set_busy(0);
    return 0;
}
