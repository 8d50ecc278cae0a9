"""Sessions over sockets, driven by the threads that call. System calls are made here, in connection.pyx, pump.pyx and
the loop alone, all of them through net.h.

Whoever needs progress drives: the first thread that runs a batch becomes the driver of its connection, sends and
receives for every thread until its own batch is over, and then resigns; the others wait, and one of them goes on.
The lock guards the session and is never held over a system call that may block. Only the driver touches the socket
and the input buffer, so a socket is closed by the driver, or by close() once nobody drives. A thread keeps being
the driver when run() returns to Python for a signal or a connection, and comes back or resigns. Where a loop has
claimed the connection (its hub is set), the loop's thread is the driver until it lets go, and all others wait.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from fastmodbus._core.batch cimport Batch, mb_batch
from fastmodbus._core.connection cimport *
from fastmodbus._core.expiry cimport session_expire, session_next_deadline
from fastmodbus._core.net cimport *
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport *
from fastmodbus._core.state cimport SessionState

cdef enum:
    TICK = 100000000                # ns: how long a signal may go unseen when it does not interrupt the wait

cdef enum mb_verdict:
    GO_ON = 0
    RUN_DONE = 1
    RUN_CONNECT = 2                 # the batch needs a connection: attach one or give up, and come back
    RUN_SIGNALS = 3                 # the main thread must look for signals
    RUN_FORKED = 4
    RUN_EVENTS = 5                  # the batch is over, and the session has something to tell

DONE, CONNECT, FORKED, EVENTS_TO_TELL = RUN_DONE, RUN_CONNECT, RUN_FORKED, RUN_EVENTS
EVENTS = {
    "CONNECTED": EVENT_CONNECTED, "LOST": EVENT_LOST, "STALE": EVENT_STALE, "UNKNOWN": EVENT_UNKNOWN,
    "TIMEOUT": EVENT_TIMEOUT, "BUSY": EVENT_BUSY, "OVERTAKEN": EVENT_OVERTAKEN, "ONE_AT_A_TIME": EVENT_ONE_AT_A_TIME,
}


def now():
    """The core's clock: monotonic ns."""
    return net_now()


cdef int _wait(mb_connection* c, int64_t now, int64_t until) noexcept nogil:
    cdef mb_session* s = c.session
    cdef int ready, error = 0
    cdef bint want_write = s.output_size != 0
    cdef bint acknowledge = c.unacknowledged and s.window.in_flight > 0
    until = min(until, session_next_deadline(s, now))
    c.unacknowledged = False
    c.sleeping = True
    sync_release(&c.lock)
    if acknowledge:
        net_acknowledge(c.socket)
    ready = net_wait(c.socket, want_write, &c.waker, min(until - now, <int64_t>3600 * 1000000000), &error)
    sync_acquire(&c.lock)
    if ready == NET_ERROR:
        c.error = error
    c.sleeping = False
    return ready


cdef int _step(mb_connection* c, int64_t check_signals) noexcept nogil:
    """Once round the loop: expire, send, wait, receive. Returns as soon as a batch is over: somebody waits for it."""
    cdef mb_session* s = c.session
    cdef int64_t now = net_now()
    cdef bint more = s.window.in_flight > 0     # answers to earlier requests may be here already: look before waiting
    cdef uint64_t received = s.counters.bytes_received
    cdef uint32_t finished = s.queues.finished
    cdef int ready
    session_expire(s, now)
    if s.queues.finished != finished:
        return GO_ON
    if c.socket == NET_NONE:
        return RUN_CONNECT
    if (not c.probed or s.quirks & QUIRK_ZERO_ID) and not connection_probe(c, &now):
        connection_drop(c, now)
    elif c.socket == NET_NONE:
        return RUN_CONNECT
    elif s.state != SESSION_UP or not connection_send(c, now):
        connection_save(c, &now)
        connection_drop(c, now)
    elif more and not connection_receive(c, &now):
        connection_drop(c, now)
    if c.socket == NET_NONE or s.counters.bytes_received != received or s.queues.finished != finished or c.stirred:
        return GO_ON
    ready = _wait(c, now, check_signals)
    if ready == NET_INTERRUPTED:
        return RUN_SIGNALS
    if ready == NET_ERROR or (ready > 0 and ready & NET_READABLE and not connection_receive(c, &now)):
        connection_drop(c, now)
    return GO_ON


cdef void _submit(mb_connection* c, mb_batch* b, uint64_t me) noexcept nogil:
    if c.closing:
        session_detach(c.session, b, ST_CLOSED)
        return
    if b.priority == PRIORITY_WRITE:
        b.submitted = net_now()
    session_submit(c.session, b)
    if c.driver != me:
        connection_nudge(c)


cdef int64_t _wait_for_driver(mb_connection* c, mb_batch* b) noexcept nogil:
    """Let another thread drive. It may be in Python, connecting: a deadline is minded here too. Returns the time."""
    cdef int64_t now = net_now()
    c.waiting += 1
    sync_wait(&c.lock, max(0, min(<int64_t>TICK, b.deadline - now)))
    c.waiting -= 1
    now = net_now()
    if b.deadline <= now:
        session_detach(c.session, b, ST_UNREACHABLE if c.unreachable else ST_DEADLINE)
    return now


cdef int _work(mb_connection* c, mb_batch* b, uint64_t me, bint signals) noexcept nogil:
    """Until the batch is over, or Python is needed: drive, or wait while another thread does."""
    cdef int64_t check_signals = net_now() + TICK if signals else INT64_MAX
    cdef int verdict
    cdef uint32_t finished
    while b.unfinished:
        if c.hub is not NULL and c.driver == me:
            connection_resign(c)
        if c.hub is not NULL or (c.driver != 0 and c.driver != me):
            if _wait_for_driver(c, b) >= check_signals:
                return RUN_SIGNALS
            continue
        c.driver = me
        c.running = True
        finished = c.session.queues.finished
        verdict = _step(c, check_signals)
        if c.waiting and c.session.queues.finished != finished:
            sync_notify(&c.lock)
        if verdict == GO_ON and net_now() >= check_signals:
            verdict = RUN_SIGNALS
        if verdict != GO_ON and b.unfinished:
            c.running = False
            return verdict
    if c.driver == me:
        connection_resign(c)
    return RUN_DONE


cdef class Connection(SessionState):
    """A session over a connected socket, to be shared by threads.

    Parameters
    ----------
    window : int
        Requests in flight at most, 1 to 4096.
    coalesce : bool
        Let several requests share a TCP segment.
    pipeline_writes : bool
        Let more than one write be in flight.
    datagrams : bool
        The socket is one of datagrams, with one ADU each.
    request_gap, connect_delay, idle_close : int
        Ns between requests, before the first request, and without traffic before the connection is replaced (0: never).
    """

    def __cinit__(self, int window=1, **options):
        memset(&self.link, 0, sizeof(mb_connection))
        self.link.session = &self.c
        self.link.socket = self.link.watched = NET_NONE
        self.link.timer.due = INT64_MAX
        self.link.timer.owner = &self.link
        self.link.process = sync_process()
        sync_init(&self.link.lock)
        if net_waker_open(&self.link.waker) < 0:
            raise OSError("no descriptor for waking a waiting thread")

    def __init__(self, int window=1, *, bint automatic=False, uint8_t quirks=0, bint coalesce=False,
                 bint pipeline_writes=False, bint datagrams=False,
                 int64_t request_gap=0, int64_t connect_delay=0, int64_t idle_close=0):
        self.link.coalesce = coalesce
        self.link.idle_close = idle_close
        self.c.pipeline_writes = pipeline_writes
        self.c.datagrams = datagrams
        self.c.request_gap = request_gap
        self.c.connect_delay = connect_delay

    def __dealloc__(self):
        self.abandon_descriptors()
        sync_destroy(&self.link.lock)

    cdef void enter(self) noexcept nogil:
        sync_acquire(&self.link.lock)

    cdef void leave(self) noexcept nogil:
        sync_release(&self.link.lock)

    cpdef abandon_descriptors(self):
        """Close the descriptors and do nothing else: for a forked child, whose copies they are.

        A thread of its parent may have held the lock or waited at it: the child's copy of it starts anew.
        """
        if self.link.process != sync_process():
            sync_init(&self.link.lock)
        net_close(self.link.socket)
        self.link.socket = NET_NONE
        net_waker_close(&self.link.waker)

    @property
    def connected(self):
        """Whether there is a connection, as far as is known without looking."""
        cdef bint found
        self.enter()
        found = self.link.socket != NET_NONE
        self.leave()
        return found

    @property
    def closed(self):
        cdef bint found
        self.enter()
        found = self.link.closing
        self.leave()
        return found

    @property
    def forked(self):
        """Whether this is a child of the process that made the connection."""
        return self.link.process != sync_process()

    @property
    def error(self):
        """errno of the last loss of the connection; 0 when the peer closed it."""
        cdef int found
        self.enter()
        found = self.link.error
        self.leave()
        return found

    def attach(self, net_socket socket):
        """Take over a connected socket's descriptor; it is closed from here. This thread, nobody or a loop drives."""
        cdef bint unwanted
        cdef mb_connection* c = &self.link
        if net_prepare(socket) != 0:
            net_close(socket)
            raise OSError("the socket cannot be made non-blocking")
        with nogil:
            sync_acquire(&c.lock)
            unwanted = c.closing or c.socket != NET_NONE
            if not unwanted:
                c.socket = socket
                c.error = 0
                session_connected(c.session, net_now())
                c.probed = c.driver != 0    # unless it may stay idle first
                c.wanted = c.asked = c.unreachable = False
                if c.hub is not NULL:
                    connection_nudge(c)
            sync_release(&c.lock)
            if unwanted:
                net_close(socket)

    def run(self, Batch batch not None, bint main_thread=True):
        """Work on a batch until it is over (DONE; EVENTS_TO_TELL where there are some), or it needs a connection
        (CONNECT), or this is a forked child (FORKED).

        After CONNECT: attach a socket and run again, or detach. An exception of a signal handler leaves the batch
        submitted: detach it.
        """
        cdef mb_connection* c = &self.link
        cdef uint64_t me = sync_thread()
        cdef int verdict = RUN_FORKED
        cdef bint submitted = batch.owner is not None
        if c.process != sync_process():
            return RUN_FORKED
        if not submitted:
            batch.lend(self)
        elif batch.owner is not self:
            raise ValueError("the batch was submitted to another connection")
        while True:
            with nogil:     # once a call as a rule: beside a thread that computes, every return costs a switch interval
                sync_acquire(&c.lock)
                if not submitted:
                    submitted = True
                    _submit(c, &batch.c, me)
                verdict = _work(c, &batch.c, me, main_thread)
                if verdict == RUN_DONE and c.session.event_count:
                    verdict = RUN_EVENTS
                sync_release(&c.lock)
            if verdict != RUN_SIGNALS:
                break
            PyErr_CheckSignals()
        if verdict == RUN_DONE or verdict == RUN_EVENTS:
            batch.owner = None
        return verdict

    def detach(self, Batch batch not None, uint8_t status=ST_CANCELLED):
        """End the loan of a batch, whatever became of it, and stop driving if this thread does."""
        cdef mb_connection* c = &self.link
        cdef uint64_t me = sync_thread()
        if batch.owner is not self or c.process != sync_process():
            return
        with nogil:
            sync_acquire(&c.lock)
            session_detach(c.session, &batch.c, status)
            if c.driver == me:
                connection_resign(c)
            sync_release(&c.lock)
        batch.owner = None

    def give_up(self, Batch batch):
        """No connection could be made: every batch without a deadline is over. So is the given one, whose thread, which
        calls this, stops driving; with None it goes on."""
        cdef mb_connection* c = &self.link
        cdef uint64_t me = sync_thread()
        cdef mb_batch* own = NULL if batch is None else &batch.c
        with nogil:
            sync_acquire(&c.lock)
            if c.socket == NET_NONE:
                connection_give_up(c, own)
            if own is not NULL and c.driver == me:
                connection_resign(c)
            elif c.waiting:
                sync_notify(&c.lock)
            sync_release(&c.lock)

    def drop(self):
        """Close the connection if it is idle, so that the next call makes a new one; False when it is in use."""
        cdef mb_connection* c = &self.link
        cdef bint idle
        with nogil:
            sync_acquire(&c.lock)
            idle = c.driver == 0 and c.socket != NET_NONE
            if idle:
                connection_drop(c, net_now())
            sync_release(&c.lock)
        return idle

    def close(self):
        """Close for good: calls in progress end with CLOSED. May be called from any thread, any number of times."""
        cdef mb_connection* c = &self.link
        cdef uint64_t me = sync_thread()
        if c.process != sync_process():
            self.abandon_descriptors()
            return
        with nogil:
            sync_acquire(&c.lock)
            c.closing = True
            session_abandon(c.session, ST_CLOSED)
            sync_notify(&c.lock)
            while c.driver != me and (c.running or (c.hub is not NULL and c.socket != NET_NONE)):
                connection_nudge(c)
                c.waiting += 1
                sync_wait(&c.lock, TICK)
                c.waiting -= 1
            if c.socket != NET_NONE and (c.driver == 0 or c.driver == me):
                connection_drop(c, net_now())
            sync_release(&c.lock)
