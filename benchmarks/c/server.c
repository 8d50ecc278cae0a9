/*
 * The server that every contestant reads from: one thread, epoll, many connections. All complete requests of one receive are
 * answered by one send, so that the server is never what a pipelining client waits for.
 *
 *   server [--port N] [--delay-us D] [--service-us S] [--lifetime SECONDS]
 *
 * Prints "port N". Then each line "delay D S" on stdin sets both times anew and "count" asks for the requests answered so far; each
 * is answered by a line "ok ...". Ends when stdin closes or the lifetime is over. An answer leaves `delay` after its request arrived; `service` is the time the device works on one request, one
 * after the other. Binds to 127.0.0.1.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "device.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

enum { MAX_CONNECTIONS = 16384, RECEIVE = 65536, ANSWERS = RECEIVE / 8 * MAX_ADU, EVENTS = 512 };
enum { LISTENER = MAX_CONNECTIONS, TIMER, LIFETIME, CONTROL };

typedef struct {
    int fd;
    unsigned generation; /* counts the users of this slot: an answer that waits for a closed connection is dropped */
    uint8_t *rest;       /* the head of a request whose tail has not come */
    unsigned rest_length;
    uint8_t *unsent;
    size_t unsent_length, unsent_start;
} connection_t;

typedef struct delayed {
    struct delayed *next;
    uint64_t due;
    unsigned slot, generation;
    size_t length;
    uint8_t bytes[];
} delayed_t;

static connection_t connections[MAX_CONNECTIONS];
static delayed_t *oldest, *newest;
static uint64_t delay_ns, service_ns, device_free_at, answered;
static int epoll_fd, timer_fd, listen_fd;
static uint8_t receive_buffer[RECEIVE + MAX_ADU], *answers;

static void watch(int op, int fd, unsigned what, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = what};
    if (epoll_ctl(epoll_fd, op, fd, &event) < 0) die("epoll_ctl");
}

static void close_connection(connection_t *c) {
    close(c->fd);
    free(c->rest);
    free(c->unsent);
    *c = (connection_t){.fd = -1, .generation = c->generation + 1};
}

static void keep_unsent(connection_t *c, const uint8_t *bytes, size_t length) {
    c->unsent = realloc(c->unsent, c->unsent_length + length);
    if (!c->unsent) die("realloc");
    memcpy(c->unsent + c->unsent_length, bytes, length);
    c->unsent_length += length;
}

/* While something is unsent nothing more is read from this connection: memory stays bounded. */
static void send_bytes(connection_t *c, const uint8_t *bytes, size_t length) {
    size_t sent = 0;
    if (!c->unsent) {
        ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            close_connection(c);
            return;
        }
        sent = n > 0 ? (size_t)n : 0;
        if (sent == length) return;
        watch(EPOLL_CTL_MOD, c->fd, (unsigned)(c - connections), EPOLLOUT);
    }
    keep_unsent(c, bytes + sent, length - sent);
}

static void on_writable(connection_t *c) {
    ssize_t n = send(c->fd, c->unsent + c->unsent_start, c->unsent_length - c->unsent_start, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_connection(c);
        return;
    }
    if (n > 0) c->unsent_start += (size_t)n;
    if (c->unsent_start < c->unsent_length) return;
    free(c->unsent);
    c->unsent = NULL;
    c->unsent_length = c->unsent_start = 0;
    watch(EPOLL_CTL_MOD, c->fd, (unsigned)(c - connections), EPOLLIN);
}

static void arm_timer(uint64_t due) {
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Both times are the same for all, so what comes later is due later: one queue in order of arrival is enough. */
static void send_later(connection_t *c, uint64_t due, const uint8_t *bytes, size_t length) {
    delayed_t *d = malloc(sizeof *d + length);
    if (!d) die("malloc");
    d->next = NULL;
    d->due = due;
    d->slot = (unsigned)(c - connections);
    d->generation = c->generation;
    d->length = length;
    memcpy(d->bytes, bytes, length);
    if (oldest) newest->next = d;
    else {
        oldest = d;
        arm_timer(due);
    }
    newest = d;
}

static void on_timer(void) {
    uint64_t expirations, now = clock_ns(CLOCK_MONOTONIC);
    if (read(timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN) die("timerfd");
    while (oldest && oldest->due <= now) {
        delayed_t *d = oldest;
        connection_t *c = &connections[d->slot];
        oldest = d->next;
        if (c->fd >= 0 && c->generation == d->generation) send_bytes(c, d->bytes, d->length);
        free(d);
    }
    if (oldest) arm_timer(oldest->due);
}

static uint64_t time_of_answer(uint64_t now) {
    uint64_t start = device_free_at > now ? device_free_at : now;
    device_free_at = start + service_ns;
    return device_free_at + delay_ns;
}

/* Answers every complete request at the start of the bytes; returns how many bytes that was, or -1 when they do not frame. */
static ssize_t answer_all(connection_t *c, const uint8_t *bytes, size_t length) {
    size_t used = 0, filled = 0;
    uint64_t now = delay_ns || service_ns ? clock_ns(CLOCK_MONOTONIC) : 0;
    while (length - used >= MBAP + 1) {
        size_t adu = 6u + load16(bytes + used + 4);
        if (adu < MBAP + 1 || adu > MAX_ADU) return -1;
        if (length - used < adu) break;
        size_t answer = answer_request(bytes + used, adu, answers + filled);
        used += adu;
        answered++;
        if (service_ns) send_later(c, time_of_answer(now), answers + filled, answer);
        else filled += answer;
    }
    if (filled && delay_ns) send_later(c, now + delay_ns, answers, filled);
    else if (filled) send_bytes(c, answers, filled);
    return (ssize_t)used;
}

static void keep_rest(connection_t *c, const uint8_t *bytes, size_t length) {
    if (!length) {
        c->rest_length = 0;
        return;
    }
    if (!c->rest && !(c->rest = malloc(MAX_ADU))) die("malloc");
    memcpy(c->rest, bytes, length);
    c->rest_length = (unsigned)length;
}

static void on_readable(connection_t *c) {
    unsigned generation = c->generation;
    if (c->rest_length) memcpy(receive_buffer, c->rest, c->rest_length);
    ssize_t n = recv(c->fd, receive_buffer + c->rest_length, RECEIVE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        close_connection(c);
        return;
    }
    size_t length = c->rest_length + (size_t)n;
    ssize_t used = answer_all(c, receive_buffer, length);
    if (c->generation != generation) return; /* the send found the connection gone */
    if (used < 0) close_connection(c);
    else keep_rest(c, receive_buffer + used, length - (size_t)used);
}

static void on_connection(void) {
    static unsigned next;
    int one = 1, fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    for (unsigned tried = 0; connections[next].fd >= 0; next = (next + 1) % MAX_CONNECTIONS)
        if (++tried > MAX_CONNECTIONS) {
            close(fd);
            return;
        }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections[next].fd = fd;
    watch(EPOLL_CTL_ADD, fd, next, EPOLLIN);
}

/* A short line arrives whole through a pipe; the harness waits for "ok" before it writes the next. */
static void on_control(void) {
    char line[128];
    unsigned long delay, service;
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    if (n <= 0) exit(0);
    line[n] = 0;
    if (sscanf(line, "delay %lu %lu", &delay, &service) == 2) {
        delay_ns = delay * 1000u;
        service_ns = service * 1000u;
        puts("ok");
    } else if (!strncmp(line, "count", 5)) {
        printf("ok %llu\n", (unsigned long long)answered);
    } else {
        puts("error unknown command");
    }
    fflush(stdout);
}

static void listen_on(int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof here;
    int one = 1;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listen_fd, (struct sockaddr *)&here, size) < 0 || listen(listen_fd, 4096) < 0) die("listen");
    getsockname(listen_fd, (struct sockaddr *)&here, &size);
    printf("port %d\n", ntohs(here.sin_port));
    fflush(stdout);
}

static void dispatch(const struct epoll_event *event) {
    unsigned what = event->data.u32;
    if (what == LISTENER) on_connection();
    else if (what == TIMER) on_timer();
    else if (what == CONTROL) on_control();
    else if (what == LIFETIME) exit(0);
    else if (connections[what].fd < 0) return; /* closed by an earlier event of the same wake-up */
    else if (connections[what].unsent) on_writable(&connections[what]);
    else on_readable(&connections[what]);
}

static void allow_many_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void prepare(int port, long lifetime) {
    struct itimerspec end = {.it_value = {.tv_sec = lifetime}};
    int lifetime_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    answers = malloc(ANSWERS);
    if (!answers) die("malloc");
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++) connections[i].fd = -1;
    allow_many_descriptors();
    fill_tables();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(lifetime_fd, 0, &end, NULL);
    listen_on(port);
    watch(EPOLL_CTL_ADD, listen_fd, LISTENER, EPOLLIN);
    watch(EPOLL_CTL_ADD, timer_fd, TIMER, EPOLLIN);
    watch(EPOLL_CTL_ADD, lifetime_fd, LIFETIME, EPOLLIN);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, CONTROL, EPOLLIN);
}

int main(int argc, char **argv) {
    long port = 0, lifetime = 3600;
    for (int i = 1; i + 1 < argc; i += 2) {
        long value = atol(argv[i + 1]);
        if (!strcmp(argv[i], "--port")) port = value;
        else if (!strcmp(argv[i], "--delay-us")) delay_ns = (uint64_t)value * 1000u;
        else if (!strcmp(argv[i], "--service-us")) service_ns = (uint64_t)value * 1000u;
        else if (!strcmp(argv[i], "--lifetime")) lifetime = value;
        else return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    prepare((int)port, lifetime);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) dispatch(&events[i]);
    }
}
