"""The owner of a session's memory, and its counters, events and trace for Python."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastmodbus._core.pace cimport pace_learnt, pace_limit, pace_recall
from fastmodbus._core.session cimport *
from fastmodbus._core.statistics cimport *
from fastmodbus._core.trace cimport *
from fastmodbus._core.window cimport MAX_IN_FLIGHT


cdef class SessionState:
    """Owns the memory of one session and shows its counters, events and trace.

    Not made directly: Session drives it without I/O, Connection over a socket.

    Parameters
    ----------
    window : int
        Requests in flight at most, 1 to 4096.
    automatic : bool
        Learn how many pay, 16 at most, instead of using the whole window.
    quirks : int
        Bits of the deviations to accept.
    """

    def __cinit__(self, int window=1, *, bint automatic=False, uint8_t quirks=0, **options):
        if not 1 <= window <= MAX_IN_FLIGHT:
            raise ValueError(f"window {window}; allowed are 1 to {MAX_IN_FLIGHT}")
        if not session_allocate(&self.c, window, automatic):
            session_free(&self.c)
            raise MemoryError(f"a session of {window} requests in flight")
        self.c.quirks = quirks

    def __dealloc__(self):
        session_free(&self.c)

    cdef void enter(self) noexcept nogil:
        """Take the lock of whoever shares the session with other threads. No Python object is made under it."""

    cdef void leave(self) noexcept nogil:
        pass

    @property
    def window(self):
        return self.c.window.limit

    @property
    def limit(self):
        """Requests that may be in flight now: the window, or what was learnt so far."""
        cdef int32_t found
        self.enter()
        found = pace_limit(&self.c.pace)
        self.leave()
        return found

    @property
    def learnt(self):
        """How many in flight have paid, for another day; 0 when nothing was learnt. Set before anything is sent."""
        cdef int32_t found
        self.enter()
        found = pace_learnt(&self.c.pace)
        self.leave()
        return found

    @learnt.setter
    def learnt(self, int32_t in_flight):
        self.enter()
        pace_recall(&self.c.pace, in_flight)
        self.leave()

    @property
    def in_flight(self):
        cdef int32_t found
        self.enter()
        found = self.c.window.in_flight
        self.leave()
        return found

    @property
    def quarantined(self):
        cdef int32_t found
        self.enter()
        found = self.c.window.quarantined
        self.leave()
        return found

    @property
    def fault(self):
        """Why the last connection was, or has to be, closed: one of the faults of spec.pxd."""
        cdef uint8_t found
        self.enter()
        found = self.c.fault
        self.leave()
        return found

    @property
    def has_events(self):
        cdef bint found
        self.enter()
        found = self.c.event_count > 0
        self.leave()
        return found

    @property
    def next_id(self):
        cdef uint16_t found
        self.enter()
        found = self.c.window.next_id
        self.leave()
        return found

    @next_id.setter
    def next_id(self, uint16_t transaction_id):
        self.enter()
        self.c.window.next_id = transaction_id
        self.leave()

    def limit_unit(self, uint8_t unit, uint16_t in_flight):
        """Let at most so many requests to one unit be in flight; 0 takes the limit back."""
        self.enter()
        self.c.window.unit_limit[unit] = in_flight
        self.leave()

    def counters(self):
        """The counters as a dict, of one moment."""
        cdef mb_counters c
        self.enter()
        c = self.c.counters
        self.leave()
        return {
            "requests": c.requests, "answers": c.answers, "exceptions": c.exceptions,
            "protocol_errors": c.protocol_errors, "timeouts": c.timeouts, "retries": c.retries, "stale": c.stale,
            "unknown": c.unknown, "connections": c.connections, "losses": c.losses,
            "bytes_sent": c.bytes_sent, "bytes_received": c.bytes_received,
        }

    @property
    def longest_write_wait(self):
        """Ns that a write had to wait for its turn at most."""
        cdef int64_t found
        self.enter()
        found = self.c.counters.longest_write_wait
        self.leave()
        return found

    def round_trips(self):
        """The histogram of round trips: [(upper bound in ns, count), ...] of the buckets that are not empty."""
        cdef mb_counters c
        cdef int i
        self.enter()
        c = self.c.counters
        self.leave()
        return [(histogram_bound(i + 1), c.round_trips[i]) for i in range(HISTOGRAM_BUCKETS) if c.round_trips[i]]

    def drain_events(self):
        """([(time ns, kind, fault, transaction id, unit), ...], events that found no room) since the last call."""
        cdef mb_event[EVENT_ROOM] found
        cdef int i, count
        self.enter()
        count = self.c.event_count
        self.c.event_count = 0
        memcpy(found, self.c.events, sizeof(found))
        self.leave()
        events = [(found[i].time, found[i].kind, found[i].fault, found[i].transaction_id, found[i].unit)
                  for i in range(min(count, EVENT_ROOM))]
        return events, max(0, count - EVENT_ROOM)

    cdef mb_trace _exchange_trace(self, uint32_t capacity) except *:
        """Put a new, empty ring in the place of the old one, which is the caller's to free."""
        cdef mb_trace fresh, old
        memset(&fresh, 0, sizeof(mb_trace))
        if capacity:
            fresh.capacity = 1024
            while fresh.capacity < capacity and fresh.capacity < 1 << 30:
                fresh.capacity *= 2
            fresh.ring = <uint8_t*>malloc(fresh.capacity)
            if fresh.ring is NULL:
                raise MemoryError(f"a trace of {fresh.capacity} bytes")
        self.enter()
        old = self.c.trace
        self.c.trace = fresh
        self.leave()
        return old

    def start_trace(self, uint32_t capacity):
        """Record traffic in a ring of `capacity` bytes (rounded up to a power of two); 0 stops and forgets it."""
        cdef mb_trace old = self._exchange_trace(capacity)
        free(old.ring)

    def drain_trace(self):
        """([(time ns, received, bytes), ...], records dropped) since the last call; the ring is empty again."""
        cdef mb_trace old
        cdef mb_trace_head head
        old = self._exchange_trace(self.c.trace.capacity)
        records = []
        try:
            while old.written != old.drained:
                trace_copy_out(&old, <uint8_t*>&head, sizeof(mb_trace_head))
                data = PyBytes_FromStringAndSize(NULL, head.size)
                trace_copy_out(&old, <uint8_t*>PyBytes_AS_STRING(data), head.size)
                records.append((head.time, bool(head.direction), data))
        finally:
            free(old.ring)
        return records, old.dropped
