# A session over a connected socket: what its two drivers have in common, the calling thread (reactor.pyx) and the loop
# over many connections (loop.pyx). The rules of driving are those of reactor.pyx. Every function is called with the
# lock held; those that say so release it over a system call.

from libc.stdint cimport int64_t, uint64_t

from fastmodbus._core.batch cimport mb_batch
from fastmodbus._core.net cimport net_poller, net_socket, net_waker, sync_lock
from fastmodbus._core.schedule cimport mb_job
from fastmodbus._core.session cimport mb_session
from fastmodbus._core.timers cimport mb_timer

cdef struct mb_hub:                 # of a loop: how other threads tell it which connections to look at
    sync_lock lock                  # taken with a connection's lock held, never the other way round
    net_waker waker
    net_poller poller               # the loop's thread alone touches it
    mb_connection* stirred          # list
    bint sleeping                   # it waits, or is about to

cdef struct mb_connection:
    mb_session* session
    sync_lock lock
    net_waker waker
    net_socket socket
    uint64_t driver                 # thread, 0 for none
    int64_t process                 # that made it: a forked child must not touch it
    int64_t idle_close              # ns without traffic after which a connection is not used again
    int waiting                     # threads
    int error                       # errno of the last loss, 0 when the peer closed
    bint running                    # the driver is in here, not in Python
    bint sleeping                   # it waits for the socket
    bint stirred                    # by another thread, since the driver last looked what there is to send
    bint probed                     # the socket was looked at since it last was idle
    bint closing
    bint coalesce                   # several requests may share a segment
    bint unacknowledged             # something was received and nothing sent since
    # of a connection that a loop drives
    mb_hub* hub                     # NULL for none: then threads drive it themselves
    mb_job* jobs
    mb_connection* next_stirred
    mb_timer timer
    net_socket watched              # by the loop's poller, NET_NONE for none
    bint watched_writable
    bint listed                     # among hub.stirred
    bint leaving                    # the loop is to let go of it
    bint wanted                     # the loop needs a connection and has said so
    bint asked                      # the supervisor knows
    bint told                       # that there are events, or news of a job, and the supervisor was told
    bint unreachable                # the last attempt to connect failed, and the next one has not begun


cdef void connection_drop(mb_connection* c, int64_t now) noexcept nogil
cdef void connection_nudge(mb_connection* c) noexcept nogil
cdef void connection_resign(mb_connection* c) noexcept nogil
cdef void connection_give_up(mb_connection* c, const mb_batch* own) noexcept nogil
cdef int connection_receive(mb_connection* c, int64_t* now) noexcept nogil      # releases the lock
cdef void connection_save(mb_connection* c, int64_t* now) noexcept nogil        # releases the lock
cdef bint connection_probe(mb_connection* c, int64_t* now) noexcept nogil       # releases the lock
cdef bint connection_send(mb_connection* c, int64_t now) noexcept nogil         # releases the lock
