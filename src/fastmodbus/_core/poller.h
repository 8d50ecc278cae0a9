/* Waiting for many sockets at once, until a moment of the monotonic clock: epoll with a timerfd on Linux, where a wait is
 * exact to microseconds; poll or WSAPoll elsewhere, exact to a millisecond.
 *
 * Only loop.pyx and connection.pyx use it, by way of net.pxd. One thread at a time; only net_poller_open and net_poller_watch
 * allocate. A socket is forgotten before it is closed.
 */
#ifndef FASTMODBUS_POLLER_H
#define FASTMODBUS_POLLER_H

#include "net.h"

typedef struct { void *who; int ready; } net_event;     /* who: what was given to net_poller_watch */

#ifdef __linux__
/* ------------------------------------------------------------------------------------------------ Linux */
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { NET_EVENTS = 64 };
typedef struct { int epoll, timer; int64_t armed; net_waker *waker; } net_poller;

static inline void net_poller_close(net_poller *p) {
    net_close(p->epoll);
    net_close(p->timer);
    p->epoll = p->timer = NET_NONE;
}

static inline int net_poller_add(net_poller *p, int fd, void *who, int want_write, int how) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | (want_write ? EPOLLOUT : 0);
    event.data.ptr = who;
    return epoll_ctl(p->epoll, how, fd, &event) ? NET_ERROR : 0;
}

static inline int net_poller_open(net_poller *p, net_waker *w) {
    p->armed = 0;
    p->waker = w;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (p->epoll >= 0 && p->timer >= 0 && !net_poller_add(p, w->end, w, 0, EPOLL_CTL_ADD)
            && !net_poller_add(p, p->timer, p, 0, EPOLL_CTL_ADD)) return 0;
    net_poller_close(p);
    return NET_ERROR;
}

static inline int net_poller_watch(net_poller *p, net_socket s, void *who, int want_write, int again) {
    return net_poller_add(p, s, who, want_write, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
}

static inline void net_poller_forget(net_poller *p, net_socket s) {
    struct epoll_event none;
    memset(&none, 0, sizeof none);
    epoll_ctl(p->epoll, EPOLL_CTL_DEL, s, &none);
}

/* An expired timer stays readable until it is set anew; `armed` spares the system call where it is set so already. */
static inline void net_poller_arm(net_poller *p, int64_t until) {
    struct itimerspec when;
    if (until == p->armed) return;
    p->armed = until;
    memset(&when, 0, sizeof when);
    if (until != INT64_MAX) {
        when.it_value.tv_sec = until / 1000000000LL;
        when.it_value.tv_nsec = until % 1000000000LL;
    }
    timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static inline int net_poller_wait(net_poller *p, int64_t until, net_event *events, int room) {
    struct epoll_event found[NET_EVENTS];
    int i, n, count = 0;
    int due = until <= net_now();
    if (!due) net_poller_arm(p, until);
    n = epoll_wait(p->epoll, found, room < NET_EVENTS ? room : NET_EVENTS, due ? 0 : -1);
    for (i = 0; i < n; i++) {
        if (found[i].data.ptr == p) continue;
        if (found[i].data.ptr == p->waker) { net_waker_drain(p->waker); continue; }
        events[count].who = found[i].data.ptr;
        events[count++].ready = (found[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? NET_READABLE : 0)
                              | (found[i].events & EPOLLOUT ? NET_WRITABLE : 0);
    }
    return count;
}

#else
/* ------------------------------------------------------------------------------------------------ elsewhere */
#include <stdlib.h>

#ifdef _WIN32
typedef WSAPOLLFD net_pollfd;
#define net_poll(fds, count, ms) WSAPoll(fds, (ULONG)(count), ms)
#define NET_POLLIN POLLRDNORM
#define NET_POLLOUT POLLWRNORM
typedef SOCKET net_descriptor;
#else
typedef struct pollfd net_pollfd;
#define net_poll(fds, count, ms) poll(fds, (nfds_t)(count), ms)
#define NET_POLLIN POLLIN
#define NET_POLLOUT POLLOUT
typedef int net_descriptor;
#endif

typedef struct { net_pollfd *fds; void **who; int count, room, next; net_waker *waker; } net_poller;

static inline int net_poller_find(net_poller *p, net_socket s) {
    int i;
    for (i = 0; i < p->count; i++)
        if (p->fds[i].fd == (net_descriptor)s) return i;
    return -1;
}

static inline int net_poller_watch(net_poller *p, net_socket s, void *who, int want_write, int again) {
    int i = again ? net_poller_find(p, s) : p->count;
    if (i < 0) return NET_ERROR;
    if (i == p->room) {
        int room = p->room ? 2 * p->room : 16;
        net_pollfd *fds = (net_pollfd *)realloc(p->fds, (size_t)room * sizeof *fds);
        void **all;
        if (!fds) return NET_ERROR;
        p->fds = fds;
        all = (void **)realloc(p->who, (size_t)room * sizeof *all);
        if (!all) return NET_ERROR;
        p->who = all;
        p->room = room;
    }
    p->fds[i].fd = (net_descriptor)s;
    p->fds[i].events = (short)(NET_POLLIN | (want_write ? NET_POLLOUT : 0));
    p->fds[i].revents = 0;
    p->who[i] = who;
    if (i == p->count) p->count++;
    return 0;
}

static inline void net_poller_forget(net_poller *p, net_socket s) {
    int i = net_poller_find(p, s);
    if (i < 0) return;
    p->count--;
    p->fds[i] = p->fds[p->count];
    p->who[i] = p->who[p->count];
}

static inline void net_poller_close(net_poller *p) {
    free(p->fds);
    free(p->who);
    p->fds = NULL;
    p->who = NULL;
    p->count = p->room = 0;
}

static inline int net_poller_open(net_poller *p, net_waker *w) {
    memset(p, 0, sizeof *p);
    p->waker = w;
    return net_poller_watch(p, w->end, w, 0, 0);
}

/* Those found beyond `room` come first the next time. */
static inline int net_poller_wait(net_poller *p, int64_t until, net_event *events, int room) {
    int i, count = 0, ready = net_poll(p->fds, p->count, net_milliseconds(until == INT64_MAX ? until : until - net_now()));
    for (i = 0; ready > 0 && i < p->count && count < room; i++) {
        int at = (p->next + i) % p->count;
        int found = p->fds[at].revents;
        if (!found) continue;
        if (p->who[at] == p->waker) { net_waker_drain(p->waker); continue; }
        events[count].who = p->who[at];
        events[count++].ready = (found & ~NET_POLLOUT ? NET_READABLE : 0) | (found & NET_POLLOUT ? NET_WRITABLE : 0);
    }
    if (p->count) p->next = (p->next + i) % p->count;
    return count;
}
#endif
#endif
