# Timers of a loop: a heap that lives in what it orders, so that it never allocates. Inline; only the loop uses it.
# A pairing heap: a timer's children are due no earlier than it is; setting one costs a comparison, taking the first
# out a logarithm.

from libc.stdint cimport INT64_MAX, int64_t

cdef struct mb_timer:
    int64_t due                 # monotonic ns; INT64_MAX: not in the heap
    mb_timer* child             # the first one
    mb_timer* next              # sibling
    mb_timer* previous          # sibling, or of the first child the parent
    void* owner


cdef inline mb_timer* _meld(mb_timer* a, mb_timer* b) noexcept nogil:
    """One heap of two roots."""
    if a is NULL or b is NULL:
        return b if a is NULL else a
    if b.due < a.due:
        a, b = b, a
    b.previous = a
    b.next = a.child
    if a.child is not NULL:
        a.child.previous = b
    a.child = b
    return a


cdef inline mb_timer* _meld_siblings(mb_timer* first) noexcept nogil:
    """One heap of siblings: in pairs from the left, then the pairs from the right."""
    cdef mb_timer* pairs = NULL
    cdef mb_timer* root = NULL
    cdef mb_timer* a
    cdef mb_timer* b
    while first is not NULL:
        a = first
        b = a.next
        first = NULL if b is NULL else b.next
        a.next = a.previous = NULL
        if b is not NULL:
            b.next = b.previous = NULL
        a = _meld(a, b)
        a.next = pairs
        pairs = a
    while pairs is not NULL:
        a = pairs
        pairs = a.next
        a.next = NULL
        root = _meld(root, a)
    return root


cdef inline mb_timer* _without(mb_timer* root, mb_timer* t) noexcept nogil:
    cdef mb_timer* children = _meld_siblings(t.child)
    t.child = NULL
    if root is t:
        return children
    if t.previous.child is t:
        t.previous.child = t.next
    else:
        t.previous.next = t.next
    if t.next is not NULL:
        t.next.previous = t.previous
    t.next = t.previous = NULL
    return _meld(root, children)


cdef inline void timer_set(mb_timer** root, mb_timer* t, int64_t due) noexcept nogil:
    """Have a timer due then; INT64_MAX takes it out."""
    if t.due == due:
        return
    if t.due != INT64_MAX:
        root[0] = _without(root[0], t)
    t.due = due
    if due != INT64_MAX:
        root[0] = _meld(root[0], t)
