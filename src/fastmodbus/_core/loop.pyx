"""One thread that drives many connections and keeps their schedules; it needs the interpreter to begin and to end.

The thread that calls Loop.run is the driver of every connection that joined, until it lets go. Other threads leave
batches and jobs under a connection's lock and stir the hub; the loop looks at what was stirred, what is readable, and
whose time has come, and goes back to wait. It reports by two bells, for those who read rows and for the supervisor,
which resolves, connects, logs and plans in Python. The lock of a hub may be taken with a connection's lock held, never
the other way round.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memset

from fastmodbus._core.bell cimport bell_ring, bell_wait
from fastmodbus._core.connection cimport *
from fastmodbus._core.fetch cimport *
from fastmodbus._core.jobs cimport Job
from fastmodbus._core.net cimport *
from fastmodbus._core.reactor cimport Connection
from fastmodbus._core.schedule cimport job_pause, mb_job
from fastmodbus._core.visits cimport mb_loop, visit_let_go, visit_look

cdef enum:
    ROOM = 64                       # sockets looked at before the time is
    TICK = 100000000                # ns: how long a signal may go unseen by a thread that waits for a bell

cdef mb_connection* _next_stirred(mb_hub* hub) noexcept nogil:
    cdef mb_connection* c
    sync_acquire(&hub.lock)
    c = hub.stirred
    if c is not NULL:
        hub.stirred = c.next_stirred
        c.listed = False
    sync_release(&hub.lock)
    return c


cdef void _look_at_stirred(mb_loop* l) noexcept nogil:
    cdef mb_connection* c = _next_stirred(&l.hub)
    while c is not NULL:
        visit_look(l, c, 0)
        c = _next_stirred(&l.hub)


cdef void _look_at_due(mb_loop* l) noexcept nogil:
    """Once each, though something may be due again at once: sockets and threads come in between."""
    cdef int64_t now = net_now()
    while l.timers is not NULL and l.timers.due <= now:
        visit_look(l, <mb_connection*>l.timers.owner, 0)


cdef void _fetch(const net_event* events, int at, int count) noexcept nogil:
    """Have what the next ones will need on its way from memory: each thing tells where the one after it is."""
    if at + 3 < count:
        fetch_connection(<mb_connection*>events[at + 3].who)
    if at + 2 < count:
        fetch_session(<mb_connection*>events[at + 2].who)
    if at + 1 < count:
        fetch_buffers(<mb_connection*>events[at + 1].who)


cdef bint _goes_on(mb_loop* l, bint* quiet) noexcept nogil:
    """Whether nobody stopped it. Quiet: nobody stirred anything; from here on whoever does wakes the loop."""
    cdef bint goes_on
    sync_acquire(&l.hub.lock)
    goes_on = not l.stopping
    quiet[0] = l.hub.sleeping = l.hub.stirred is NULL
    sync_release(&l.hub.lock)
    return goes_on


cdef void _work(mb_loop* l) noexcept nogil:
    cdef net_event events[ROOM]
    cdef int i, count
    cdef int64_t until
    cdef bint quiet
    while _goes_on(l, &quiet):
        until = l.timers.due if l.timers is not NULL else INT64_MAX
        if not quiet:
            until = 0
        count = net_poller_wait(&l.hub.poller, until, events, ROOM)
        for i in range(count):
            _fetch(events, i, count)
            visit_look(l, <mb_connection*>events[i].who, events[i].ready)
        _look_at_due(l)
        _look_at_stirred(l)


cdef class Loop:
    """Drives the connections that joined it, in the thread that calls `run`.

    Any thread may call its methods. It is for one process: a forked child only calls `abandon_descriptors`.
    """
    cdef mb_loop c
    cdef dict members               # Connection -> list of Job
    cdef object __weakref__

    def __cinit__(self):
        memset(&self.c, 0, sizeof(mb_loop))
        sync_init(&self.c.hub.lock)
        sync_init(&self.c.rows.lock)
        sync_init(&self.c.news.lock)
        self.members = {}
        if net_waker_open(&self.c.hub.waker) < 0:
            raise OSError("no descriptor for waking the loop")
        if net_poller_open(&self.c.hub.poller, &self.c.hub.waker) < 0:
            net_waker_close(&self.c.hub.waker)
            raise OSError("no descriptor for the loop to wait at")

    def __del__(self):
        """Nobody else takes the jobs off the connections, which may live on."""
        for connection, jobs in list(self.members.items()):
            for job in [] if connection.forked else list(jobs):
                self.remove(connection, job)

    def __dealloc__(self):
        self.abandon_descriptors()

    cpdef abandon_descriptors(self):
        """Close the descriptors and do nothing else: for a forked child, whose copies they are."""
        net_poller_close(&self.c.hub.poller)
        net_waker_close(&self.c.hub.waker)

    def run(self):
        """Drive until `stop`. The thread does not need the interpreter meanwhile.

        Raises
        ------
        OSError
            A socket could not be watched; all connections are let go of.
        """
        cdef Connection connection
        self.c.failed = False
        self.note(sync_thread())
        for connection in list(self.members):
            self.claim(connection)
        with nogil:
            _work(&self.c)
        for connection in list(self.members):
            with nogil:
                sync_acquire(&connection.link.lock)
                if connection.link.hub is &self.c.hub:
                    visit_let_go(&self.c, &connection.link)
                sync_release(&connection.link.lock)
        with nogil:
            _look_at_stirred(&self.c)       # nothing is left that would be looked at; the list is emptied
        self.note(0)
        self.ring()

    cdef void note(self, uint64_t me) noexcept:
        """Which thread is in `run` from here on, 0 for none."""
        sync_acquire(&self.c.hub.lock)
        self.c.me = me
        if me == 0:
            self.c.stopping = False
        sync_release(&self.c.hub.lock)

    cdef void claim(self, Connection connection) noexcept:
        with nogil:
            sync_acquire(&connection.link.lock)
            connection.link.hub = &self.c.hub
            connection_nudge(&connection.link)
            sync_release(&connection.link.lock)

    def stop(self):
        """Have `run` return soon."""
        sync_acquire(&self.c.hub.lock)
        self.c.stopping = True
        sync_release(&self.c.hub.lock)
        net_wake(&self.c.hub.waker)

    @property
    def running(self):
        """Whether a thread is in `run`."""
        cdef bint found
        sync_acquire(&self.c.hub.lock)
        found = self.c.me != 0
        sync_release(&self.c.hub.lock)
        return found

    def add(self, Connection connection not None, Job job not None):
        """Poll a job on a connection, also while the loop runs; the connection joins the loop with its first job.

        Raises
        ------
        ValueError
            The connection belongs to another loop, or the job is for another connection.
        """
        cdef mb_connection* c = &connection.link
        cdef bint polled, claimed
        if job.owner is not connection:
            raise ValueError("the job is for another connection")
        connection.enter()
        polled = c.jobs is not NULL
        connection.leave()
        if polled and connection not in self.members:
            raise ValueError("the connection is polled by another loop")
        jobs = self.members.setdefault(connection, [])
        jobs.append(job)
        with nogil:
            sync_acquire(&c.lock)
            job.c.next = c.jobs
            c.jobs = &job.c
            claimed = c.hub is not NULL
            if claimed:
                connection_nudge(c)
            sync_release(&c.lock)
        if self.running and not claimed:
            self.claim(connection)

    def remove(self, Connection connection not None, Job job not None):
        """Stop polling a job, also while the loop runs; with its last one the connection is its callers' again."""
        cdef mb_connection* c = &connection.link
        cdef mb_job** at = &c.jobs
        jobs = self.members.get(connection, [])
        if job not in jobs:
            return
        jobs.remove(job)
        with nogil:
            sync_acquire(&c.lock)
            while at[0] is not NULL and at[0] is not &job.c:
                at = &at[0].next
            if at[0] is not NULL:
                at[0] = job.c.next
            job_pause(&job.c, c.session)
            if c.hub is not NULL:
                connection_nudge(c)
            sync_release(&c.lock)
        if not jobs:
            self.release(connection)

    cdef int release(self, Connection connection) except -1:
        cdef mb_connection* c = &connection.link
        with nogil:
            sync_acquire(&c.lock)
            while c.hub is not NULL:
                c.leaving = True
                connection_nudge(c)
                c.waiting += 1
                sync_wait(&c.lock, TICK)
                c.waiting -= 1
            sync_release(&c.lock)
        del self.members[connection]
        return 0

    def reports(self):
        """[(connection, needs to be connected, has events or news of its jobs), ...], each told once."""
        cdef Connection connection
        cdef bint wanted, told
        found = []
        for connection in list(self.members):
            connection.enter()
            wanted = connection.link.wanted and not connection.link.asked
            told = connection.link.told
            connection.link.asked = connection.link.asked or wanted
            connection.link.told = False
            connection.leave()
            if wanted or told:
                found.append((connection, bool(wanted), bool(told)))
        return found

    def unreachable(self, Connection connection not None, bint failed):
        """An attempt to connect failed: calls end until the next one begins. Not `failed`: it begins."""
        with nogil:
            sync_acquire(&connection.link.lock)
            connection.link.unreachable = failed and connection.link.socket == NET_NONE
            if connection.link.hub is not NULL:
                connection_nudge(&connection.link)
            sync_release(&connection.link.lock)

    def wait_rows(self, int64_t heard, int64_t ns):
        """Wait for rows that somebody asked to be told of, at most 100 ms; what to give as `heard` the next time."""
        cdef int64_t rung
        with nogil:
            rung = bell_wait(&self.c.rows, heard, min(ns, <int64_t>TICK))
        return rung

    def wait_news(self, int64_t heard, int64_t ns):
        """Wait for something that the supervisor has to look at; as `wait_rows`, without its limit."""
        cdef int64_t rung
        with nogil:
            rung = bell_wait(&self.c.news, heard, ns)
        return rung

    def ring(self):
        """Wake all who wait for rows or news."""
        bell_ring(&self.c.rows)
        bell_ring(&self.c.news)
