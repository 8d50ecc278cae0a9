# A visit of the loop at one connection: its jobs and its session are advanced, bytes come and go, others are told, the
# next look is set. Inline; only loop.pyx uses it, by visit_look, which takes the connection's lock, and visit_let_go,
# which needs it.

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from fastmodbus._core.bell cimport bell_ring, mb_bell
from fastmodbus._core.connection cimport *
from fastmodbus._core.expiry cimport session_expire, session_next_deadline
from fastmodbus._core.net cimport *
from fastmodbus._core.queue cimport queue_empty
from fastmodbus._core.schedule cimport job_advance, job_next, mb_job
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport QUIRK_ZERO_ID
from fastmodbus._core.timers cimport mb_timer, timer_set

cdef struct mb_loop:
    mb_hub hub
    mb_timer* timers
    uint64_t me                     # the thread, 0 while none is in run()
    bint stopping
    bint failed                     # a socket could not be watched
    mb_bell rows, news


cdef inline void visit_advance(mb_connection* c, int64_t now) noexcept nogil:
    cdef mb_job* j = c.jobs
    while j is not NULL:
        job_advance(j, c.session, now)
        j = j.next


cdef inline bint visit_needs_probe(mb_connection* c, int64_t now) noexcept nogil:
    """Whether the socket is to be looked at before it is used: a write must not go to a peer that has closed.

    A pause in the middle of something does not make a connection idle: one that is new would never come to be used.
    """
    cdef const mb_session* s = c.session
    if s.window.in_flight:
        return False
    if c.idle_close and queue_empty(&s.queues):
        c.probed = False
        return False
    if s.queues.first[<int>PRIORITY_WRITE] is not NULL or s.quirks & QUIRK_ZERO_ID:
        return True
    return c.idle_close != 0 and not c.probed and now - s.last_traffic > c.idle_close


cdef inline bint visit_exchange(mb_connection* c, int ready, int64_t* now) noexcept nogil:
    """Receive what is there, let time pass, send what is due. False when the connection is gone."""
    cdef mb_session* s = c.session
    cdef uint32_t finished
    if ready & NET_READABLE and not connection_receive(c, now):
        return False
    while True:
        finished = s.queues.finished
        visit_advance(c, now[0])
        session_expire(s, now[0])
        if visit_needs_probe(c, now[0]) and not connection_probe(c, now):
            return False
        if c.socket == NET_NONE:
            return True
        if s.state != SESSION_UP or not connection_send(c, now[0]):
            connection_save(c, now)
            return False
        if s.queues.finished == finished:
            return True


cdef inline void visit_unconnected(mb_loop* l, mb_connection* c, int64_t now) noexcept nogil:
    """Rows go on without one; calls wait while the supervisor tries, and end when it failed."""
    visit_advance(c, now)
    session_expire(c.session, now)
    if c.unreachable:
        connection_give_up(c, NULL)
    if not c.wanted and not c.closing:
        c.wanted = True
        bell_ring(&l.news)


cdef inline void visit_watch(mb_loop* l, mb_connection* c) noexcept nogil:
    """Have the poller watch the socket for what is needed now."""
    cdef bint want_write = c.session.output_size != 0
    cdef bint again = c.watched == c.socket
    if c.socket == NET_NONE or (again and c.watched_writable == want_write):
        return
    if net_poller_watch(&l.hub.poller, c.socket, c, want_write, again) != 0:
        l.failed = True
        return
    c.watched = c.socket
    c.watched_writable = want_write


cdef inline void visit_report(mb_loop* l, mb_connection* c) noexcept nogil:
    """Ring for what the jobs and the session have to tell."""
    cdef bint rows = False, news = c.session.event_count > 0
    cdef mb_job* j = c.jobs
    while j is not NULL:
        rows = rows or j.bell
        news = news or j.news
        j.bell = j.news = False
        j = j.next
    if rows:
        bell_ring(&l.rows)
    if news and not c.told:
        c.told = True
        bell_ring(&l.news)


cdef inline int64_t visit_next(mb_connection* c, int64_t now) noexcept nogil:
    cdef int64_t next = session_next_deadline(c.session, now)
    cdef mb_job* j = c.jobs
    while j is not NULL:
        next = min(next, job_next(j))
        j = j.next
    return next


cdef inline void visit_set_timer(mb_loop* l, mb_connection* c, int64_t now) noexcept nogil:
    """Come back in time. A timer that is early stays: a look too many costs less than moving it with every answer."""
    cdef int64_t next = max(visit_next(c, now), now + 1)     # later than any look at the time before
    if next < c.timer.due or c.timer.due <= now:
        timer_set(&l.timers, &c.timer, next)


cdef inline void visit(mb_loop* l, mb_connection* c, int ready) noexcept nogil:
    """Everything that is to be done for a connection now. The lock is held, and released over system calls."""
    cdef int64_t now = net_now()
    cdef uint32_t finished = c.session.queues.finished
    c.driver = l.me
    c.running = True
    c.stirred = False
    if c.socket != NET_NONE and (c.closing or not visit_exchange(c, ready, &now)):
        connection_drop(c, now)
    if c.socket == NET_NONE:
        visit_unconnected(l, c, now)
    elif c.unacknowledged and c.session.window.in_flight > 0:
        c.unacknowledged = False
        net_acknowledge(c.socket)
    visit_watch(l, c)
    visit_set_timer(l, c, now)
    visit_report(l, c)
    c.running = False
    if c.waiting and (c.session.queues.finished != finished or c.closing):
        sync_notify(&c.lock)


cdef inline void visit_let_go(mb_loop* l, mb_connection* c) noexcept nogil:
    """The connection is no longer driven from here; whoever waits at it may drive."""
    timer_set(&l.timers, &c.timer, INT64_MAX)
    if c.watched != NET_NONE:
        net_poller_forget(&l.hub.poller, c.watched)
        c.watched = NET_NONE
    c.hub = NULL
    c.leaving = c.wanted = c.asked = c.unreachable = False
    if c.driver == l.me:
        connection_resign(c)
    sync_notify(&c.lock)


cdef inline void visit_look(mb_loop* l, mb_connection* c, int ready) noexcept nogil:
    """A thread that drove when the loop claimed the connection resigns first, and stirs it then."""
    sync_acquire(&c.lock)
    if c.leaving:
        visit_let_go(l, c)
    elif c.hub is not NULL and (c.driver == 0 or c.driver == l.me):
        visit(l, c, ready)
    else:
        timer_set(&l.timers, &c.timer, INT64_MAX)
    sync_release(&c.lock)
