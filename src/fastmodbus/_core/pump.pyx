"""Sending and receiving for an event loop: what can be done now over a socket that the loop watches. Nothing waits.

One thread at a time; the session is that of verbs.pyx, the socket is the caller's and stays open.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from fastmodbus._core.connection cimport *
from fastmodbus._core.net cimport *
from fastmodbus._core.queue cimport mb_walk, queue_next, queue_walk
from fastmodbus._core.session cimport *
from fastmodbus._core.state cimport SessionState

cdef enum:
    TURNS = 8                       # receives until other tasks have their turn


cdef bint _busy(mb_connection* c) noexcept nogil:
    cdef mb_walk walk = queue_walk(&c.session.queues)
    return queue_next(&walk) is not NULL


cdef bint _dispatch(mb_connection* c, int64_t* now) noexcept nogil:
    """Send what may be sent. False when the connection is gone.

    An idle one is looked at before it is used: has the peer closed it, or sent what nobody asked for?
    """
    cdef mb_session* s = c.session
    if s.window.in_flight == 0:
        if not _busy(c):
            return s.state == SESSION_UP
        if not connection_receive(c, now):
            return False
    if s.state != SESSION_UP:
        return False
    if not connection_send(c, now[0]):
        connection_save(c, now)
        return False
    return True


cdef bint _turn(mb_connection* c, bint readable) noexcept nogil:
    """Send; and where the socket is readable receive, and again as long as something comes, for a while."""
    cdef mb_session* s = c.session
    cdef int64_t now = net_now()
    cdef uint64_t received
    cdef int turns = TURNS if readable else 0
    if not _dispatch(c, &now):
        return False
    while turns:
        turns -= 1
        received = s.counters.bytes_received
        if not connection_receive(c, &now):
            return False
        if s.counters.bytes_received == received:
            break
        if not _dispatch(c, &now):
            return False
    if readable and c.unacknowledged and s.window.in_flight:
        net_acknowledge(c.socket)
        c.unacknowledged = False
    return True


cdef class Pump:
    """Drives a session over a connected, non-blocking socket.

    Parameters
    ----------
    session : SessionState
        Its session, which nobody else drives meanwhile.
    socket : int
        Descriptor.
    coalesce : bool
        Let several requests share a segment.
    """
    cdef mb_connection link
    cdef SessionState session

    def __cinit__(self, SessionState session not None, net_socket socket, bint coalesce):
        memset(&self.link, 0, sizeof(mb_connection))
        self.session = session
        self.link.session = &session.c
        self.link.socket = socket
        self.link.coalesce = coalesce
        sync_init(&self.link.lock)
        if net_prepare(socket) != 0:
            raise OSError("the socket cannot be made non-blocking")

    def __dealloc__(self):
        sync_destroy(&self.link.lock)

    def turn(self, bint readable):
        """Send, and receive what a readable socket has; False when the connection is gone or has to be closed.

        Without waiting for the loop to say that it is readable a task could have its answer without ever having let
        others run.
        """
        cdef mb_connection* c = &self.link
        cdef bint alive
        with nogil:
            sync_acquire(&c.lock)
            alive = _turn(c, readable)
            sync_release(&c.lock)
        return alive

    @property
    def blocked(self):
        """Whether something waits to be sent until the socket takes more."""
        return self.link.session.output_size != 0

    @property
    def error(self):
        """errno of what broke the connection; 0 when the peer closed it."""
        return self.link.error
