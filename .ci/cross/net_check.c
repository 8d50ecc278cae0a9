/* Calls every function of net.h and poller.h once for what it promises, over a loopback connection; says which promise broke.
 *
 * For compilers of systems that are not at hand (compiled, linked, and run where something can run it), and for the one
 * at hand. Not part of the package.
 */
#include "poller.h"

#include <stdio.h>
#include <stdlib.h>

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

#define HOLDS(condition) do { \
    if (!(condition)) { fprintf(stderr, "net_check.c:%d: does not hold: %s\n", __LINE__, #condition); exit(1); } \
} while (0)

typedef struct {
    sync_lock lock;
    net_waker waker;
    uint64_t thread;
    int reached;
} shared;

/* The other thread: notes who it is, then notifies the lock's waiter and wakes the socket's. */
static void elsewhere(shared *s) {
    sync_acquire(&s->lock);
    s->thread = sync_thread();
    s->reached = 1;
    sync_notify(&s->lock);
    sync_release(&s->lock);
    net_wake(&s->waker);
}

#ifdef _WIN32
typedef HANDLE thread;
typedef int length;
static DWORD WINAPI entry(LPVOID s) { elsewhere((shared *)s); return 0; }
static thread start(shared *s) { return CreateThread(NULL, 0, entry, s, 0, NULL); }
static void join(thread t) { WaitForSingleObject(t, INFINITE); CloseHandle(t); }
static void start_sockets(void) { WSADATA about; HOLDS(WSAStartup(MAKEWORD(2, 2), &about) == 0); }
#else
typedef pthread_t thread;
typedef socklen_t length;
static void *entry(void *s) { elsewhere((shared *)s); return NULL; }
static thread start(shared *s) { pthread_t t; HOLDS(pthread_create(&t, NULL, entry, s) == 0); return t; }
static void join(thread t) { pthread_join(t, NULL); }
static void start_sockets(void) {}
#endif

static void connected_pair(net_socket *client, net_socket *server) {
    struct sockaddr_in at = {0};
    length size = sizeof at;
    net_socket listener = (net_socket)socket(AF_INET, SOCK_STREAM, 0);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    HOLDS(listener != NET_NONE);
    HOLDS(bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 1) == 0);
    HOLDS(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    *client = (net_socket)socket(AF_INET, SOCK_STREAM, 0);
    HOLDS(connect(*client, (struct sockaddr *)&at, size) == 0);
    *server = (net_socket)accept(listener, NULL, NULL);
    HOLDS(*server != NET_NONE);
    net_close(listener);
    HOLDS(net_prepare(*client) == 0 && net_prepare(*server) == 0);
}

static void check_clock(void) {
    int64_t first = net_now(), second = net_now();
    HOLDS(first > 0 && second >= first && second - first < SECOND);
}

static void check_lock(shared *s) {
    int64_t began = net_now();
    thread other;
    sync_acquire(&s->lock);
    sync_wait(&s->lock, 0);
    sync_wait(&s->lock, -SECOND);
    HOLDS(net_now() - began < SECOND);
    other = start(s);
    while (!s->reached) {
        HOLDS(net_now() - began < 10 * SECOND);
        sync_wait(&s->lock, SECOND);
    }
    sync_release(&s->lock);
    join(other);
    HOLDS(s->thread != 0 && sync_thread() != 0 && s->thread != sync_thread());
    HOLDS(sync_process() == sync_process());
}

/* The other thread has used the waker by now. */
static void check_waker(shared *s, net_socket quiet) {
    int error = 0;
    HOLDS(net_wait(quiet, 0, &s->waker, 10 * SECOND, &error) == NET_WOKEN);
    HOLDS(net_wait(quiet, 0, &s->waker, -SECOND, &error) == 0);
    net_wake(&s->waker);
    net_wake(&s->waker);
    net_waker_drain(&s->waker);
    HOLDS(net_wait(quiet, 0, &s->waker, MILLISECOND, &error) == 0);
    HOLDS(net_wait(quiet, 1, &s->waker, 10 * SECOND, &error) == NET_WRITABLE && error == 0);
}

static void check_bytes(shared *s, net_socket client, net_socket server) {
    static uint8_t much[1 << 20];
    uint8_t got[8];
    int error = 0, sent;
    HOLDS(net_recv(client, got, sizeof got, &error) == NET_AGAIN);
    HOLDS(net_send(server, (const uint8_t *)"abc", 3, 1, &error) == 3);
    HOLDS(net_wait(client, 0, &s->waker, 10 * SECOND, &error) == NET_READABLE);
    HOLDS(net_recv(client, got, sizeof got, &error) == 3 && got[0] == 'a' && got[2] == 'c');
    net_acknowledge(client);
    do sent = net_send(client, much, sizeof much, 0, &error); while (sent > 0);
    HOLDS(sent == NET_AGAIN && error == 0);
}

/* Waits until something is found, and not merely what is left of what was found before. */
static int found(net_poller *p, net_event *events, int room) {
    int64_t end = net_now() + 10 * SECOND;
    int n = 0;
    while (n == 0 && net_now() < end) n = net_poller_wait(p, end, events, room);
    return n;
}

static void check_poller(shared *s, net_socket client, net_socket server) {
    net_poller p;
    net_event events[4];
    uint8_t got[8];
    int here, there, error = 0;
    int64_t until;
    HOLDS(net_poller_open(&p, &s->waker) == 0);
    HOLDS(net_poller_watch(&p, client, &here, 0, 0) == 0 && net_poller_watch(&p, server, &there, 0, 0) == 0);
    HOLDS(net_poller_wait(&p, net_now() - SECOND, events, 4) == 0);
    until = net_now() + 5 * MILLISECOND;
    HOLDS(net_poller_wait(&p, until, events, 4) == 0 && net_now() >= until - MILLISECOND);
    net_wake(&s->waker);
    HOLDS(net_poller_wait(&p, net_now() + 10 * SECOND, events, 4) == 0);
    HOLDS(net_send(server, (const uint8_t *)"abc", 3, 1, &error) == 3);
    HOLDS(found(&p, events, 4) == 1 && events[0].who == &here && events[0].ready == NET_READABLE);
    HOLDS(net_recv(client, got, sizeof got, &error) == 3);
    HOLDS(net_poller_watch(&p, client, &here, 1, 1) == 0);
    HOLDS(found(&p, events, 4) == 1 && events[0].who == &here && events[0].ready == NET_WRITABLE);
    net_poller_forget(&p, client);
    HOLDS(net_poller_wait(&p, net_now() + MILLISECOND, events, 4) == 0);
    net_poller_forget(&p, server);
    net_poller_close(&p);
}

static void check_end(shared *s, net_socket client, net_socket server) {
    uint8_t got[8];
    int error = 0, n;
    net_close(server);
    HOLDS(net_wait(client, 0, &s->waker, 10 * SECOND, &error) & NET_READABLE);
    n = net_recv(client, got, sizeof got, &error);
    HOLDS(n == NET_CLOSED || (n == NET_ERROR && error != 0));    /* what it had not read makes it a reset */
    net_close(client);
    net_close(NET_NONE);
    HOLDS(net_recv(client, got, sizeof got, &error) == NET_ERROR && error != 0);
}

int main(void) {
    static shared s;
    net_socket client, server;
    start_sockets();
    sync_init(&s.lock);
    HOLDS(net_waker_open(&s.waker) == 0);
    connected_pair(&client, &server);
    check_clock();
    check_lock(&s);
    check_waker(&s, client);
    check_poller(&s, client, server);
    check_bytes(&s, client, server);
    check_end(&s, client, server);
    net_waker_close(&s.waker);
    sync_destroy(&s.lock);
    puts("net.h keeps what it promises");
    return 0;
}
