# What is due when: jobs on a grid of time, and the rows that they fill. Sans-I/O: a driver calls job_advance with the
# time, and the session's lock held. See schedule.pyx for the rules.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fastmodbus._core.batch cimport mb_batch
from fastmodbus._core.session cimport mb_session
from fastmodbus._core.statistics cimport HISTOGRAM_BUCKETS

cdef struct mb_ring:                # rows of one plan; the one being written is not counted among those written
    uint8_t* memory
    int64_t first                   # running number of its first row, -1 while none was begun
    int64_t written                 # rows closed
    int32_t capacity                # rows
    uint32_t stride                 # bytes; a row is: due, sent, received, image, statuses
    uint32_t received_at, image_at, statuses_at
    uint32_t image_size             # bytes

cdef struct mb_poll:                # one generation of what a job reads
    mb_batch** stages               # a stage begins when the one before is answered
    uint32_t* offsets               # of each read in the image, in bytes
    int32_t stage_count, reads
    mb_ring ring

cdef struct mb_job_counters:
    uint64_t rows, missed           # missed: rows with something that could not be asked for in time
    uint64_t good                   # rows without a failure
    uint64_t retries
    uint32_t lateness[HISTOGRAM_BUCKETS]        # from a row's instant to its first request
    uint32_t round_trips[HISTOGRAM_BUCKETS]     # of good answers

cdef struct mb_job:
    mb_poll* poll
    mb_poll* next_poll              # takes over when the next row begins
    mb_job* next                    # of the same connection
    int64_t every                   # ns between rows, 0 back to back
    int64_t due                     # of the row that is open, or of the next one
    int64_t closes                  # when the open row is closed
    int64_t until                   # no row begins then or later
    int64_t row                     # running number of the row that is open, or of the next one
    int64_t rows_left               # -1 without end
    int64_t rest, rest_until        # silent units are left alone until then
    uint64_t losses                 # of connections, when the row was opened
    int64_t notify_at               # tell a consumer when so many rows are there
    mb_batch* asking                # the stage of the open row, NULL where there is nothing to ask
    int32_t stage
    bint open
    bint down                       # there was no connection when the row was opened
    bint once                       # done with the first row that is wholly good
    bint done
    bint late                       # the row before had something that could not be asked for in time
    bint suspended                  # some unit was left alone in the last row
    bint watching                   # refusals are news
    bint refused                    # a read of the last row was (exceptions 2, 3, 4), and that is news
    bint bell                       # a consumer waits for the rows there are
    bint news                       # for whoever supervises: refused, suspended or done changed
    mb_job_counters counters


cdef void job_advance(mb_job* j, mb_session* s, int64_t now) noexcept nogil
cdef int64_t job_next(const mb_job* j) noexcept nogil
cdef void job_pause(mb_job* j, mb_session* s) noexcept nogil
