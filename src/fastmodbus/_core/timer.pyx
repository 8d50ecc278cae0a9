"""A timer that a selector can wait for, more exact than the milliseconds of epoll: a timerfd. Linux only.

Elsewhere AVAILABLE is False, and a selector's own timeout is what there is (kqueue's and select's are exact enough).
"""

from cpython.exc cimport PyErr_SetFromErrno

cdef extern from *:
    """
    #include <errno.h>
    #if defined(__linux__)
    #include <sys/timerfd.h>
    #include <unistd.h>
    #define FM_TIMER 1
    static int fm_timer_open(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC); }
    static int fm_timer_arm(int fd, double at) {
        struct itimerspec spec = {{0, 0}, {0, 0}};
        spec.it_value.tv_sec = (time_t)at;
        spec.it_value.tv_nsec = (long)((at - (double)spec.it_value.tv_sec) * 1e9);
        return timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, NULL);
    }
    static int fm_timer_close(int fd) { return close(fd); }
    #else
    #define FM_TIMER 0
    static int fm_timer_open(void) { errno = ENOSYS; return -1; }
    static int fm_timer_arm(int fd, double at) { (void)fd; (void)at; errno = ENOSYS; return -1; }
    static int fm_timer_close(int fd) { (void)fd; return 0; }
    #endif
    """
    int FM_TIMER
    int fm_timer_open()
    int fm_timer_arm(int fd, double at)
    int fm_timer_close(int fd)

AVAILABLE = bool(FM_TIMER)


cdef class Timer:
    """Readable from a moment of `time.monotonic()` on."""

    cdef int fd

    def __cinit__(self):
        self.fd = fm_timer_open()
        if self.fd < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        self.close()

    def fileno(self):
        return self.fd

    def arm(self, double at):
        """Be readable from `at` seconds on, and not before; 0 is never."""
        if fm_timer_arm(self.fd, at) < 0:
            PyErr_SetFromErrno(OSError)

    def close(self):
        if self.fd >= 0:
            fm_timer_close(self.fd)
            self.fd = -1
