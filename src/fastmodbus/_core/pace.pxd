# How many requests to keep in flight when nobody said: grows while it pays, backs off on trouble, remembers what it
# learnt. Inline; only session.pyx, answers.pyx and expiry.pyx may use it. Knows answers, times and troubles, no bytes,
# no clock.
#
# A limit is measured over an epoch, so many answers to long batches, or to calls of which more than a long batch has
# requests wait together; its cost is the time they took, an answer. Of batches that are not much longer than the window
# whole ones are measured, because their ends count. Twice the limit is tried next, or one more where twice is too many,
# and kept if that pays; else the smaller one stays, and after a second vain trial the next one waits longer. When
# answers have become much dearer and slower, half the limit is tried, and kept if that costs nothing.
#
# Trouble. Exception 6 is about the request that met it: it was sent as the n-th in flight, so fewer than n are tried
# for a while. A lost connection ends a trial; a second time it bounds the window for good. A request that is overdue
# though others were answered, or that times out during a trial, is asked again alone (without a trial: first beside
# the others, then alone). When that is answered promptly, the device had dropped it: the window is bounded for good
# below the number that was in flight. When its first answer comes after all, it was only late: what was concluded is
# taken back, and the next time waits twice as long. Beside others, three whose first answer does not come within a
# second have the same consequence.

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memset

cdef enum:
    PACE_MOST = 16                      # mg 4.2.1.1: a client may have 1 to 16
    PACE_WAIT = 4                       # epochs until a trial that failed is made again, doubled each time
    PACE_LONGEST_WAIT = 64
    PACE_LONG = 8                       # requests; a batch of no more is not worth a trial
    PACE_ENDLESS = 1 << 30              # the size of a queue that others fill up as it empties
    PACE_EPOCH = 8                      # answers at least, and four windows
    PACE_OVERDUE = 20000000             # ns at least
    PACE_GONE = 1000000000              # ns after which the answer to a request that was asked again is not just late
    PACE_DROPS = 3
    HASTENED = 16                       # ids remembered

cdef struct mb_pace:
    bint automatic
    int32_t limit                       # in force
    int32_t good                        # the largest that paid and made no trouble
    int32_t trial                       # being tried, 0 when none is; less than `good` when answers became dearer
    int32_t ceiling                     # for a while, because of exception 6
    int32_t most                        # for good
    int32_t chances                     # how often the trial may be made before it counts as failed
    int32_t wait, patience              # epochs until the next trial; and after that one
    int32_t skip                        # answers to requests sent before the limit changed
    int32_t answers                     # in this epoch
    int64_t elapsed                     # for them
    int64_t last                        # when the last of them came, 0 when their batch was over then
    int64_t cost                        # ns an answer at `good`; rises slowly: a pause of the network is no measure
    bint dearer                         # the last epoch cost half as much again, and round trips have doubled
    int64_t round_trip                  # smoothed; a single late answer is no measure
    int64_t usual                       # round trip when `good` was found
    int64_t last_answer
    # requests asked again alone
    int32_t alone                       # how many wait for it, or for their answer
    int32_t least, largest              # the numbers in flight at which they were sent
    bint silent                         # they timed out: to look once more would be dear
    bint blamed                         # one of them was answered: the window was too large
    bint suspected                      # once before a device looked as if it stood one at a time only
    bint told                           # that it does
    int32_t doubt                       # how often a conclusion was taken back: the next, on trial, waits twice as long
    int32_t slow                        # how often asking again did not help: all wait twice as long
    int32_t undo_good, undo_most        # before the first conclusion not yet taken back, 0 when there is none
    uint16_t hastened[HASTENED]         # their ids
    uint32_t hastened_count
    uint16_t beside[HASTENED]           # ids of those that were asked again beside others, and answered then
    int64_t beside_at[HASTENED]         # when that was, 0 where none is


cdef inline void pace_start(mb_pace* p, bint automatic, int32_t window) noexcept nogil:
    memset(p, 0, sizeof(mb_pace))
    p.automatic = automatic
    p.ceiling = p.most = min(window, PACE_MOST) if automatic else window
    p.limit = p.good = 1 if automatic else window
    p.chances = 2
    p.patience = PACE_WAIT


cdef inline int32_t pace_learnt(const mb_pace* p) noexcept nogil:
    """What was learnt, for another day: how many paid, 1 where no more are stood; 0 for nothing yet."""
    return p.good if p.automatic and (p.good > 1 or p.most == 1) else 0


cdef inline void pace_recall(mb_pace* p, int32_t learnt) noexcept nogil:
    """Begin with what was learnt another day. A device that stood one at a time is tried again seldom."""
    if not p.automatic or learnt < 1:
        return
    p.limit = p.good = min(learnt, p.most)
    p.trial = 0
    if p.good == 1:
        p.ceiling = 1
        p.wait = p.patience = PACE_LONGEST_WAIT


cdef inline int32_t pace_limit(const mb_pace* p) noexcept nogil:
    """How many may be in flight now: one while overdue requests are asked again."""
    return 1 if p.alone else p.limit


cdef inline int32_t pace_proven(const mb_pace* p) noexcept nogil:
    """How many may be in flight beside a write, which no experiment must put at risk."""
    return min(p.good, pace_limit(p))


cdef inline void _pace_epoch(mb_pace* p) noexcept nogil:
    p.answers = 0
    p.elapsed = 0


cdef inline void _pace_set(mb_pace* p, int32_t trial, int32_t in_flight) noexcept nogil:
    """Begin a trial, or end it with 0. What is in flight, and what fills the window up, measures nothing."""
    p.trial = trial
    p.limit = trial if trial else p.good
    p.skip = max(in_flight, p.limit)
    p.dearer = False
    _pace_epoch(p)


cdef inline void _pace_rest(mb_pace* p) noexcept nogil:
    p.wait = p.patience
    p.patience = min(2 * p.patience, PACE_LONGEST_WAIT)


cdef inline void _pace_try_more(mb_pace* p, int32_t in_flight) noexcept nogil:
    if p.good >= p.ceiling and p.ceiling < p.most:
        p.ceiling = p.good + 1
    if p.good < p.ceiling:
        _pace_set(p, 2 * p.good if 2 * p.good <= p.ceiling else p.good + 1, in_flight)


cdef inline void _pace_settle(mb_pace* p, int64_t cost, int32_t in_flight) noexcept nogil:
    """An epoch without a trial is over."""
    cdef bint dearer = p.cost != 0 and 2 * cost > 3 * p.cost and p.round_trip > 2 * p.usual
    if dearer and p.dearer and p.good > 1:
        p.cost = cost
        p.usual = p.round_trip
        _pace_set(p, p.good // 2, in_flight)
        return
    p.dearer = dearer
    if p.cost == 0:
        p.usual = p.round_trip
    p.cost = cost if p.cost == 0 or cost < p.cost else min(cost, p.cost + p.cost // 64)
    p.wait = max(0, p.wait - 1)
    if p.wait == 0:
        _pace_try_more(p, in_flight)


cdef inline void _pace_judge_more(mb_pace* p, int64_t cost, int32_t in_flight) noexcept nogil:
    """Twice the limit must make answers 5 % cheaper. One more, where twice is too many, must not make them dearer."""
    cdef bint twice = p.trial == 2 * p.good
    if (cost + cost // 20 < p.cost) if twice else (cost <= p.cost + p.cost // 64):
        p.good = p.trial
        p.cost = cost
        p.usual = p.round_trip
        p.chances = 2
        p.patience = PACE_WAIT
        _pace_set(p, 0, in_flight)
        _pace_try_more(p, in_flight)
        return
    p.chances -= 1
    if p.chances <= 0:
        p.chances = 1
        _pace_rest(p)
    _pace_set(p, 0, in_flight)


cdef inline void _pace_judge_less(mb_pace* p, int64_t cost, int32_t in_flight) noexcept nogil:
    """A smaller limit must cost nothing."""
    cdef bint same = cost <= p.cost + p.cost // 32
    if same:
        p.good = p.trial
        p.cost = cost
        p.usual = p.round_trip
    _pace_rest(p)
    _pace_set(p, p.good // 2 if same and p.good > 1 else 0, in_flight)


cdef inline void pace_answer(
    mb_pace* p, int64_t now, int64_t sent, int32_t in_flight, int64_t oldest, int32_t size, bint more
) noexcept nogil:
    """An answer came, of a batch of `size` requests; `more`: of which more is in flight or waits to be sent.

    in_flight: what is left; `oldest`: when the first of it was sent. As long as that one is overtaken by others no
    larger limit is accepted: it may have been dropped.
    """
    cdef int32_t enough = max(PACE_EPOCH, 4 * p.limit)
    cdef bint whole = more and size <= 4 * enough       # only when it is over
    cdef int64_t cost, took = now - sent
    p.round_trip = took if p.round_trip == 0 else p.round_trip + (min(took, 4 * p.round_trip) - p.round_trip) // 8
    p.last_answer = now
    if not p.automatic or p.alone or size <= PACE_LONG:
        p.last = 0
        return
    if p.skip:
        p.skip = max(p.skip - 1, 1 if whole else 0)
    else:
        p.elapsed += now - (p.last if p.last else sent)
        p.answers += 1
    p.last = now if more else 0
    if p.answers < (8 * enough if whole else enough):
        return
    if p.trial > p.good and in_flight and now - oldest > 2 * p.round_trip:
        return
    cost = p.elapsed // p.answers
    _pace_epoch(p)
    if p.trial == 0:
        _pace_settle(p, cost, in_flight)
    elif p.trial > p.good:
        _pace_judge_more(p, cost, in_flight)
    else:
        _pace_judge_less(p, cost, in_flight)


# ---------------------------------------------------------------------------------------------------- trouble

cdef inline void pace_busy(mb_pace* p, int32_t crowd, int32_t in_flight) noexcept nogil:
    """Exception 6 to a request that was sent as one of `crowd` in flight."""
    if not p.automatic or crowd < 2 or crowd > p.limit:
        return
    p.ceiling = min(p.ceiling, crowd - 1)
    p.good = min(p.good, p.ceiling)
    _pace_rest(p)
    _pace_set(p, 0, in_flight)


cdef inline bint pace_loss(mb_pace* p, int32_t in_flight) noexcept nogil:
    """The connection went while so many were in flight. True when the window may be why: it is smaller now."""
    cdef bint suspicious = p.automatic and in_flight > 1 and p.limit > 1
    if suspicious:
        if p.trial <= p.good:
            p.good = max(1, p.good // 2)
        elif p.chances <= 1:
            p.ceiling = p.most = p.trial - 1
            p.chances = 2
        else:
            p.chances -= 1
        p.wait = 1
        _pace_set(p, 0, 0)
    # Ids and times of the old connection mean nothing on the new one.
    p.skip = p.alone = 0
    p.last = p.last_answer = 0
    p.hastened_count = 0
    memset(p.beside_at, 0, sizeof(p.beside_at))
    _pace_epoch(p)
    return suspicious


cdef inline int64_t pace_overdue(const mb_pace* p) noexcept nogil:
    """Ns of silence after which a request that others overtook is taken for dropped."""
    return max(8 * p.round_trip, <int64_t>PACE_OVERDUE) << min(p.slow + (p.doubt if p.trial > p.good else 0), 8)


cdef inline bint pace_suspect(
    mb_pace* p, uint16_t transaction_id, int32_t crowd, bint silent, bint again
) noexcept nogil:
    """A request is given up, to be asked again. True: alone, as the window is on trial, or as it is `again`."""
    if p.alone == 0:
        if p.trial <= p.good and not again:
            return False
        p.blamed = False
        p.silent = silent
        p.least = p.largest = max(2, crowd)
    p.least = min(p.least, max(2, crowd))
    p.largest = max(p.largest, crowd)
    p.hastened[p.hastened_count % HASTENED] = transaction_id
    p.hastened_count += 1
    p.alone += 1
    return True


cdef inline bint pace_timeout(mb_pace* p, uint16_t transaction_id) noexcept nogil:
    """A request timed out. True when a window on trial may be why: it is to be asked again alone."""
    return p.automatic and p.trial > p.good and pace_suspect(p, transaction_id, p.trial, True, False)


cdef inline void pace_in_vain(mb_pace* p) noexcept nogil:
    """Asked again, a request is not answered promptly either: the window is not why."""
    p.slow += 1
    if p.alone and p.blamed:
        p.alone -= 1
    elif p.alone:
        p.alone = 0
        _pace_rest(p)
        _pace_set(p, 0, 0)


cdef inline void _pace_blame(mb_pace* p) noexcept nogil:
    """The device drops what is sent as one of so many; or, where fewer have been proven, all that it has by then."""
    cdef int32_t most = (p.least if p.least > p.good else p.largest) - 1
    p.wait = 1
    if most == 1 and p.trial > p.good and not p.silent and not p.suspected:
        p.suspected = True              # a hasty conclusion would be a dear one: look once more
        _pace_set(p, 0, 0)
        return
    if p.undo_good == 0:
        p.undo_good, p.undo_most = p.good, p.most
    if p.trial <= p.good:
        p.ceiling = p.good = max(1, p.good // 2)
        _pace_rest(p)
        _pace_set(p, 0, 0)
        return
    p.most = min(p.most, most)
    p.ceiling = min(p.ceiling, p.most)
    p.good = min(p.good, p.most)
    _pace_set(p, 0, 0)


cdef inline bint _pace_tell(mb_pace* p) noexcept nogil:
    cdef bint tell = p.most == 1 and not p.told
    p.told = p.told or tell
    return tell


cdef inline bint pace_asked_again(mb_pace* p, bint answered) noexcept nogil:
    """A request that was asked again alone is over. True, once, when from now on it is one at a time for good."""
    if p.alone == 0:
        return False
    if not answered:
        pace_in_vain(p)
        return False
    if not p.blamed:
        p.blamed = True
        _pace_blame(p)
    p.alone -= 1
    return _pace_tell(p)


cdef inline bint pace_drops(mb_pace* p, int32_t drops) noexcept nogil:
    """So many requests that were asked again beside others have no first answer to this day. True as above."""
    if drops < PACE_DROPS or p.good == 1:
        return False
    memset(p.beside_at, 0, sizeof(p.beside_at))
    p.most = p.ceiling = max(1, p.good - 1)
    p.good = max(1, p.good // 2)
    _pace_rest(p)
    _pace_set(p, 0, 0)
    return _pace_tell(p)


cdef inline void pace_late(mb_pace* p, uint16_t transaction_id) noexcept nogil:
    """An answer to a request given up came late: if it was given up too early, take back what that led to."""
    cdef uint32_t i
    for i in range(min(p.hastened_count, <uint32_t>HASTENED)):
        if p.hastened[i] == transaction_id:
            break
    else:
        return
    p.hastened_count = 0                # one hiccup of the network makes many late answers
    p.alone = 0
    p.doubt += 1
    p.suspected = False
    if p.undo_good:
        p.good, p.ceiling, p.most = p.undo_good, p.undo_most, p.undo_most
        p.undo_good = 0
        p.wait = 1
        _pace_set(p, 0, 0)
