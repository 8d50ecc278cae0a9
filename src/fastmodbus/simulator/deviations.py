"""Answers that break the protocol, as real devices, gateways and networks break it: one named alteration for each.

Used by faults.py, which adds them to the kinds of `Simulator.fault`. An alteration turns the bytes of a right answer
into those that leave instead; nothing here touches a socket or a clock. Each name is a row of docs/reliability.md.
"""

from collections.abc import Callable

from fastmodbus.simulator.effect import Alteration, Effect

MBAP_SIZE = 7
EXCEPTION_BIT = 0x80
#: Functions whose answer has the same form as that of another one.
_TWINS = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15}
#: Functions whose answer repeats the request instead of carrying a byte count and values.
_ECHOES = frozenset({5, 6, 15, 16, 22})
_WEB_SERVER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


# ------------------------------------------------------------------------------------------------ parts of an answer


def _identifier(adu: bytes) -> int:
    return int.from_bytes(adu[:2], "big")


def _with_identifier(adu: bytes, value: int) -> bytes:
    return (value & 0xFFFF).to_bytes(2, "big") + adu[2:]


def _with_length(adu: bytes, length: int) -> bytes:
    return adu[:4] + length.to_bytes(2, "big") + adu[6:]


def _with_pdu(adu: bytes, pdu: bytes) -> bytes:
    """The same answer with another PDU, framed well."""
    return _with_length(adu[:MBAP_SIZE], len(pdu) + 1) + pdu


def _function(adu: bytes) -> int:
    return adu[MBAP_SIZE] & ~EXCEPTION_BIT


def _with_other_values(adu: bytes) -> bytes:
    """An answer of the same form whose values are all different."""
    start = MBAP_SIZE + (3 if _function(adu) in _ECHOES else 2)
    return adu[:start] + bytes(byte ^ 0xFF for byte in adu[start:])


def _crc(data: bytes) -> bytes:
    from fastmodbus._core import codec

    return codec.crc16(data).to_bytes(2, "little")


# ------------------------------------------------------------------------------------------------ the stream


def _cut(*sizes: int) -> Alteration:
    """In pieces that end after so many bytes."""
    return lambda adu: Effect(tuple(adu[start:stop] for start, stop in zip((0, *sizes), (*sizes, None), strict=True)))


def _stale(adu: bytes) -> bytes:
    """What a device might answer late to the request before: other values, the id before."""
    return _with_identifier(_with_other_values(adu), _identifier(adu) - 1)


def _smuggled(adu: bytes) -> bytes:
    """A good answer to the next request, with other values."""
    return _with_identifier(_with_other_values(adu), _identifier(adu) + 1)


def _cut_short(adu: bytes) -> bytes:
    """The head of an answer, counted as if it were whole, and a good answer to the next request where its rest was."""
    return _with_length(adu[: MBAP_SIZE + 3], 4) + _smuggled(adu)


# ------------------------------------------------------------------------------------------------ byte counts


def _recounted(values: Callable[[bytes], bytes], count: Callable[[int], int]) -> Alteration:
    """Values and byte count changed; the MBAP length is that of what is sent."""

    def alter(adu: bytes) -> bytes:
        function, counted, data = adu[MBAP_SIZE], adu[MBAP_SIZE + 1], adu[MBAP_SIZE + 2 :]
        return _with_pdu(adu, bytes([function, count(counted) & 0xFF]) + values(data))

    return alter


def _same(data: bytes) -> bytes:
    return data


def pad_bits(quantity: int) -> Alteration:
    """The bits that fill up the last byte of an answer of `quantity` bits are 1."""
    filling = 0xFF << (quantity % 8) & 0xFF if quantity % 8 else 0
    return lambda adu: adu[:-1] + bytes([adu[-1] | filling])


# ------------------------------------------------------------------------------------------------ functions, exceptions


def _refused(adu: bytes, function: int, code: int, length: int = 3) -> bytes:
    return _with_length(adu[:MBAP_SIZE], length) + bytes([function | EXCEPTION_BIT, code])


def _exception(code: int, length: int = 3) -> Alteration:
    """An exception instead of the answer, the length in its MBAP header right or wrong."""
    return lambda adu: _refused(adu, _function(adu), code, length)


def _twin(adu: bytes) -> int:
    return _TWINS.get(_function(adu), 3)


def _turned(at: int) -> Alteration:
    """One bit of the echo of a write turned."""
    return lambda adu: adu[: MBAP_SIZE + at] + bytes([adu[MBAP_SIZE + at] ^ 1]) + adu[MBAP_SIZE + at + 1 :]


_ALTERATIONS: dict[str, Alteration] = {
    # in the stream
    "split1": lambda adu: Effect(tuple(adu[at : at + 1] for at in range(len(adu)))),
    "split_hdr": _cut(3),
    "split_5": _cut(5),
    "stale+good_1seg": lambda adu: _stale(adu) + adu,
    "stale,good_2seg": lambda adu: Effect((_stale(adu), adu), gap=0.001),
    "dup": lambda adu: adu * 2,
    "trailing_after": lambda adu: adu + _crc(adu[6:]),
    "garbage_after": lambda adu: adu + b"\xde\xad",
    "smuggle": lambda adu: b"\xff\xfe\xfd" + _smuggled(adu),
    "smuggle_short": _cut_short,
    "http": lambda adu: Effect((_WEB_SERVER,), ending="close"),
    # in the header
    "wrong_tid_only": lambda adu: _with_identifier(adu, _identifier(adu) ^ 0x5555),
    "tid_zero": lambda adu: _with_identifier(adu, 0),
    "tid_byteswapped": lambda adu: adu[1::-1] + adu[2:],
    "unit_zero": lambda adu: adu[:6] + b"\0" + adu[7:],
    "unit_wrong": lambda adu: adu[:6] + bytes([adu[6] ^ 0x55]) + adu[7:],
    "pid_nonzero": lambda adu: adu[:2] + b"\0\1" + adu[4:],
    "trailing_in_len": lambda adu: _with_pdu(adu, adu[MBAP_SIZE:] + b"\xde\xad"),
    "len_short_by_2": lambda adu: _with_length(adu, len(adu) - 6 - 2),
    "len_too_long_by_2": lambda adu: _with_length(adu, len(adu) - 6 + 2),
    "len_huge_65535": lambda adu: _with_length(adu, 65535),
    "len_300_with_data": lambda adu: _with_length(adu, 300) + bytes(300),
    "len_zero": lambda adu: _with_length(adu, 0),
    "len_one": lambda adu: _with_length(adu, 1),
    # in byte counts and values
    "fewer_regs": _recounted(lambda data: data[:-2], lambda count: count - 2),
    "more_regs": _recounted(lambda data: data + b"\xde\xad", lambda count: count + 2),
    "odd_bytecount": _recounted(lambda data: data[:-1], lambda count: count - 1),
    "bc_lies_low": _recounted(_same, lambda count: count - 2),
    "bc_lies_high": _recounted(_same, lambda count: count + 2),
    "bc_zero": _recounted(lambda data: b"", lambda count: 0),
    "fewer_bytes": _recounted(lambda data: data[:-1], lambda count: count - 1),
    # in functions and exceptions
    "fc_only": lambda adu: _with_pdu(adu, adu[MBAP_SIZE : MBAP_SIZE + 1]),
    "exc_no_code": lambda adu: _with_pdu(adu, bytes([_function(adu) | EXCEPTION_BIT])),
    "wrong_fc": lambda adu: adu[:MBAP_SIZE] + bytes([_twin(adu)]) + adu[MBAP_SIZE + 1 :],
    "exc_wrong_fc": lambda adu: _refused(adu, _twin(adu), 2),
    "exc_len_field_2": _exception(2, length=2),
    "exc_len_field_4": _exception(2, length=4),
    "exc_code_0": _exception(0),
    "exc_code_99": _exception(99),
    "exc_trailing": lambda adu: _refused(adu, _function(adu), 2, length=4) + b"\xde",
    "busy": _exception(6),
    "echo_addr": _turned(2),
    "echo_val": _turned(4),
    # in the connection
    "fin_before": lambda adu: Effect((), ending="close"),
    "fin_midframe": lambda adu: Effect((adu[: len(adu) // 2],), ending="close"),
    "rst": lambda adu: Effect((), ending="reset"),
    "rst_midframe": lambda adu: Effect((adu[: len(adu) // 2],), ending="reset"),
    "ok_then_close": lambda adu: Effect((adu,), ending="close"),
    "silence": lambda adu: Effect(()),
    "partial_then_silence": lambda adu: Effect((adu[: len(adu) // 2],), ending="hang"),
    "drip_hang": lambda adu: Effect(tuple(adu[at : at + 1] for at in range(len(adu))), gap=0.35),
}


def _named(alteration: Alteration) -> Callable[..., Alteration]:
    return lambda: alteration


DEVIATIONS: dict[str, Callable[..., Alteration]] = {name: _named(alter) for name, alter in _ALTERATIONS.items()}
DEVIATIONS["pad_bits"] = pad_bits
