"""The Python owners of jobs and of what they poll: they hold the memory, and copy rows out of it for consumers.

The rules are schedule.pyx's. The lock is that of the session: a consumer takes it for short pieces only.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastmodbus._core.batch cimport PRIORITY_POLL, Batch, mb_batch
from fastmodbus._core.schedule cimport *
from fastmodbus._core.state cimport SessionState
from fastmodbus._core.statistics cimport HISTOGRAM_BUCKETS, histogram_bound

cdef enum:
    PIECE = 65536                   # bytes copied while the lock is held


class _Driver:
    """To whom the batches of polls are lent: a job takes them back from its session whenever a row is closed."""

    def detach(self, Batch batch not None):
        pass


_DRIVER = _Driver()


cdef bint _copy_row(const mb_ring* r, int64_t number, Py_ssize_t reads, int64_t* due, int64_t* sent, int64_t* received,
                    uint8_t* statuses, uint16_t* image) noexcept nogil:
    """One row, if the ring has it."""
    cdef int64_t index = number - r.first
    cdef const uint8_t* row
    if r.first < 0 or index < 0 or index >= r.written or index <= r.written - r.capacity:
        return False
    row = r.memory + index % r.capacity * r.stride
    due[0] = (<const int64_t*>row)[0]
    memcpy(sent, row + sizeof(int64_t), reads * sizeof(int64_t))
    memcpy(received, row + r.received_at, reads * sizeof(int64_t))
    memcpy(statuses, row + r.statuses_at, reads)
    memcpy(image, row + r.image_at, r.image_size)
    return True


cdef uint32_t _aligned(Py_ssize_t size):
    return <uint32_t>((size + 7) // 8 * 8)


@cython.final
cdef class Poll:
    """One generation of what a job reads, and the ring of the rows it brings.

    Parameters
    ----------
    stages : list of Batch
        From `image_batch`, all with the same target, whose layout is that of a row's image. Their limits are set.
    registers : int
        Size of an image.
    capacity : int
        Rows that can be read back, at least 2.
    """

    def __cinit__(self, list stages not None, Py_ssize_t registers, Py_ssize_t capacity):
        cdef Batch batch
        cdef int32_t k, i, n = 0
        if capacity < 2 or registers < 0:
            raise ValueError(f"capacity {capacity}, registers {registers}")
        self.stages = stages
        self.c.stage_count = <int32_t>len(stages)
        for batch in stages:
            if not batch.has_target or batch.target.len > 2 * registers:
                raise ValueError("a batch reads beyond the image")
            self.c.reads += batch.c.count
        self.c.stages = <mb_batch**>calloc(max(1, self.c.stage_count), sizeof(mb_batch*))
        self.c.offsets = <uint32_t*>calloc(max(1, self.c.reads), sizeof(uint32_t))
        if self.c.stages is NULL or self.c.offsets is NULL:
            raise MemoryError("a poll")
        for k in range(self.c.stage_count):
            batch = stages[k]
            batch.lend(_DRIVER)
            batch.c.priority = PRIORITY_POLL
            self.c.stages[k] = &batch.c
            for i in range(batch.c.count):
                self.c.offsets[n] = <uint32_t>(batch.c.transactions[i].target - <uint8_t*>batch.target.buf)
                n += 1
        self.make_ring(registers, capacity + 1)

    cdef int make_ring(self, Py_ssize_t registers, Py_ssize_t capacity) except -1:
        cdef mb_ring* r = &self.c.ring
        cdef Py_ssize_t stride
        r.first = -1
        r.capacity = <int32_t>capacity
        r.image_size = <uint32_t>(2 * registers)
        r.received_at = 8 * (1 + self.c.reads)
        r.image_at = 8 * (1 + 2 * self.c.reads)
        r.statuses_at = r.image_at + _aligned(r.image_size)
        stride = r.statuses_at + _aligned(self.c.reads)
        if stride % 4096 == 0:
            stride += 64            # rows at the same place of every page would share a few lines of the cache
        r.stride = <uint32_t>stride
        r.memory = <uint8_t*>calloc(capacity, stride)
        if r.memory is NULL:
            raise MemoryError(f"{capacity} rows of {stride} bytes")
        return 0

    def __dealloc__(self):
        free(self.c.stages)
        free(self.c.offsets)
        free(self.c.ring.memory)

    @property
    def reads(self):
        return self.c.reads

    @property
    def row_size(self):
        """Bytes of one row."""
        return self.c.ring.stride


@cython.final
cdef class Job:
    """What is polled on one connection at one rate: a grid, the poll in use, and the one to take over.

    Parameters
    ----------
    owner : SessionState
        The session that is asked.
    poll : Poll
    start : int
        The first instant of the grid, monotonic ns.
    every : int
        Ns between instants; 0 back to back.
    rows : int
        How many; -1 without end.
    until : int
        No row begins then or later, monotonic ns.
    once : bool
        Over with the first row that is wholly good.
    """

    def __cinit__(self, SessionState owner not None, Poll poll not None, int64_t start, int64_t every, *,
                  int64_t rows=-1, int64_t until=INT64_MAX, bint once=False):
        if every < 0 or rows < -1:
            raise ValueError(f"every {every}, rows {rows}")
        self.owner = owner
        self.polls = (poll,)
        poll.c.ring.first = 0
        self.c.poll = &poll.c
        self.c.every = every
        self.c.due = start
        self.c.until = until
        self.c.rows_left = rows
        self.c.once = once
        self.c.done = rows == 0
        self.c.notify_at = INT64_MAX
        self.c.watching = True

    def swap(self, Poll poll not None):
        """Have another poll take over with the next row."""
        if poll.c.ring.first >= 0 or poll in self.polls:
            raise ValueError("the poll is in use already")
        self.polls = (*self.polls, poll)
        self.owner.enter()
        self.c.next_poll = &poll.c
        self.c.watching = True
        self.owner.leave()

    def settle(self):
        """Let go of the polls before the one in use."""
        cdef mb_poll* used
        cdef Poll poll
        self.owner.enter()
        used = self.c.poll
        self.owner.leave()
        for n, poll in enumerate(self.polls):
            if &poll.c is used:
                self.polls = self.polls[n:]
                return

    def watch(self, bint on):
        """Whether refusals (exceptions 2, 3, 4) are to be told."""
        self.owner.enter()
        self.c.watching = on
        self.owner.leave()

    def notify_at(self, int64_t row):
        """Ring when so many rows are there; False when they are already."""
        cdef bint waiting
        self.owner.enter()
        waiting = self.c.row < row
        if waiting:
            self.c.notify_at = min(self.c.notify_at, row)
        self.owner.leave()
        return waiting

    def news(self):
        """(some unit is left alone because it does not answer, some read was refused since the last call)."""
        cdef bint suspended, refused
        self.owner.enter()
        suspended, refused = self.c.suspended, self.c.refused
        self.c.refused = False
        self.owner.leave()
        return bool(suspended), bool(refused)

    @property
    def rows(self):
        """Rows closed so far."""
        cdef int64_t found
        self.owner.enter()
        found = self.c.row
        self.owner.leave()
        return found

    @property
    def done(self):
        """Whether no more rows will be opened."""
        cdef bint found
        self.owner.enter()
        found = self.c.done
        self.owner.leave()
        return bool(found)

    @property
    def due(self):
        """The instant of the open row, or of the next one; monotonic ns."""
        cdef int64_t found
        self.owner.enter()
        found = self.c.due
        self.owner.leave()
        return found

    def counters(self):
        """Counters as a dict: rows, good, missed, retries."""
        cdef mb_job_counters c
        self.owner.enter()
        c = self.c.counters
        self.owner.leave()
        return {"rows": c.rows, "good": c.good, "missed": c.missed, "retries": c.retries}

    def histograms(self):
        """(lateness, round trips), each [(upper bound in ns, count), ...] of the buckets that are not empty."""
        cdef mb_job_counters c
        cdef int i
        self.owner.enter()
        c = self.c.counters
        self.owner.leave()
        return ([(histogram_bound(i + 1), c.lateness[i]) for i in range(HISTOGRAM_BUCKETS) if c.lateness[i]],
                [(histogram_bound(i + 1), c.round_trips[i]) for i in range(HISTOGRAM_BUCKETS) if c.round_trips[i]])

    def held(self, Poll poll not None):
        """(number of the oldest row that a poll's ring still holds, number after its newest); -1 before its first."""
        cdef int64_t first, written, kept
        self.owner.enter()
        first, written, kept = poll.c.ring.first, poll.c.ring.written, poll.c.ring.capacity - 1
        self.owner.leave()
        if first < 0:
            return -1, -1
        return first + max(0, written - kept), first + written

    def copy(self, Poll poll not None, int64_t first, int64_t[::1] due not None, int64_t[:, ::1] sent not None,
             int64_t[:, ::1] received not None, uint8_t[:, ::1] statuses not None, uint16_t[:, ::1] images not None):
        """Copy rows out of a poll's ring, from the running number `first` on, as many as `due` has room for.

        Returns how many were there. The lock is held for a piece at a time, so that polling is not held up.
        """
        cdef Py_ssize_t total = due.shape[0], reads = poll.c.reads, at = 0
        cdef Py_ssize_t piece = max(1, PIECE // poll.c.ring.stride)
        cdef Py_ssize_t end
        cdef bint there = True
        if (sent.shape[0] != total or received.shape[0] != total or statuses.shape[0] != total
                or images.shape[0] != total or sent.shape[1] != reads or received.shape[1] != reads
                or statuses.shape[1] != reads or 2 * images.shape[1] != poll.c.ring.image_size):
            raise ValueError("the arrays do not have the shape of the rows")
        with nogil:
            while there and at < total:
                end = min(total, at + piece)
                self.owner.enter()
                while at < end:
                    there = _copy_row(&poll.c.ring, first + at, reads, &due[at],
                                      &sent[at, 0] if reads else NULL, &received[at, 0] if reads else NULL,
                                      &statuses[at, 0] if reads else NULL,
                                      &images[at, 0] if poll.c.ring.image_size else NULL)
                    if not there:
                        break
                    at += 1
                self.owner.leave()
        return at

    def advance(self, int64_t now):
        """For drivers in Python: close and open what is to be by now; the instant of the next thing to do, or None.

        Call it before the session's `expire`.
        """
        job_advance(&self.c, &self.owner.c, now)
        next = job_next(&self.c)
        return None if next == INT64_MAX else next

    def pause(self):
        """For drivers in Python: take back what is asked for the open row."""
        job_pause(&self.c, &self.owner.c)
