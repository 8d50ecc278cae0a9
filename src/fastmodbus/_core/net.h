/* Sockets, readiness, the monotonic clock, and a lock with a condition: everything the core asks of the system.
 *
 * Only reactor.pyx, connection.pyx and loop.pyx may include it. Functions return a count or one of the negative results below, never set errno for
 * their caller to read, and never block except net_wait and sync_wait. POSIX and Windows; Linux gets what only it has.
 */
#ifndef FASTMODBUS_NET_H
#define FASTMODBUS_NET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NET_AGAIN = -1, NET_INTERRUPTED = -2, NET_CLOSED = -3, NET_ERROR = -4 };
enum { NET_READABLE = 1, NET_WRITABLE = 2, NET_WOKEN = 4 };

/* What a wait of milliseconds needs to be no shorter than `ns`; at most a thousand seconds, the caller looks again. */
static inline int net_milliseconds(int64_t ns) {
    return ns <= 0 ? 0 : ns > 1000000LL * 1000000 ? 1000000 : (int)((ns + 999999) / 1000000);
}

#ifdef _WIN32
/* ------------------------------------------------------------------------------------------------ Windows */
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

typedef intptr_t net_socket;
#define NET_NONE ((net_socket)-1)

typedef struct { SRWLOCK lock; CONDITION_VARIABLE changed; } sync_lock;

static inline void sync_init(sync_lock *s) { InitializeSRWLock(&s->lock); InitializeConditionVariable(&s->changed); }
static inline void sync_destroy(sync_lock *s) { (void)s; }
static inline void sync_acquire(sync_lock *s) { AcquireSRWLockExclusive(&s->lock); }
static inline void sync_release(sync_lock *s) { ReleaseSRWLockExclusive(&s->lock); }
static inline void sync_notify(sync_lock *s) { WakeAllConditionVariable(&s->changed); }
static inline void sync_wait(sync_lock *s, int64_t ns) {
    SleepConditionVariableSRW(&s->changed, &s->lock, (DWORD)net_milliseconds(ns), 0);
}
static inline uint64_t sync_thread(void) { return GetCurrentThreadId(); }
static inline int64_t sync_process(void) { return 0; }  /* nothing forks here */

static inline int64_t net_now(void) {
    LARGE_INTEGER count, frequency;     /* asked each time: reading it costs nothing, and several threads come here */
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    return count.QuadPart / frequency.QuadPart * 1000000000LL
         + count.QuadPart % frequency.QuadPart * 1000000000LL / frequency.QuadPart;
}

static inline int net_failure(int *error) {
    int found = WSAGetLastError();
    if (found == WSAEWOULDBLOCK) return NET_AGAIN;
    if (found == WSAEINTR) return NET_INTERRUPTED;
    *error = found;
    return NET_ERROR;
}

static inline int net_prepare(net_socket s) { u_long on = 1; return ioctlsocket((SOCKET)s, FIONBIO, &on); }
static inline void net_close(net_socket s) { if (s != NET_NONE) closesocket((SOCKET)s); }

static inline int net_send(net_socket s, const uint8_t *data, size_t size, int apart, int *error) {
    int n = send((SOCKET)s, (const char *)data, (int)size, 0);
    (void)apart;
    return n >= 0 ? n : net_failure(error);
}

static inline int net_recv(net_socket s, uint8_t *data, size_t size, int *error) {
    int n = recv((SOCKET)s, (char *)data, (int)size, 0);
    return n > 0 ? n : n == 0 ? NET_CLOSED : net_failure(error);
}

static inline void net_acknowledge(net_socket s) { (void)s; }   /* only Linux lets a program ask for it */

/* A datagram socket connected to itself: what WSAPoll can wait for beside the connection. */
typedef struct { net_socket end; } net_waker;

static inline int net_waker_open(net_waker *w) {
    struct sockaddr_in me;
    int size = sizeof me;
    SOCKET s = socket(AF_INET, SOCK_DGRAM, 0);
    w->end = NET_NONE;
    if (s == INVALID_SOCKET) return NET_ERROR;
    memset(&me, 0, sizeof me);
    me.sin_family = AF_INET;
    me.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (struct sockaddr *)&me, size) || getsockname(s, (struct sockaddr *)&me, &size)
            || connect(s, (struct sockaddr *)&me, size) || net_prepare((net_socket)s)) {
        closesocket(s);
        return NET_ERROR;
    }
    w->end = (net_socket)s;
    return 0;
}
static inline void net_waker_close(net_waker *w) { net_close(w->end); w->end = NET_NONE; }
static inline void net_wake(net_waker *w) { send((SOCKET)w->end, "", 1, 0); }
static inline void net_waker_drain(net_waker *w) { char none[16]; while (recv((SOCKET)w->end, none, sizeof none, 0) > 0) {} }

static inline int net_wait(net_socket s, int want_write, net_waker *w, int64_t ns, int *error) {
    WSAPOLLFD fds[2];
    int n, ready = 0;
    fds[0].fd = (SOCKET)w->end; fds[0].events = POLLRDNORM; fds[0].revents = 0;
    fds[1].fd = (SOCKET)s; fds[1].events = (SHORT)(POLLRDNORM | (want_write ? POLLWRNORM : 0)); fds[1].revents = 0;
    n = WSAPoll(fds, 2, net_milliseconds(ns));
    if (n < 0) return net_failure(error);
    if (fds[0].revents) { net_waker_drain(w); ready |= NET_WOKEN; }
    if (fds[1].revents & (POLLRDNORM | POLLHUP | POLLERR | POLLNVAL)) ready |= NET_READABLE;
    if (fds[1].revents & POLLWRNORM) ready |= NET_WRITABLE;
    return ready;
}

#else
/* ------------------------------------------------------------------------------------------------ POSIX */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

typedef int net_socket;
#define NET_NONE (-1)

typedef struct { pthread_mutex_t lock; pthread_cond_t changed; } sync_lock;

static inline int64_t net_now(void) {
#ifdef __APPLE__
    return (int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW);    /* its CLOCK_MONOTONIC counts in microseconds */
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
#endif
}

static inline void sync_init(sync_lock *s) {
    pthread_mutex_init(&s->lock, NULL);
#ifdef __APPLE__
    pthread_cond_init(&s->changed, NULL);
#else
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
#endif
}
static inline void sync_destroy(sync_lock *s) { pthread_cond_destroy(&s->changed); pthread_mutex_destroy(&s->lock); }
static inline void sync_acquire(sync_lock *s) { pthread_mutex_lock(&s->lock); }
static inline void sync_release(sync_lock *s) { pthread_mutex_unlock(&s->lock); }
static inline void sync_notify(sync_lock *s) { pthread_cond_broadcast(&s->changed); }
static inline void sync_wait(sync_lock *s, int64_t ns) {
    struct timespec t;
    if (ns < 0) ns = 0;
#ifdef __APPLE__
    t.tv_sec = ns / 1000000000LL; t.tv_nsec = ns % 1000000000LL;
    pthread_cond_timedwait_relative_np(&s->changed, &s->lock, &t);
#else
    ns += net_now();
    t.tv_sec = ns / 1000000000LL; t.tv_nsec = ns % 1000000000LL;
    pthread_cond_timedwait(&s->changed, &s->lock, &t);
#endif
}
static inline uint64_t sync_thread(void) { return (uint64_t)(uintptr_t)pthread_self(); }

/* How often this process was forked off another: tells a child from its parent without a system call. */
static int64_t sync_forks;
static pthread_once_t sync_forks_watched = PTHREAD_ONCE_INIT;
static void sync_count_fork(void) { sync_forks++; }
static void sync_watch_forks(void) { pthread_atfork(NULL, NULL, sync_count_fork); }
static inline int64_t sync_process(void) {
    pthread_once(&sync_forks_watched, sync_watch_forks);
    return sync_forks;
}

static inline int net_failure(int *error) {
    int found = errno;
    if (found == EAGAIN || found == EWOULDBLOCK || found == ENOBUFS) return NET_AGAIN;
    if (found == EINTR) return NET_INTERRUPTED;
    *error = found;
    return NET_ERROR;
}

static inline int net_prepare(net_socket s) {
    int flags = fcntl(s, F_GETFL);
#ifdef SO_NOSIGPIPE
    int on = 1;
    setsockopt(s, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    return flags < 0 ? -1 : fcntl(s, F_SETFL, flags | O_NONBLOCK);
}
static inline void net_close(net_socket s) { if (s != NET_NONE) close(s); }

/* `apart` keeps this ADU in a segment of its own even when the kernel queues: MSG_EOR does that on Linux streams. */
static inline int net_send(net_socket s, const uint8_t *data, size_t size, int apart, int *error) {
    int flags = 0;
    ssize_t n;
#ifdef MSG_NOSIGNAL
    flags |= MSG_NOSIGNAL;
#endif
#ifdef __linux__
    if (apart) flags |= MSG_EOR;
#else
    (void)apart;
#endif
    n = send(s, data, size, flags);
    return n >= 0 ? (int)n : net_failure(error);
}

static inline int net_recv(net_socket s, uint8_t *data, size_t size, int *error) {
    ssize_t n = recv(s, data, size, 0);
    return n > 0 ? (int)n : n == 0 ? NET_CLOSED : net_failure(error);
}

/* A server that leaves Nagle's algorithm on holds its next small answer until this one is acknowledged, which would take the
 * kernel 40 ms: acknowledge now. Lasts for this once. */
static inline void net_acknowledge(net_socket s) {
#ifdef TCP_QUICKACK
    int on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)s;
#endif
}

typedef struct { net_socket end, start; } net_waker;    /* one descriptor (eventfd) or the two ends of a pipe */

static inline void net_waker_close(net_waker *w) {
    net_close(w->end);
    if (w->start != w->end) net_close(w->start);
    w->end = w->start = NET_NONE;
}
static inline int net_waker_open(net_waker *w) {
    w->end = w->start = NET_NONE;
#ifdef __linux__
    w->end = w->start = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->end < 0 ? NET_ERROR : 0;
#else
    int ends[2];
    if (pipe(ends)) return NET_ERROR;
    w->end = ends[0];
    w->start = ends[1];
    fcntl(w->end, F_SETFD, FD_CLOEXEC);
    fcntl(w->start, F_SETFD, FD_CLOEXEC);
    return net_prepare(w->end) || net_prepare(w->start) ? (net_waker_close(w), NET_ERROR) : 0;
#endif
}
static inline void net_wake(net_waker *w) {
    uint64_t one = 1;
    while (write(w->start, &one, sizeof one) < 0 && errno == EINTR) {}
}
static inline void net_waker_drain(net_waker *w) {
    uint64_t none;
    while (read(w->end, &none, sizeof none) > 0) {}
}

/* Waits until the connection is readable (or writable where asked), the waker was used, or the time is over. */
static inline int net_wait(net_socket s, int want_write, net_waker *w, int64_t ns, int *error) {
    struct pollfd fds[2];
    int n, ready = 0;
    fds[0].fd = s; fds[0].events = POLLIN | (want_write ? POLLOUT : 0); fds[0].revents = 0;
    fds[1].fd = w->end; fds[1].events = POLLIN; fds[1].revents = 0;
#ifdef __linux__
    {
        struct timespec t;
        if (ns < 0) ns = 0;
        t.tv_sec = ns / 1000000000LL; t.tv_nsec = ns % 1000000000LL;
        n = ppoll(fds, 2, &t, NULL);
    }
#else
    n = poll(fds, 2, net_milliseconds(ns));
#endif
    if (n < 0) return net_failure(error);
    if (fds[1].revents) { net_waker_drain(w); ready |= NET_WOKEN; }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) ready |= NET_READABLE;
    if (fds[0].revents & POLLOUT) ready |= NET_WRITABLE;
    return ready;
}
#endif
#endif
