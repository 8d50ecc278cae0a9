"""What a value is worth, as one byte. The numbers are in files that people keep: they never change."""

from __future__ import annotations

from enum import IntEnum

from .spec import Status


class Quality(IntEnum):
    """Why a value is there, or is not. ``Quality(0x82)`` is the device's exception 02, named ``EXCEPTION_02``."""

    GOOD = 0
    TIMEOUT = 1  #: no answer in time
    LINK = 2  #: no connection
    PROTOCOL = 3  #: an answer that breaks the protocol
    MISSED = 4  #: not read at its time
    SUSPENDED = 5  #: not asked: the unit does not answer, or the tag cannot be read
    MISSING = 6  #: the device's own "no value"
    RANGE = 7  #: outside of its valid range, or no number at all
    TORN = 8  #: the scale factor changed while the value was read

    @classmethod
    def _missing_(cls, value: object) -> Quality | None:
        if not isinstance(value, int) or not EXCEPTION <= value <= 0xFF:
            return None
        found = int.__new__(cls, value)
        found._name_ = f"EXCEPTION_{value & ~EXCEPTION:02X}"
        found._value_ = value
        return found

    @property
    def exception(self) -> int | None:
        """The code of the device's exception, None where it is something else."""
        return self.value & ~EXCEPTION if self.value & EXCEPTION else None


#: To compare arrays with: of a member of the enumeration numpy asks in Python what it is, and loses a Ctrl-C meanwhile.
GOOD = int(Quality.GOOD)
EXCEPTION = 0x80  #: or-ed with the code of the device's exception (ap 7)

_OF_STATUS = {
    Status.OK: Quality.GOOD,
    Status.TIMEOUT: Quality.TIMEOUT,
    Status.DEADLINE: Quality.TIMEOUT,
    Status.LOST: Quality.LINK,
    Status.UNREACHABLE: Quality.LINK,
    Status.CLOSED: Quality.LINK,
    Status.PROTOCOL: Quality.PROTOCOL,
    Status.SUSPENDED: Quality.SUSPENDED,
}


def quality_of(status: int, exception: int) -> int:
    """The quality of the values of a read, from the first and third of what ``Batch.result`` says."""
    if status == Status.EXCEPTION:
        return EXCEPTION | exception & ~EXCEPTION
    return int(_OF_STATUS.get(Status(status), Quality.MISSED))
