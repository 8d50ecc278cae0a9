"""Sending and receiving for an event loop: what can be done now over a socket that the loop watches. Nothing waits.

One thread at a time; the session is that of verbs.pyx, the socket is the caller's and stays open.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from fastmodbus._core.connection cimport *
from fastmodbus._core.expiry cimport session_next_deadline
from fastmodbus._core.net cimport *
from fastmodbus._core.queue cimport queue_empty
from fastmodbus._core.session cimport *
from fastmodbus._core.state cimport SessionState

cdef enum:
    TURNS = 8                       # receives until other tasks have their turn

cdef enum:                          # what came of a turn
    TURN_LOST = -1
    TURN_QUIET = 0
    TURN_NEWS = 1

LOST, QUIET, NEWS = TURN_LOST, TURN_QUIET, TURN_NEWS


cdef bint _dispatch(mb_connection* c, int64_t* now) noexcept nogil:
    """Send what may be sent. False when the connection is gone.

    An idle one is looked at before it is used: has the peer closed it, or sent what nobody asked for?
    """
    cdef mb_session* s = c.session
    if s.window.in_flight == 0:
        if queue_empty(&s.queues):
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
    cdef uint64_t received, sent
    cdef uint32_t room
    cdef int turns = TURNS if readable else 0
    if not _dispatch(c, &now):
        return False
    while turns:
        turns -= 1
        received = s.counters.bytes_received
        sent = s.counters.bytes_sent
        room = s.input_capacity - s.input_size
        if not connection_receive(c, &now):
            return False
        received = s.counters.bytes_received - received
        if received == 0:
            break
        if not _dispatch(c, &now):
            return False
        if received < room and s.counters.bytes_sent == sent and not s.datagrams:
            break                   # the socket is empty, and nothing was asked that could have been answered since
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
    cdef public int64_t due         # when the driver comes back by itself, monotonic ns

    def __cinit__(self, SessionState session not None, net_socket socket, bint coalesce):
        memset(&self.link, 0, sizeof(mb_connection))
        self.session = session
        self.link.session = &session.c
        self.link.socket = socket
        self.link.coalesce = coalesce
        self.due = INT64_MAX
        sync_init(&self.link.lock)
        if net_prepare(socket) != 0:
            raise OSError("the socket cannot be made non-blocking")

    def __dealloc__(self):
        sync_destroy(&self.link.lock)

    def turn(self, bint readable):
        """Send, and receive what a readable socket has. -1: the connection is gone or has to be closed; 0: nobody has
        to know; 1: batches are over, there is something to log, or time matters before `due`.

        Without waiting for the loop to say that it is readable a task could have its answer without ever having let
        others run.
        """
        cdef mb_connection* c = &self.link
        cdef mb_session* s = c.session
        cdef uint32_t finished = s.queues.finished
        cdef bint blocked = s.output_size != 0
        cdef bint alive
        with nogil:
            sync_acquire(&c.lock)
            alive = _turn(c, readable)
            sync_release(&c.lock)
        if not alive:
            return TURN_LOST
        if s.queues.finished != finished or s.event_count or s.trace.ring is not NULL:
            return TURN_NEWS
        if blocked != (s.output_size != 0) or session_next_deadline(s, net_now()) < self.due:
            return TURN_NEWS
        return TURN_QUIET

    @property
    def blocked(self):
        """Whether something waits to be sent until the socket takes more."""
        return self.link.session.output_size != 0

    @property
    def error(self):
        """errno of what broke the connection; 0 when the peer closed it."""
        return self.link.error
