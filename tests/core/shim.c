/* Stands between the reactor and the system: makes chosen system calls return short, or fail. Preloaded by the tests.
 *
 * shim_rules() takes a list of rules, `call:which:what`, separated by commas, and starts counting anew:
 *   call    send, recv, ppoll, read or write (the last two of eventfds only)
 *   which   the number of the call from 1 on, or * for every call, or /N for every N-th
 *   what    the number of an error, or sN for "at most N bytes"
 * Only calls on sockets that shim_watch() was told of count, and those on eventfds. shim_count() tells how often a call
 * was made, shim_hits() how often a rule met one. shim_hook() names a function that is called in every recv.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SEND, RECV, PPOLL, READ, WRITE, CALLS };
static const char *const NAMES[CALLS] = {"send", "recv", "ppoll", "read", "write"};
enum { DESCRIPTORS = 65536, RULES = 16 };

static struct { int call, error; long first, every; size_t size; } rules[RULES];
static int rule_count;
static atomic_char watched[DESCRIPTORS];
static atomic_long calls[CALLS], hits[CALLS];
static void (*_Atomic hook)(void);

static int call_named(const char *name, size_t size) {
    for (int i = 0; i < CALLS; i++)
        if (strlen(NAMES[i]) == size && strncmp(NAMES[i], name, size) == 0) return i;
    abort();
}

void shim_rules(const char *at) {
    memset(rules, 0, sizeof rules);
    for (int i = 0; i < CALLS; i++) calls[i] = hits[i] = 0;
    for (rule_count = 0; *at && rule_count < RULES;) {
        size_t name = strcspn(at, ":");
        rules[rule_count].call = call_named(at, name);
        at += name + 1;
        if (*at == '*' || *at == '/') rules[rule_count].every = *at++ == '*' ? 1 : strtol(at, (char **)&at, 10);
        else rules[rule_count].first = strtol(at, (char **)&at, 10);
        at += *at == ':';
        if (*at == 's') rules[rule_count].size = strtoul(at + 1, (char **)&at, 10);
        else rules[rule_count].error = (int)strtol(at, (char **)&at, 10);
        at += *at == ',';
        rule_count++;
    }
}

void shim_watch(int fd, int on) { watched[fd] = (char)on; }
long shim_count(const char *name) { return calls[call_named(name, strlen(name))]; }
long shim_hits(const char *name) { return hits[call_named(name, strlen(name))]; }
void shim_hook(void (*function)(void)) { hook = function; }

static int of_interest(int fd, char kind) { return fd >= 0 && fd < DESCRIPTORS && watched[fd] == kind; }

/* Whether the call shall fail; it may also be made to ask for less. */
static int fails(int call, size_t *size) {
    long n = ++calls[call];
    for (int i = 0; i < rule_count; i++) {
        if (rules[i].call != call) continue;
        if (rules[i].every ? n % rules[i].every : n != rules[i].first) continue;
        hits[call]++;
        if (rules[i].error) {
            errno = rules[i].error;
            return 1;
        }
        if (size && *size > rules[i].size) *size = rules[i].size;
    }
    return 0;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    if (of_interest(fd, 1) && fails(SEND, &size)) return -1;
    return real(fd, data, size, flags);
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
    REAL(ssize_t, "recv", int, void *, size_t, int);
    if (of_interest(fd, 1)) {
        void (*function)(void) = hook;
        if (function) function();
        if (fails(RECV, &size)) return -1;
    }
    return real(fd, data, size, flags);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *signals) {
    REAL(int, "ppoll", struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    if (count == 2 && of_interest(fds[0].fd, 1) && fails(PPOLL, NULL)) return -1;
    return real(fds, count, time, signals);
}

int eventfd(unsigned int value, int flags) {
    REAL(int, "eventfd", unsigned int, int);
    int fd = real(value, flags);
    if (fd >= 0 && fd < DESCRIPTORS) watched[fd] = 2;
    return fd;
}

ssize_t read(int fd, void *data, size_t size) {
    REAL(ssize_t, "read", int, void *, size_t);
    if (of_interest(fd, 2) && fails(READ, NULL)) return -1;
    return real(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (of_interest(fd, 2) && fails(WRITE, NULL)) return -1;
    return real(fd, data, size);
}
