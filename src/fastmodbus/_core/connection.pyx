"""A session over a connected socket: sending, receiving, losing it, and telling the driver that there is work.

The half of driving that is the same whoever drives; see connection.pxd. Every function is called with the lock held.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from fastmodbus._core.answers cimport session_received
from fastmodbus._core.batch cimport mb_batch
from fastmodbus._core.net cimport *
from fastmodbus._core.queue cimport mb_walk, queue_next, queue_walk
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *


cdef void connection_drop(mb_connection* c, int64_t now) noexcept nogil:
    """Close the socket and tell the session."""
    if c.watched != NET_NONE:
        net_poller_forget(&c.hub.poller, c.watched)
        c.watched = NET_NONE
    net_close(c.socket)
    c.socket = NET_NONE
    session_lost(c.session, now)
    if c.closing:
        c.session.event_count = 0       # our own doing is no news


cdef void _stir(mb_hub* hub, mb_connection* c) noexcept nogil:
    """Have the loop look at a connection."""
    cdef bint asleep
    sync_acquire(&hub.lock)
    asleep = hub.sleeping
    if not c.listed:
        c.listed = True
        c.next_stirred = hub.stirred
        hub.stirred = c
    hub.sleeping = False
    sync_release(&hub.lock)
    if asleep:
        net_wake(&hub.waker)


cdef void connection_nudge(mb_connection* c) noexcept nogil:
    """Tell the driver that there is something new: it may be waiting, or about to."""
    c.stirred = True
    if c.hub is not NULL:
        _stir(c.hub, c)
    elif c.sleeping:
        net_wake(&c.waker)


cdef void connection_resign(mb_connection* c) noexcept nogil:
    c.driver = 0
    c.running = False
    c.probed = False
    if c.socket != NET_NONE and (c.closing or c.session.state == SESSION_BROKEN):
        connection_drop(c, net_now())
    if c.waiting:
        sync_notify(&c.lock)
    if c.hub is not NULL:
        _stir(c.hub, c)


cdef void connection_give_up(mb_connection* c, const mb_batch* own) noexcept nogil:
    """There is no connection: over for one batch, and for all that have no deadline within which to wait for one."""
    cdef mb_walk walk = queue_walk(&c.session.queues)
    cdef mb_batch* b = queue_next(&walk)
    while b is not NULL:
        if b is own or b.deadline == INT64_MAX:
            session_detach(c.session, b, ST_UNREACHABLE)
        b = queue_next(&walk)


cdef int connection_receive(mb_connection* c, int64_t* now) noexcept nogil:
    """Take what the socket has, a buffer full at most, the lock released meanwhile. False when the connection went."""
    cdef mb_session* s = c.session
    cdef int n, error = 0
    cdef uint32_t room = s.input_capacity - s.input_size
    sync_release(&c.lock)
    n = net_recv(c.socket, s.input + s.input_size, room, &error)
    sync_acquire(&c.lock)
    now[0] = net_now()
    if n > 0:
        c.unacknowledged = True
        session_received(s, n, now[0])
        return True
    if n == NET_ERROR or n == NET_CLOSED:
        c.error = error
    if n == NET_CLOSED and s.datagrams:
        return True         # an empty one
    return n == NET_AGAIN or n == NET_INTERRUPTED


cdef void connection_save(mb_connection* c, int64_t* now) noexcept nogil:
    """Sending failed: take the answers that came before the peer closed."""
    cdef mb_session* s = c.session
    cdef int error = c.error
    cdef uint64_t received = s.counters.bytes_received - 1
    while s.state == SESSION_UP and s.counters.bytes_received != received:
        received = s.counters.bytes_received
        connection_receive(c, now)
    c.error = error


cdef bint connection_probe(mb_connection* c, int64_t* now) noexcept nogil:
    """Look at an idle socket before it is used again: has the peer closed it, or sent what nobody asked for?"""
    cdef mb_session* s = c.session
    cdef bint in_use = c.probed
    c.probed = True
    if s.window.in_flight:
        return True
    if c.idle_close and not in_use and now[0] - s.last_traffic > c.idle_close:
        connection_drop(c, now[0])
        s.event_count = max(0, s.event_count - 1)   # our own doing is no news
        return True
    return connection_receive(c, now)


cdef int _hand_over(mb_connection* c) noexcept nogil:
    """Give the send buffer to the kernel, one ADU a call or all at once; returns the result of the last call."""
    cdef mb_session* s = c.session
    cdef uint32_t at = s.output_sent, end
    cdef int k = s.sending_done, n = 0, error = 0
    sync_release(&c.lock)
    while at < s.output_size:
        end = s.output_size if c.coalesce else s.sending[k].end
        n = net_send(c.socket, s.output + at, end - at, not c.coalesce, &error)
        if n >= 0:
            at += n
            k += at == end
        elif n != NET_INTERRUPTED:
            break
    sync_acquire(&c.lock)
    if n == NET_ERROR:
        c.error = error
    c.unacknowledged = False
    s.output_lent = False
    session_sent(s, at - s.output_sent, s.last_traffic)
    return n


cdef bint connection_send(mb_connection* c, int64_t now) noexcept nogil:
    """Send all that the window and the kernel take. False when the connection is gone."""
    cdef mb_session* s = c.session
    cdef int n
    while True:
        c.stirred = False
        session_fill(s, now)
        if s.state != SESSION_UP:
            return False
        if s.output_size == 0:
            return True
        s.output_lent = True
        n = _hand_over(c)
        if n == NET_AGAIN:
            return True
        if n < 0:
            return False
