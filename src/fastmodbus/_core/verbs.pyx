"""The session's verbs for drivers written in Python: tests, simulated devices, event loops.

No I/O and no lock: one thread at a time, and time is an argument in monotonic nanoseconds. The protocol is
session.pyx's.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from fastmodbus._core.answers cimport session_received
from fastmodbus._core.batch cimport Batch
from fastmodbus._core.expiry cimport session_expire, session_next_deadline
from fastmodbus._core.queue cimport queue_empty
from fastmodbus._core.session cimport *
from fastmodbus._core.spec cimport ST_CANCELLED
from fastmodbus._core.state cimport SessionState


cdef class Session(SessionState):
    """A session without a socket.

    Parameters
    ----------
    window : int
        Requests in flight at most, 1 to 4096.
    pipeline_writes : bool
        Let more than one write be in flight.
    datagrams : bool
        What is received is a datagram with one ADU each.
    request_gap, connect_delay : int
        Least time between two requests, and before the first one on a new connection, in ns.
    """

    cdef uint32_t finished_before   # the count of finished batches when finished() last looked

    def __init__(self, int window=1, *, bint automatic=False, uint8_t quirks=0, bint pipeline_writes=False,
                 bint datagrams=False, int64_t request_gap=0, int64_t connect_delay=0):
        self.c.pipeline_writes = pipeline_writes
        self.c.datagrams = datagrams
        self.c.request_gap = request_gap
        self.c.connect_delay = connect_delay

    def submit(self, Batch batch not None):
        """Borrow a batch until it is detached; its transactions are queued."""
        batch.lend(self)
        session_submit(&self.c, &batch.c)

    def detach(self, Batch batch not None, uint8_t status=ST_CANCELLED):
        """End the loan of a batch; unfinished transactions get `status`."""
        if batch.owner is self:
            session_detach(&self.c, &batch.c, status)
            batch.owner = None

    def finished(self, dict waiting not None):
        """Take the batches that are over out of a dict, and detach them; returns what the dict had for each.

        Empty if none came to its end since this was asked last.
        """
        cdef Batch batch
        if self.c.queues.finished == self.finished_before:
            return []
        self.finished_before = self.c.queues.finished
        over = [batch for batch in waiting if batch.c.unfinished == 0]
        for batch in over:
            batch.owner = None
        return [waiting.pop(batch) for batch in over]

    def has_news(self, int64_t due, int64_t now):
        """Whether batches are over that finished() has not told of, or there is something to log or to do before `due`;
        ask after data_to_send.
        """
        return (self.c.queues.finished != self.finished_before or self.c.event_count != 0
                or self.c.trace.ring is not NULL or session_next_deadline(&self.c, now) < due)

    @property
    def busy(self):
        """Whether a batch is not over."""
        return not queue_empty(&self.c.queues)

    def abandon(self, uint8_t status):
        """Give every queued batch up with `status`; they still have to be detached."""
        session_abandon(&self.c, status)

    def data_to_send(self, int64_t now):
        """(bytes, end of each request in them) to send next; what was given before and not sent comes again."""
        cdef int i
        session_fill(&self.c, now)
        ends = [self.c.sending[i].end - self.c.output_sent for i in range(self.c.sending_done, self.c.sending_count)]
        return PyBytes_FromStringAndSize(<char*>self.c.output + self.c.output_sent,
                                         self.c.output_size - self.c.output_sent), ends

    def sent(self, uint32_t size, int64_t now):
        """`size` bytes of data_to_send are on their way."""
        if size > self.c.output_size - self.c.output_sent:
            raise ValueError(f"{size} bytes sent of {self.c.output_size - self.c.output_sent}")
        session_sent(&self.c, size, now)

    def receive(self, const uint8_t[::1] data not None, int64_t now):
        """Take received bytes, of any number and cut anywhere; of datagrams one."""
        cdef Py_ssize_t at = 0
        cdef uint32_t part
        while at < data.shape[0] and self.c.state == SESSION_UP:
            part = <uint32_t>min(data.shape[0] - at, self.c.input_capacity - self.c.input_size)
            memcpy(self.c.input + self.c.input_size, &data[at], part)
            session_received(&self.c, part, now)
            at += part
            if self.c.datagrams:
                return

    def expire(self, int64_t now):
        """Give up requests whose answer is overdue and batches whose deadline came."""
        session_expire(&self.c, now)

    def next_deadline(self, int64_t now):
        """Monotonic ns of the next thing to do if nothing arrives, None when there is none; ask after data_to_send."""
        cdef int64_t next = session_next_deadline(&self.c, now)
        return None if next == INT64_MAX else next

    def connected(self, int64_t now):
        session_connected(&self.c, now)

    def connection_lost(self, int64_t now, bint wanted=False):
        """The connection is gone. That is an event, unless it was `wanted`."""
        session_lost(&self.c, now)
        if wanted:
            self.c.event_count = max(0, self.c.event_count - 1)

    @property
    def last_traffic(self):
        """Monotonic ns of the last sending or receiving."""
        return self.c.last_traffic

    @property
    def wants_close(self):
        return self.c.state == SESSION_BROKEN
