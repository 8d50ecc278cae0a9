"""Every fault of an answer by the name that the simulator knows it by, and what a client must make of it.

What is expected here holds with retries off, so that nothing hides behind a second try. The rows are those of
docs/reliability.md.
"""

from dataclasses import dataclass

from fastmodbus import errors

Error = type[errors.ModbusError]

DATA = None  # the good answer is returned
PROTOCOL = errors.ProtocolError
LOST = errors.ConnectionFailed
TIMEOUT = errors.RequestTimeout
DEVICE = errors.DeviceError


@dataclass(frozen=True)
class Case:
    """One fault of one answer.

    Attributes
    ----------
    struck : tuple of error classes, or None for a good result
        What may become of the request whose answer it is; more than one where bytes behind it decide.
    waits : bool
        The timeout passes before it is known; otherwise the verdict must not depend on any timeout.
    waits_among : bool
        The same where others are in flight.
    replaced : bool
        The connection cannot be trusted any more, and the next request goes over a new one.
    cut : error class, optional
        What those behind it in flight get when the connection goes.
    quirk : str
        The option that the message must name.
    tables, writes : which calls it applies to
    """

    row: int
    fault: str
    struck: tuple[Error | None, ...] = (PROTOCOL,)
    waits: bool = False
    waits_among: bool = False
    replaced: bool = False
    cut: Error | None = None
    quirk: str = ""
    reads: bool = True
    writes: bool = True
    bits: bool = False


def kept(row: int, fault: str, **more: object) -> Case:
    return Case(row, fault, **more)  # type: ignore[arg-type]


def broken(row: int, fault: str, **more: object) -> Case:
    """The stream cannot be trusted: an error at once, and so for all that was behind it in flight."""
    return Case(row, fault, replaced=True, cut=PROTOCOL, **more)  # type: ignore[arg-type]


def gone(row: int, fault: str, *struck: Error | None) -> Case:
    """The peer ends the connection."""
    return Case(row, fault, struck or (LOST,), replaced=True, cut=LOST)


def values(row: int, fault: str, **more: object) -> Case:
    """Only answers that carry a byte count can have it."""
    return Case(row, fault, writes=False, **more)  # type: ignore[arg-type]


CASES = (
    kept(1, "split1", struck=(DATA,)),
    kept(1, "split_hdr", struck=(DATA,)),
    kept(1, "split_5", struck=(DATA,)),
    kept(2, "stale+good_1seg", struck=(DATA,)),
    kept(3, "stale,good_2seg", struck=(DATA,)),
    kept(5, "dup", struck=(DATA,)),
    kept(6, "wrong_tid_only", struck=(TIMEOUT,), waits=True),
    kept(7, "tid_zero", quirk="tid_zero", waits_among=True),
    kept(8, "tid_byteswapped", struck=(TIMEOUT,), waits=True),
    kept(9, "unit_zero", quirk="unit_zero"),
    kept(10, "unit_wrong"),
    broken(11, "exc_len_field_2", quirk="exception_length"),
    broken(12, "exc_len_field_4", quirk="exception_length"),
    kept(13, "trailing_in_len"),
    broken(14, "trailing_after", struck=(DATA,), quirk="trailing_crc"),
    broken(14, "garbage_after", struck=(DATA,)),
    broken(15, "len_short_by_2"),
    broken(16, "len_too_long_by_2", struck=(TIMEOUT, PROTOCOL), waits=True),
    broken(17, "len_huge_65535"),
    broken(18, "len_300_with_data"),
    broken(19, "len_zero"),
    broken(19, "len_one"),
    broken(20, "pid_nonzero"),
    values(21, "fewer_regs"),
    values(22, "more_regs"),
    values(23, "odd_bytecount"),
    values(24, "bc_lies_low"),
    values(25, "bc_lies_high"),
    values(26, "bc_zero"),
    broken(26, "fc_only"),
    broken(26, "exc_no_code"),
    kept(27, "wrong_fc"),
    kept(28, "exc_wrong_fc"),
    kept(29, "exc_code_0", struck=(DEVICE,)),
    kept(29, "exc_code_99", struck=(DEVICE,)),
    kept(30, "exc_trailing"),
    values(31, "pad_bits", struck=(DATA,), bits=True),
    values(32, "fewer_bytes", bits=True),
    kept(33, "echo_addr", reads=False),
    kept(33, "echo_val", reads=False),
    gone(34, "fin_before"),
    gone(34, "fin_midframe"),
    gone(35, "rst"),
    gone(35, "rst_midframe"),
    gone(36, "ok_then_close", DATA),
    kept(37, "silence", struck=(TIMEOUT,), waits=True),
    Case(38, "partial_then_silence", (TIMEOUT,), waits=True, replaced=True, cut=TIMEOUT),
    Case(39, "drip_hang", (TIMEOUT,), waits=True, replaced=True, cut=TIMEOUT),
    broken(40, "http"),
    kept(41, "busy", struck=(errors.DeviceBusy,)),
    broken(46, "smuggle"),
    broken(46, "smuggle_short"),
)
