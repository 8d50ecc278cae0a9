"""The device's side of Modbus TCP: splits what one receive brought into requests and answers all of them at once.

Answering needs no interpreter. It knows nothing of sockets or time; the simulator owns those. A Bank may be changed by
one thread while another answers from it: whatever moves memory happens under the bank's own lock.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pythread cimport (
    WAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
)
from libc.stdint cimport uint8_t, uint16_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from fastmodbus._core.adu cimport *
from fastmodbus._core.bank cimport *
from fastmodbus._core.device cimport device_answer, exception_write
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16

AREAS = {"co": AREA_COILS, "di": AREA_DISCRETE_INPUTS, "ir": AREA_INPUT_REGISTERS, "hr": AREA_HOLDING_REGISTERS}
UNKNOWN_UNIT = {"silent": UNKNOWN_SILENT, "gateway": UNKNOWN_GATEWAY, "answer": UNKNOWN_ANSWER}

cdef enum:
    MAX_OBJECT = MAX_PDU - 9            # one object alone in an answer (ap 6.21)
    MAX_SERVER_ID = MAX_PDU - 2         # ap 6.13
    MAX_RECORDS = 10000                 # of a file: records 0 to 9999 (ap 6.14)
    SHORT_INPUT = 1024                  # below this, answering takes less time than handing over the GIL


cdef inline mb_framing _request_read(const uint8_t* at, size_t available, mb_frame* frame) noexcept nogil:
    """mbap_read for the server's side, where a unit and a function code alone are a whole request (ap 6.7, 6.9)."""
    cdef mb_framing state = mbap_read(at, available, frame)
    if state != FRAME_BROKEN or frame.fault != FAULT_ADU_LENGTH or wire_load16(at + 4) != 2:
        return state
    frame.fault = FAULT_NONE
    if available < 8:
        return FRAME_NEED_MORE
    frame.unit = at[6]
    frame.size = 8
    frame.pdu_size = 1
    frame.pdu = at + MBAP_SIZE
    return FRAME_WHOLE


cdef inline void* _room(void* memory, size_t* capacity, size_t needed, size_t item) noexcept nogil:
    """The memory itself, or a larger copy with room for `needed` items; NULL when there is none to be had."""
    cdef size_t larger = capacity[0]
    if needed <= larger:
        return memory
    larger = max(2 * larger, needed)
    memory = realloc(memory, larger * item)
    if memory != NULL:
        capacity[0] = larger
    return memory


cdef bint _make_room(mb_receive* receive) noexcept nogil:
    """Room for one more answer and its span."""
    cdef void* memory = _room(receive.answers, &receive.capacity, receive.size + MAX_ADU, 1)
    if memory == NULL:
        return False
    receive.answers = <uint8_t*>memory
    memory = _room(receive.spans, &receive.span_capacity, receive.count + 1, sizeof(mb_span))
    if memory == NULL:
        return False
    receive.spans = <mb_span*>memory
    return True


cdef int _answer(const mb_units* units, const mb_frame* frame, bint busy, uint8_t* out) noexcept nogil:
    """Answer one framed request into out (MAX_ADU bytes); returns the size of the answer's ADU, 0 for silence."""
    cdef mb_bank* bank = units.by_unit[frame.unit]
    cdef int size
    if bank == NULL:
        if units.unknown == UNKNOWN_SILENT:
            return 0
        bank = units.first
    if bank == NULL or (units.by_unit[frame.unit] == NULL and units.unknown == UNKNOWN_GATEWAY):
        size = exception_write(out + MBAP_SIZE, frame.pdu[0], EXC_GATEWAY_TARGET_FAILED)
    else:
        PyThread_acquire_lock(bank.lock, WAIT_LOCK)
        size = device_answer(bank, frame.pdu, frame.pdu_size, busy, out + MBAP_SIZE)
        PyThread_release_lock(bank.lock)
    return mbap_write(out, frame.transaction_id, frame.unit, size) if size else 0


cdef bint responder_answer(const mb_units* units, const uint8_t* at, size_t available, Py_ssize_t capacity,
                           bint first_only, mb_receive* receive) noexcept nogil:
    """Answer every whole request; False when memory ran out."""
    cdef mb_frame frame
    cdef mb_framing state
    cdef size_t answered = 0
    cdef int size
    while True:
        state = _request_read(at + receive.used, available - receive.used, &frame)
        if state != FRAME_WHOLE:
            receive.fault = frame.fault
            return True
        if not _make_room(receive):
            return False
        size = 0
        if receive.count == 0 or not first_only:
            size = _answer(units, &frame, 0 <= capacity <= <Py_ssize_t>answered, receive.answers + receive.size)
        answered += size != 0
        receive.spans[receive.count].request = <uint16_t>frame.size
        receive.spans[receive.count].answer = <uint16_t>size
        receive.count += 1
        receive.size += size
        receive.used += frame.size


cdef class Bank:
    """The memory of one simulated unit: four tables, files, queues, identification, counters.

    The tables are one-dimensional, contiguous, writable buffers: uint16 registers, and uint8 bits of which every byte
    but 0 counts as on. They are shared, not copied. An address beyond a table's end is exception 02.
    """

    def __cinit__(self, uint16_t[::1] holding not None, uint16_t[::1] input not None,
                  uint8_t[::1] coils not None, uint8_t[::1] discrete not None):
        memset(&self.c, 0, sizeof(mb_bank))
        self.c.lock = PyThread_allocate_lock()
        if self.c.lock == NULL:
            raise MemoryError
        self._tables = (holding, input, coils, discrete)
        self._share(AREA_HOLDING_REGISTERS, &holding[0] if holding.shape[0] else NULL, holding.shape[0])
        self._share(AREA_INPUT_REGISTERS, &input[0] if input.shape[0] else NULL, input.shape[0])
        self._share(AREA_COILS, &coils[0] if coils.shape[0] else NULL, coils.shape[0])
        self._share(AREA_DISCRETE_INPUTS, &discrete[0] if discrete.shape[0] else NULL, discrete.shape[0])
        self._files, self._queues, self._objects = {}, {}, {}
        self.server_id = b"fastmodbus\xff"

    cdef void _share(self, int area, void* table, Py_ssize_t size) noexcept:
        self.c.table[area] = table
        self.c.size[area] = <int>min(size, TABLE_SIZE)

    def __dealloc__(self):
        free(self.c.rules)
        free(self.c.files)
        free(self.c.queues)
        if self.c.lock != NULL:
            PyThread_free_lock(self.c.lock)

    cdef void _lock(self) noexcept:
        PyThread_acquire_lock(self.c.lock, WAIT_LOCK)

    cdef void _unlock(self) noexcept:
        PyThread_release_lock(self.c.lock)

    def refuse(self, int area, int start, int stop, int code, int times=-1):
        """Answer requests that touch start to stop (exclusive) of an area with exception `code`, `times` times."""
        cdef int i, kept = 0
        cdef mb_rule* rules
        self._lock()
        rules = <mb_rule*>realloc(self.c.rules, (self.c.rule_count + 1) * sizeof(mb_rule))
        if rules != NULL:
            self.c.rules = rules
            for i in range(self.c.rule_count):
                if rules[i].times != 0:
                    rules[kept] = rules[i]
                    kept += 1
            rules[kept].area = area
            rules[kept].start = start
            rules[kept].stop = stop
            rules[kept].code = <uint8_t>code
            rules[kept].times = times
            self.c.rule_count = kept + 1
        self._unlock()
        if rules == NULL:
            raise MemoryError

    def allow(self, int area, int start, int stop, int code):
        """Take one `refuse` of exactly this range and code back, if there is one."""
        cdef int i
        cdef mb_rule* rule
        self._lock()
        for i in range(self.c.rule_count):
            rule = &self.c.rules[i]
            if rule.times != 0 and (rule.area, rule.start, rule.stop, rule.code) == (area, start, stop, code):
                rule.times = 0
                break
        self._unlock()

    def refuse_nothing(self):
        """Forget all ranges given to `refuse`."""
        self._lock()
        self.c.rule_count = 0
        self._unlock()

    def set_file(self, uint16_t number, registers):
        """The records of a file (functions 20 and 21): a writable uint16 buffer, shared; None takes the file away."""
        if number == 0:
            raise ValueError("files are numbered from 1")
        self._files = self._set_extent(self._files, number, registers, MAX_RECORDS, &self.c.files, &self.c.file_count)

    def set_queue(self, uint16_t pointer, registers):
        """What function 24 reads at a pointer address: a uint16 buffer, shared; None takes the queue away."""
        self._queues = self._set_extent(self._queues, pointer, registers, TABLE_SIZE, &self.c.queues,
                                        &self.c.queue_count)

    cdef dict _set_extent(self, dict held, int name, registers, int limit, mb_extent** extents, int* count):
        """Swap in a new list of extents. Returns what must be held instead of `held`, which lives until then."""
        cdef uint16_t[::1] view
        cdef mb_extent* fresh
        cdef mb_extent* old
        cdef int i = 0
        cdef dict kept = {key: value for key, value in held.items() if key != name}
        if registers is not None:
            view = registers
            if view.shape[0] > limit:
                raise ValueError(f"{view.shape[0]} registers are too many; at most {limit}")
            kept[name] = view
        fresh = <mb_extent*>malloc((len(kept) + 1) * sizeof(mb_extent))
        if fresh == NULL:
            raise MemoryError
        for key, value in kept.items():
            view = value
            fresh[i].name = key
            fresh[i].size = <int>view.shape[0]
            fresh[i].data = &view[0] if view.shape[0] else NULL
            i += 1
        self._lock()
        old = extents[0]
        extents[0] = fresh
        count[0] = i
        self._unlock()
        free(old)
        return kept

    def set_object(self, uint8_t object_id, bytes value):
        """One object of device identification (function 43/14), at most 244 bytes; None takes it away."""
        cdef const uint8_t* data = NULL
        cdef Py_ssize_t size = 0
        if value is not None:
            data = <const uint8_t*>PyBytes_AS_STRING(value)
            size = len(value)
        if size > MAX_OBJECT:
            raise ValueError(f"object {object_id} has {size} bytes; at most {MAX_OBJECT} fit an answer")
        self._lock()
        self.c.objects[object_id] = data
        self.c.object_size[object_id] = <uint8_t>size
        self._unlock()
        self._objects[object_id] = value

    @property
    def server_id(self):
        """What function 17 answers after its byte count: id, run indicator (0xFF on), additional data."""
        return self._server_id

    @server_id.setter
    def server_id(self, bytes value not None):
        if len(value) > MAX_SERVER_ID:
            raise ValueError(f"the server id has {len(value)} bytes; at most {MAX_SERVER_ID} fit an answer")
        self._lock()
        self.c.server_id = <const uint8_t*>PyBytes_AS_STRING(value)
        self.c.server_id_size = <uint8_t>len(value)
        self._unlock()
        self._server_id = value

    @property
    def exception_status(self):
        """The eight outputs that function 7 reads."""
        return self.c.exception_status

    @exception_status.setter
    def exception_status(self, uint8_t value):
        self.c.exception_status = value

    @property
    def diagnostic_register(self):
        """What sub-function 2 of function 8 reads."""
        return self.c.diagnostic_register

    @diagnostic_register.setter
    def diagnostic_register(self, uint16_t value):
        self.c.diagnostic_register = value


cdef class Answered:
    """What one receive came to: its whole requests, their answers, and the fault that ends the stream (0: none)."""

    def pairs(self):
        """(request ADU, answer ADU) of every request in the order received; the answer is empty for silence."""
        cdef const mb_span* spans = <const mb_span*>PyBytes_AS_STRING(self._spans)
        cdef Py_ssize_t i, request = 0, answer = 0
        pairs = []
        for i in range(self.count):
            pairs.append((self.requests[request:request + spans[i].request],
                          self.answers[answer:answer + spans[i].answer]))
            request += spans[i].request
            answer += spans[i].answer
        return pairs


cdef Answered _answered(const uint8_t* data, const mb_receive* receive):
    cdef Answered answered = Answered.__new__(Answered)
    answered.requests = PyBytes_FromStringAndSize(<const char*>data, receive.used)
    answered.answers = PyBytes_FromStringAndSize(<const char*>receive.answers, receive.size)
    answered._spans = PyBytes_FromStringAndSize(<const char*>receive.spans, receive.count * sizeof(mb_span))
    answered.count = receive.count
    answered.fault = receive.fault
    return answered


cdef class Responder:
    """Answers MBAP streams from the banks of up to 256 units."""

    def __cinit__(self, str unknown_unit not None="silent"):
        memset(&self.units, 0, sizeof(mb_units))
        self._banks = []
        if unknown_unit not in UNKNOWN_UNIT:
            raise ValueError(f"unknown_unit is {unknown_unit!r}; it must be one of {', '.join(UNKNOWN_UNIT)}")
        self.units.unknown = UNKNOWN_UNIT[unknown_unit]

    def attach(self, uint8_t unit, Bank bank not None):
        """Let a bank answer for a unit, for good."""
        if self.units.by_unit[unit] != NULL:
            raise ValueError(f"unit {unit} already has a bank")
        self._banks.append(bank)
        if self.units.first == NULL:
            self.units.first = &bank.c
        self.units.by_unit[unit] = &bank.c

    def answer_mbap(self, const uint8_t[::1] data not None, Py_ssize_t capacity=-1, bint first_only=False):
        """Answer every whole request at the beginning of a stream.

        Parameters
        ----------
        data : bytes-like
            The stream from the last request's end on. A part of a request at its end is left alone.
        capacity : int
            Requests answered properly; those beyond it get exception 06 (mg 4.4.2.2). Negative: all.
        first_only : bool
            Ignore all whole requests but the first.

        Returns
        -------
        Answered
            `len(.requests)` bytes of the data are done with.
        """
        cdef mb_receive receive
        cdef const uint8_t* at = &data[0] if data.shape[0] else NULL
        cdef size_t size = data.shape[0]
        cdef bint whole
        memset(&receive, 0, sizeof(mb_receive))
        if size < SHORT_INPUT:
            whole = responder_answer(&self.units, at, size, capacity, first_only, &receive)
        else:
            with nogil:
                whole = responder_answer(&self.units, at, size, capacity, first_only, &receive)
        try:
            if not whole:
                raise MemoryError
            return _answered(at, &receive)
        finally:
            free(receive.answers)
            free(receive.spans)


def split_requests(const uint8_t[::1] data not None):
    """([(transaction id, unit, PDU), ...], bytes used, fault) of a stream of requests; fault is not 0 where it ends."""
    cdef mb_frame frame
    cdef Py_ssize_t used = 0
    cdef const uint8_t* at = &data[0] if data.shape[0] else NULL
    requests = []
    while _request_read(at + used, data.shape[0] - used, &frame) == FRAME_WHOLE:
        pdu = PyBytes_FromStringAndSize(<const char*>frame.pdu, frame.pdu_size)
        requests.append((frame.transaction_id, frame.unit, pdu))
        used += frame.size
    return requests, used, frame.fault
