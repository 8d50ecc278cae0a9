# The device that the targets talk to: three units with small tables, files, a queue and an identification, played by
# the core's own device side. Every answer is made from the same contents, so that a request has one right answer; no
# register of the device has its highest bit set, so that a spoilt value shows.

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset

from fastmodbus._core.bank cimport *
from fastmodbus._core.device cimport device_answer
from fastmodbus._core.spec cimport *

cdef enum:
    UNITS = 3
    ADDRESSES = 512             # of each table
    RECORDS = 40
    QUEUED = 5

cdef struct mb_unit:
    mb_bank bank
    uint16_t registers[2][ADDRESSES]
    uint8_t bits[2][ADDRESSES]
    uint16_t records[RECORDS]
    uint16_t queued[QUEUED]
    mb_extent file, queue

cdef struct mb_plant:
    mb_unit units[UNITS]
    mb_unit pristine[UNITS]     # what `units` is again after every answer


cdef inline void _fill(mb_unit* u, int number) noexcept nogil:
    cdef int i
    for i in range(ADDRESSES):
        u.registers[0][i] = <uint16_t>((i * 31 + number * 1009 + 1) & 0x7FFF)
        u.registers[1][i] = <uint16_t>((i * 57 + number * 2003 + 2) & 0x7FFF)
        u.bits[0][i] = (i * 7 + number) % 3 == 0
        u.bits[1][i] = (i * 5 + number) % 4 == 0
    for i in range(RECORDS):
        u.records[i] = <uint16_t>(0x1000 + i)
    for i in range(QUEUED):
        u.queued[i] = <uint16_t>(0x2000 + i)


cdef inline void _wire(mb_unit* u) noexcept nogil:
    cdef mb_bank* bank = &u.bank
    cdef int area
    bank.table[AREA_COILS] = u.bits[0]
    bank.table[AREA_DISCRETE_INPUTS] = u.bits[1]
    bank.table[AREA_INPUT_REGISTERS] = u.registers[0]
    bank.table[AREA_HOLDING_REGISTERS] = u.registers[1]
    for area in range(AREA_COUNT):
        bank.size[area] = ADDRESSES
    u.file.name = 1
    u.file.size = RECORDS
    u.file.data = u.records
    u.queue.name = 7
    u.queue.size = QUEUED
    u.queue.data = u.queued
    bank.files = &u.file
    bank.queues = &u.queue
    bank.file_count = bank.queue_count = 1
    bank.server_id = b"fuzzed\xff"
    bank.server_id_size = 7
    bank.exception_status = 0x6D
    _identify(bank, 0, b"vendor", 6)
    _identify(bank, 1, b"product", 7)
    _identify(bank, 2, b"1", 1)
    _identify(bank, 0x80, b"", 0)


cdef inline void _identify(mb_bank* bank, int number, const char* text, uint8_t size) noexcept nogil:
    bank.objects[number] = <const uint8_t*>text
    bank.object_size[number] = size


cdef inline void plant_start(mb_plant* p) noexcept nogil:
    """Once in the life of the process."""
    cdef int i
    memset(p, 0, sizeof(mb_plant))
    for i in range(UNITS):
        _fill(&p.units[i], i)
        _wire(&p.units[i])
    memcpy(p.pristine, p.units, sizeof(p.units))


cdef inline int plant_answer(mb_plant* p, uint8_t unit, const uint8_t* pdu, int size, uint8_t* out) noexcept nogil:
    """The right answer to a request PDU into out (MAX_PDU bytes); its size, 0 for silence.

    Function codes beyond the specification's are answered with their request, and at least two bytes.
    """
    cdef int number = unit % UNITS, answered
    if pdu[0] > FC_ENCAPSULATED_INTERFACE:
        out[1] = 0
        memcpy(out, pdu, size)
        return max(size, 2)
    answered = device_answer(&p.units[number].bank, pdu, size, False, out)
    memcpy(&p.units[number], &p.pristine[number], sizeof(mb_unit))
    return answered
