"""The specification's numbers under their names; the compiled core has the same ones, which a test compares.

Sources: Modbus Application Protocol V1.1b3 (ap), Messaging on TCP/IP Implementation Guide V1.0b (mg).
"""

from enum import IntEnum
from typing import Final

PORT: Final = 502  #: mg 4.3.1
SECURE_PORT: Final = 802  #: MODBUS/TCP Security, R-05
MAX_PDU: Final = 253  #: bytes, ap 4.1
MAX_ADU: Final = 260  #: bytes over TCP, mg 3.1.2
MAX_RTU_ADU: Final = 256  #: bytes on a serial line, sl 2.5.1
MAX_READ_BITS: Final = 2000  #: ap 6.1, 6.2
MAX_READ_REGISTERS: Final = 125  #: ap 6.3, 6.4
MAX_WRITE_BITS: Final = 1968  #: ap 6.11
MAX_WRITE_REGISTERS: Final = 123  #: ap 6.12
MAX_READ_WRITE_READ: Final = 125  #: ap 6.17
MAX_READ_WRITE_WRITE: Final = 121  #: ap 6.17
MAX_FIFO: Final = 31  #: ap 6.18
MAX_FILE_REQUESTS: Final = 35  #: ap 6.14
AUTOMATIC_MOST: Final = 16  #: requests in flight, mg 4.2.1.1: a client may have 1 to 16
TABLE_SIZE: Final = 65536  #: addresses of each of the four tables, ap 4.4


class FunctionCode(IntEnum):
    """The public function codes, ap 5.1."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    READ_EXCEPTION_STATUS = 7
    DIAGNOSTICS = 8
    GET_COMM_EVENT_COUNTER = 11
    GET_COMM_EVENT_LOG = 12
    WRITE_COILS = 15
    WRITE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    READ_FILE_RECORD = 20
    WRITE_FILE_RECORD = 21
    MASK_WRITE_REGISTER = 22
    READ_WRITE_REGISTERS = 23
    READ_FIFO_QUEUE = 24
    ENCAPSULATED_INTERFACE = 43


class ExceptionCode(IntEnum):
    """The exception codes, ap 7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_FAILED = 11


class Status(IntEnum):
    """The states of a transaction in the core."""

    QUEUED = 0
    SENT = 1
    OK = 2
    EXCEPTION = 3
    TIMEOUT = 4
    DEADLINE = 5
    LOST = 6
    PROTOCOL = 7
    CANCELLED = 8
    CLOSED = 9
    UNREACHABLE = 10
    SUSPENDED = 11


class Fault(IntEnum):
    """What was wrong with an answer, or with the stream."""

    NONE = 0
    FUNCTION = 1
    EXCEPTION_FUNCTION = 2
    UNIT = 3
    LENGTH = 4
    BYTE_COUNT = 5
    ECHO = 6
    EXCEPTION_LENGTH = 7
    SUB_FUNCTION = 8
    STRUCTURE = 9
    PROTOCOL_ID = 10
    ADU_LENGTH = 11
    PARTIAL = 12
    LEFT_OVER = 13
    ZERO_ID = 14
    ZERO_UNIT = 15
    EXCEPTION_HEADER = 16
    TRAILING_CRC = 17
    BOUNDARY = 18


#: Deviations of real devices that the option ``quirks`` accepts, with the core's bit for each.
QUIRKS: Final = {"tid_zero": 1, "unit_zero": 2, "exception_length": 4, "trailing_crc": 8}
