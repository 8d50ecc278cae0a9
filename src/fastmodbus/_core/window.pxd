# The window of a session: which transaction ids are in flight, in what order they were sent, and which are in
# quarantine. Inline; only session.pyx may use it. Knows no bytes and no sockets. Times are monotonic nanoseconds.
#
# Clocks. A request's clock starts at the later of its sending and the last matched answer to a request sent before
# it. Slots are linked in sending order, and each keeps in `mark` the last such answer that came between its
# predecessor and itself; the clock is then the larger of its own sending and the largest mark up to it. One answer
# costs one store instead of a walk.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from fastmodbus._core.batch cimport mb_batch

cdef enum:
    MAX_IN_FLIGHT = 4096
    QUARANTINE_LIMIT = 32768
    NO_SLOT = -1

cdef struct mb_slot:
    mb_batch* batch             # NULL: orphaned, its batch was detached
    int32_t index               # of the transaction in its batch
    int16_t previous            # sending order, NO_SLOT at the ends
    int16_t next                # also links the free slots
    uint16_t transaction_id
    uint8_t unit
    uint8_t write
    int64_t base                # when its clock was started by its own sending
    int64_t mark                # see above
    int64_t timeout

cdef struct mb_window:
    mb_slot* slots
    int16_t* table              # open addressing by transaction id: slot or NO_SLOT
    uint8_t* quarantine         # one bit an id, allocated when the first request times out
    uint32_t table_mask
    uint32_t displaced          # ids that are not at home in the table, because an older one was; seldom any
    int32_t limit               # how many may be in flight
    int32_t in_flight
    int32_t writes              # of these, how many write
    int32_t quarantined
    int16_t first, last, unused
    uint16_t next_id
    uint16_t unit_limit[256]    # 0: none of its own
    uint16_t unit_in_flight[256]


cdef inline bint window_allocate(mb_window* w, int limit) noexcept nogil:
    """False when memory is short; window_free is right in both cases."""
    cdef uint32_t size = 4
    while size < <uint32_t>(2 * limit):
        size *= 2
    memset(w, 0, sizeof(mb_window))
    w.limit = limit
    w.table_mask = size - 1
    w.next_id = 1
    w.slots = <mb_slot*>calloc(limit, sizeof(mb_slot))
    w.table = <int16_t*>calloc(size, sizeof(int16_t))
    if w.slots is NULL or w.table is NULL:
        return False
    window_clear(w)
    return True


cdef inline void window_free(mb_window* w) noexcept nogil:
    free(w.slots)
    free(w.table)
    free(w.quarantine)
    memset(w, 0, sizeof(mb_window))


cdef inline void window_clear(mb_window* w) noexcept nogil:
    """Nothing in flight, nothing in quarantine: a new connection. The ids go on counting."""
    cdef int i
    w.in_flight = w.writes = w.quarantined = 0
    w.first = w.last = NO_SLOT
    w.unused = 0
    for i in range(w.limit):
        w.slots[i].next = <int16_t>(i + 1) if i + 1 < w.limit else NO_SLOT
    memset(w.table, 0xFF, (w.table_mask + 1) * sizeof(int16_t))
    w.displaced = 0
    memset(w.unit_in_flight, 0, sizeof(w.unit_in_flight))
    free(w.quarantine)
    w.quarantine = NULL


cdef inline int16_t window_find(const mb_window* w, uint16_t transaction_id) noexcept nogil:
    cdef uint32_t at = transaction_id & w.table_mask
    while w.table[at] != NO_SLOT:
        if w.slots[w.table[at]].transaction_id == transaction_id:
            return w.table[at]
        at = (at + 1) & w.table_mask
    return NO_SLOT


cdef inline bint window_quarantined(const mb_window* w, uint16_t transaction_id) noexcept nogil:
    return w.quarantine is not NULL and w.quarantine[transaction_id >> 3] >> (transaction_id & 7) & 1


cdef inline bint window_banish(mb_window* w, uint16_t transaction_id) noexcept nogil:
    """Into quarantine: not used again before its answer came or the connection went. False when memory is short."""
    if w.quarantine is NULL:
        w.quarantine = <uint8_t*>calloc(8192, 1)
        if w.quarantine is NULL:
            return False
    w.quarantine[transaction_id >> 3] |= <uint8_t>(1 << (transaction_id & 7))
    w.quarantined += 1
    return True


cdef inline bint window_absolve(mb_window* w, uint16_t transaction_id) noexcept nogil:
    """The late answer came: the id may be used again. False when it was not in quarantine."""
    if not window_quarantined(w, transaction_id):
        return False
    w.quarantine[transaction_id >> 3] &= <uint8_t>~(1 << (transaction_id & 7))
    w.quarantined -= 1
    return True


cdef inline uint16_t _free_id(mb_window* w) noexcept nogil:
    """The next id by counting up, past those in flight or in quarantine (fewer than half of all are)."""
    while ((w.table[w.next_id & w.table_mask] != NO_SLOT and window_find(w, w.next_id) != NO_SLOT)
            or window_quarantined(w, w.next_id)):
        w.next_id += 1
    w.next_id += 1
    return <uint16_t>(w.next_id - 1)


cdef inline mb_slot* window_open(mb_window* w, uint8_t unit, bint write, int64_t now) noexcept nogil:
    """Take a slot and an id for one more request; the caller made sure that there is room."""
    cdef int16_t k = w.unused
    cdef mb_slot* slot = &w.slots[k]
    cdef uint32_t at
    w.unused = slot.next
    slot.transaction_id = _free_id(w)
    at = slot.transaction_id & w.table_mask
    w.displaced += w.table[at] != NO_SLOT
    while w.table[at] != NO_SLOT:
        at = (at + 1) & w.table_mask
    w.table[at] = k
    slot.unit = unit
    slot.write = write
    slot.base = now
    slot.mark = 0
    slot.next = NO_SLOT
    slot.previous = w.last
    if w.last == NO_SLOT:
        w.first = k
    else:
        w.slots[w.last].next = k
    w.last = k
    w.in_flight += 1
    w.writes += write
    w.unit_in_flight[unit] += 1
    return slot


cdef inline void _close_gap(mb_window* w, uint32_t hole) noexcept nogil:
    """Open addressing without tombstones: what follows in the same run moves up where it may."""
    cdef uint32_t at = hole, home
    while True:
        at = (at + 1) & w.table_mask
        if w.table[at] == NO_SLOT:
            return
        home = w.slots[w.table[at]].transaction_id & w.table_mask
        if ((at - home) & w.table_mask) >= ((at - hole) & w.table_mask):
            w.displaced -= hole == home
            w.table[hole] = w.table[at]
            w.table[at] = NO_SLOT
            hole = at


cdef inline void _table_remove(mb_window* w, int16_t k) noexcept nogil:
    """Ids count up, so as a rule all are at home and nothing has to move."""
    cdef uint32_t home = w.slots[k].transaction_id & w.table_mask, at = home
    while w.table[at] != k:
        at = (at + 1) & w.table_mask
    w.table[at] = NO_SLOT
    w.displaced -= at != home
    if w.displaced:
        _close_gap(w, at)


cdef inline void window_close(mb_window* w, int16_t k, int64_t mark) noexcept nogil:
    """Give a slot back. `mark`: the time of its matched answer, or 0 when it had none."""
    cdef mb_slot* slot = &w.slots[k]
    cdef mb_slot* following
    _table_remove(w, k)
    if slot.next != NO_SLOT:
        following = &w.slots[slot.next]
        following.previous = slot.previous
        following.mark = max(following.mark, max(slot.mark, mark))
    else:
        w.last = slot.previous
    if slot.previous != NO_SLOT:
        w.slots[slot.previous].next = slot.next
    else:
        w.first = slot.next
    w.in_flight -= 1
    w.writes -= slot.write
    w.unit_in_flight[slot.unit] -= 1
    slot.batch = NULL
    slot.next = w.unused
    w.unused = k


cdef inline bint window_admits(const mb_window* w, uint8_t unit) noexcept nogil:
    return w.unit_limit[unit] == 0 or w.unit_in_flight[unit] < w.unit_limit[unit]
