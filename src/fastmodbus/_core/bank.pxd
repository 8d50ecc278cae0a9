# What a simulated device remembers, as C structs, and the functions that read and write its four tables. The memory of
# the tables belongs to whoever made the bank; a bank is locked by its caller for the time of one answer.
# Each answer function writes the answer PDU and returns 0, or returns the exception code of the first check that
# failed, in the order of the function's state diagram. Paragraphs are those of the Application Protocol V1.1b3.

from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy

from fastmodbus._core.pdu cimport mb_request, pdu_limits
from fastmodbus._core.spec cimport *
from fastmodbus._core.wire cimport wire_load16, wire_pack_bits, wire_store16, wire_swap_copy, wire_unpack_bits

cdef enum:
    AREA_COILS = 0
    AREA_DISCRETE_INPUTS = 1
    AREA_INPUT_REGISTERS = 2
    AREA_HOLDING_REGISTERS = 3
    AREA_COUNT = 4

cdef struct mb_rule:                # a range that refuses whoever touches it
    int area
    int start
    int stop
    int times                       # how often it still does; -1: always
    uint8_t code

cdef struct mb_extent:              # a file (6.14) or a queue (6.18)
    uint16_t name                   # file number; FIFO pointer address
    int size                        # registers
    uint16_t* data

cdef struct mb_counters:            # 6.8.1; on TCP the counts of line errors stay 0
    uint16_t messages
    uint16_t exceptions
    uint16_t silences
    uint16_t busy
    uint16_t completed              # 6.9: the event counter

cdef struct mb_bank:
    PyThread_type_lock lock
    void* table[AREA_COUNT]              # uint8_t for the bits, uint16_t for the registers
    int size[AREA_COUNT]
    mb_rule* rules
    int rule_count
    mb_extent* files
    int file_count
    mb_extent* queues
    int queue_count
    const uint8_t* objects[256]     # 6.21; NULL where there is none
    uint8_t object_size[256]
    const uint8_t* server_id        # 6.13: all that follows the byte count
    uint8_t server_id_size
    uint8_t exception_status        # 6.7
    uint16_t diagnostic_register    # 6.8.1, sub-function 2
    bint listen_only                # 6.8.1, sub-function 4
    mb_counters counters
    uint8_t events[MAX_EVENTS]      # 6.10: a ring, the newest at `newest`
    int event_count
    int newest


cdef inline int bank_refusal(mb_bank* bank, int area, int address, int quantity) noexcept nogil:
    """02 beyond the table's end, the code of the first illegal range that is touched, or 0."""
    cdef int i
    cdef mb_rule* rule
    if address + quantity > bank.size[area]:
        return EXC_ILLEGAL_DATA_ADDRESS
    for i in range(bank.rule_count):
        rule = &bank.rules[i]
        if rule.area != area or rule.times == 0 or address >= rule.stop or address + quantity <= rule.start:
            continue
        if rule.times > 0:
            rule.times -= 1
        return rule.code
    return 0


cdef inline uint16_t* _register(mb_bank* bank, int area, int address) noexcept nogil:
    return <uint16_t*>bank.table[area] + address


cdef inline uint8_t* _bit(mb_bank* bank, int area, int address) noexcept nogil:
    return <uint8_t*>bank.table[area] + address


cdef inline int _copy_head(uint8_t* out, const uint8_t* pdu, int size) noexcept nogil:
    memcpy(out, pdu, size)
    return size


cdef inline int bank_read_bits(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.1, 6.2"""
    cdef int area = AREA_COILS if r.function == FC_READ_COILS else AREA_DISCRETE_INPUTS
    cdef int refusal = bank_refusal(bank, area, r.address, r.quantity)
    if refusal:
        return refusal
    out[1] = <uint8_t>bytes_for_bits(r.quantity)
    wire_pack_bits(out + 2, _bit(bank, area, r.address), r.quantity)
    size[0] = 2 + out[1]
    return 0


cdef inline int bank_read_registers(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.3, 6.4"""
    cdef int area = AREA_HOLDING_REGISTERS if r.function == FC_READ_HOLDING_REGISTERS else AREA_INPUT_REGISTERS
    cdef int refusal = bank_refusal(bank, area, r.address, r.quantity)
    if refusal:
        return refusal
    out[1] = <uint8_t>(2 * r.quantity)
    wire_swap_copy(out + 2, <const uint8_t*>_register(bank, area, r.address), r.quantity)
    size[0] = 2 + out[1]
    return 0


cdef inline int bank_write_bits(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                                int* size) noexcept nogil:
    """6.5, 6.11"""
    cdef bint single = r.function == FC_WRITE_COIL
    cdef int refusal = bank_refusal(bank, AREA_COILS, r.address, 1 if single else r.quantity)
    if refusal:
        return refusal
    if single:
        _bit(bank, AREA_COILS, r.address)[0] = r.quantity != 0
    else:
        wire_unpack_bits(_bit(bank, AREA_COILS, r.address), r.data, r.quantity)
    size[0] = _copy_head(out, pdu, 5)
    return 0


cdef inline int bank_write_registers(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                                     int* size) noexcept nogil:
    """6.6, 6.12"""
    cdef bint single = r.function == FC_WRITE_REGISTER
    cdef int refusal = bank_refusal(bank, AREA_HOLDING_REGISTERS, r.address, 1 if single else r.quantity)
    if refusal:
        return refusal
    if single:
        _register(bank, AREA_HOLDING_REGISTERS, r.address)[0] = r.quantity
    else:
        wire_swap_copy(<uint8_t*>_register(bank, AREA_HOLDING_REGISTERS, r.address), r.data, r.quantity)
    size[0] = _copy_head(out, pdu, 5)
    return 0


cdef inline int bank_mask_write(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                                int* size) noexcept nogil:
    """6.16: the AND mask travels in quantity, the OR mask in write_address."""
    cdef int refusal = bank_refusal(bank, AREA_HOLDING_REGISTERS, r.address, 1)
    cdef uint16_t* register
    if refusal:
        return refusal
    register = _register(bank, AREA_HOLDING_REGISTERS, r.address)
    register[0] = <uint16_t>((register[0] & r.quantity) | (r.write_address & ~r.quantity))
    size[0] = _copy_head(out, pdu, 7)
    return 0


cdef inline int bank_read_write(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.17: both ranges are checked, then the write happens before the read."""
    cdef int refusal = bank_refusal(bank, AREA_HOLDING_REGISTERS, r.address, r.quantity)
    if not refusal:
        refusal = bank_refusal(bank, AREA_HOLDING_REGISTERS, r.write_address, r.write_quantity)
    if refusal:
        return refusal
    wire_swap_copy(<uint8_t*>_register(bank, AREA_HOLDING_REGISTERS, r.write_address), r.data, r.write_quantity)
    out[1] = <uint8_t>(2 * r.quantity)
    wire_swap_copy(out + 2, <const uint8_t*>_register(bank, AREA_HOLDING_REGISTERS, r.address), r.quantity)
    size[0] = 2 + out[1]
    return 0


cdef inline mb_extent* _find_extent(mb_extent* extents, int count, uint16_t name) noexcept nogil:
    cdef int i
    for i in range(count):
        if extents[i].name == name:
            return &extents[i]
    return NULL


cdef inline uint16_t* _file_records(mb_bank* bank, const uint8_t* group) noexcept nogil:
    """The records that one group {06, file, record, length} of 6.14 or 6.15 names, or NULL when there are none."""
    cdef mb_extent* found
    if group[0] != FILE_REFERENCE_TYPE:
        return NULL
    found = _find_extent(bank.files, bank.file_count, wire_load16(group + 1))
    if found == NULL or wire_load16(group + 3) + wire_load16(group + 5) > found.size:
        return NULL
    return found.data + wire_load16(group + 3)


cdef inline int bank_read_file(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.14: all groups are checked before the first is answered."""
    cdef int k, at = 2, length, total = 2
    cdef uint16_t* records
    if r.size < 7 or r.size > 7 * MAX_FILE_REQUESTS or r.size % 7:
        return EXC_ILLEGAL_DATA_VALUE
    for k in range(r.size // 7):
        length = wire_load16(r.data + 7 * k + 5)
        total += 2 + 2 * length
        if total > MAX_PDU:
            return EXC_ILLEGAL_DATA_VALUE
    for k in range(r.size // 7):
        if _file_records(bank, r.data + 7 * k) == NULL:
            return EXC_ILLEGAL_DATA_ADDRESS
    for k in range(r.size // 7):
        records = _file_records(bank, r.data + 7 * k)
        length = wire_load16(r.data + 7 * k + 5)
        out[at] = <uint8_t>(1 + 2 * length)
        out[at + 1] = FILE_REFERENCE_TYPE
        wire_swap_copy(out + at + 2, <const uint8_t*>records, length)
        at += 2 + 2 * length
    out[1] = <uint8_t>(total - 2)
    size[0] = total
    return 0


cdef inline int _check_file_groups(mb_bank* bank, const mb_request* r) noexcept nogil:
    """6.15: the groups fill the request exactly, and each names records that exist."""
    cdef int at = 0, length
    if r.size < 9:
        return EXC_ILLEGAL_DATA_VALUE
    while at < r.size:
        if at + 7 > r.size:
            return EXC_ILLEGAL_DATA_VALUE
        length = wire_load16(r.data + at + 5)
        if length == 0 or at + 7 + 2 * length > r.size:
            return EXC_ILLEGAL_DATA_VALUE
        at += 7 + 2 * length
    at = 0
    while at < r.size:
        if _file_records(bank, r.data + at) == NULL:
            return EXC_ILLEGAL_DATA_ADDRESS
        at += 7 + 2 * wire_load16(r.data + at + 5)
    return 0


cdef inline int bank_write_file(mb_bank* bank, const mb_request* r, const uint8_t* pdu, uint8_t* out,
                                int* size) noexcept nogil:
    """6.15: nothing is written unless every group can be."""
    cdef int at = 0, length
    cdef int refusal = _check_file_groups(bank, r)
    if refusal:
        return refusal
    while at < r.size:
        length = wire_load16(r.data + at + 5)
        wire_swap_copy(<uint8_t*>_file_records(bank, r.data + at), r.data + at + 7, length)
        at += 7 + 2 * length
    size[0] = _copy_head(out, pdu, 2 + r.size)
    return 0


cdef inline int bank_read_queue(mb_bank* bank, const mb_request* r, uint8_t* out, int* size) noexcept nogil:
    """6.18: reading leaves the queue as it is. The text's order of codes: the diagram has 02 and 03 exchanged."""
    cdef mb_extent* queue = _find_extent(bank.queues, bank.queue_count, r.address)
    if queue == NULL:
        return EXC_ILLEGAL_DATA_ADDRESS
    if queue.size > MAX_FIFO:
        return EXC_ILLEGAL_DATA_VALUE
    wire_store16(out + 1, <uint16_t>(2 + 2 * queue.size))
    wire_store16(out + 3, <uint16_t>queue.size)
    wire_swap_copy(out + 5, <const uint8_t*>queue.data, queue.size)
    size[0] = 5 + 2 * queue.size
    return 0
