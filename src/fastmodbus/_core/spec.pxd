# The numbers of the protocol: function codes, limits, exception codes, and the states and faults of a transaction.
# Everything in the core may use it; it uses nothing. Sources: Modbus Application Protocol V1.1b3 (ap), Messaging on
# TCP/IP Implementation Guide V1.0b (mg), Modbus over Serial Line V1.02 (sl).

from libc.stdint cimport uint8_t, uint16_t

cdef enum mb_function:                      # ap 5.1
    FC_READ_COILS = 1
    FC_READ_DISCRETE_INPUTS = 2
    FC_READ_HOLDING_REGISTERS = 3
    FC_READ_INPUT_REGISTERS = 4
    FC_WRITE_COIL = 5
    FC_WRITE_REGISTER = 6
    FC_READ_EXCEPTION_STATUS = 7
    FC_DIAGNOSTICS = 8
    FC_GET_COMM_EVENT_COUNTER = 11
    FC_GET_COMM_EVENT_LOG = 12
    FC_WRITE_COILS = 15
    FC_WRITE_REGISTERS = 16
    FC_REPORT_SERVER_ID = 17
    FC_READ_FILE_RECORD = 20
    FC_WRITE_FILE_RECORD = 21
    FC_MASK_WRITE_REGISTER = 22
    FC_READ_WRITE_REGISTERS = 23
    FC_READ_FIFO_QUEUE = 24
    FC_ENCAPSULATED_INTERFACE = 43

cdef enum:
    MEI_CANOPEN = 13                        # ap 6.20
    MEI_DEVICE_IDENTIFICATION = 14          # ap 6.21
    DIAG_RETURN_QUERY_DATA = 0              # ap 6.8.1
    DIAG_RESTART_COMMUNICATIONS = 1
    DIAG_CHANGE_DELIMITER = 3
    DIAG_FORCE_LISTEN_ONLY = 4
    DIAG_CLEAR = 10
    DIAG_CLEAR_OVERRUNS = 20
    ID_ONE_OBJECT = 4                       # ap 6.21, read device id code
    FILE_REFERENCE_TYPE = 6                 # ap 6.14
    EXCEPTION_BIT = 0x80                    # ap 7

cdef enum:
    MAX_PDU = 253                           # ap 4.1
    MAX_ADU = 260                           # mg 3.1.2: 7 bytes of MBAP header and the PDU
    MBAP_SIZE = 7
    MIN_MBAP_LENGTH = 3                     # unit id and the smallest answer, two bytes
    MAX_MBAP_LENGTH = 254
    MAX_RTU_ADU = 256                       # sl 2.5.1
    MAX_READ_BITS = 2000                    # ap 6.1
    MAX_READ_REGISTERS = 125                # ap 6.3
    MAX_WRITE_BITS = 1968                   # ap 6.11
    MAX_WRITE_REGISTERS = 123               # ap 6.12
    MAX_READ_WRITE_READ = 125               # ap 6.17
    MAX_READ_WRITE_WRITE = 121
    MAX_FIFO = 31                           # ap 6.18
    MAX_EVENTS = 64                         # ap 6.10
    MAX_FILE_REQUESTS = 35                  # ap 6.14
    TABLE_SIZE = 65536                      # addresses of one table

cdef enum mb_exception:                     # ap 7
    EXC_ILLEGAL_FUNCTION = 1
    EXC_ILLEGAL_DATA_ADDRESS = 2
    EXC_ILLEGAL_DATA_VALUE = 3
    EXC_SERVER_DEVICE_FAILURE = 4
    EXC_ACKNOWLEDGE = 5
    EXC_SERVER_DEVICE_BUSY = 6
    EXC_MEMORY_PARITY_ERROR = 8
    EXC_GATEWAY_PATH_UNAVAILABLE = 10
    EXC_GATEWAY_TARGET_FAILED = 11

cdef enum mb_status:                        # of a transaction; from ST_OK on it is over
    ST_QUEUED = 0
    ST_SENT = 1
    ST_OK = 2
    ST_EXCEPTION = 3                        # the device refused: mb_transaction.exception
    ST_TIMEOUT = 4
    ST_DEADLINE = 5                         # the deadline of the whole call
    ST_LOST = 6                             # the connection went away
    ST_PROTOCOL = 7                         # an answer that breaks the protocol: mb_transaction.fault
    ST_CANCELLED = 8
    ST_CLOSED = 9                           # the client was closed
    ST_UNREACHABLE = 10                     # no connection could be made
    ST_SUSPENDED = 11                       # not asked: the unit left several requests before unanswered

cdef enum mb_fault:                         # what was wrong with an answer, or with the stream
    FAULT_NONE = 0
    FAULT_FUNCTION = 1                      # a normal answer to another function
    FAULT_EXCEPTION_FUNCTION = 2            # an exception for another function
    FAULT_UNIT = 3                          # the right transaction id, another unit
    FAULT_LENGTH = 4                        # the PDU is longer or shorter than it must be
    FAULT_BYTE_COUNT = 5                    # the byte count disagrees with the quantity asked for
    FAULT_ECHO = 6                          # the echo of a write differs from the request
    FAULT_EXCEPTION_LENGTH = 7              # an exception whose length is not two bytes
    FAULT_SUB_FUNCTION = 8                  # another diagnostic sub-function or encapsulated interface
    FAULT_STRUCTURE = 9                     # sub-lengths or counts inside the PDU contradict each other
    FAULT_PROTOCOL_ID = 10                  # from here on: the stream can no longer be framed
    FAULT_ADU_LENGTH = 11
    FAULT_PARTIAL = 12                      # a part of a frame, then silence
    FAULT_LEFT_OVER = 13                    # bytes that no request asked for
    FAULT_ZERO_ID = 14                      # quirk "tid_zero": the answer has transaction id 0
    FAULT_ZERO_UNIT = 15                    # quirk "unit_zero": the answer has unit 0
    FAULT_EXCEPTION_HEADER = 16             # quirk "exception_length": an exception whose MBAP length is 2 or 4
    FAULT_TRAILING_CRC = 17                 # quirk "trailing_crc": an RTU checksum behind the counted frame
    FAULT_BOUNDARY = 18                     # an answer contradicts the length of its frame: where does the next begin?

cdef enum mb_quirk:                         # deviations of real devices that a user may declare
    QUIRK_ZERO_ID = 1
    QUIRK_ZERO_UNIT = 2
    QUIRK_EXCEPTION_LENGTH = 4
    QUIRK_TRAILING_CRC = 8

cdef enum mb_function_flag:
    FN_REPEATABLE = 1                       # asking twice does no harm: retried after a timeout or a lost connection
    FN_WRITE = 2                            # changes the device; not pipelined with other writes unless asked for
    FN_SERIAL_ONLY = 4                      # ap names it "serial line only": a gateway may refuse it


cdef inline int function_flags(uint8_t function) noexcept nogil:
    """What may be done with a request of this function code; unknown codes are never repeated."""
    if function <= FC_READ_INPUT_REGISTERS or function == FC_READ_FILE_RECORD or function == FC_READ_FIFO_QUEUE:
        return FN_REPEATABLE
    if function == FC_ENCAPSULATED_INTERFACE:
        return FN_REPEATABLE
    if function == FC_READ_EXCEPTION_STATUS or function == FC_GET_COMM_EVENT_COUNTER:
        return FN_REPEATABLE | FN_SERIAL_ONLY
    if function == FC_GET_COMM_EVENT_LOG or function == FC_REPORT_SERVER_ID:
        return FN_REPEATABLE | FN_SERIAL_ONLY
    if function == FC_DIAGNOSTICS:
        return FN_WRITE | FN_SERIAL_ONLY
    return FN_WRITE


cdef inline uint16_t bytes_for_bits(uint16_t quantity) noexcept nogil:
    return (quantity + 7) >> 3
