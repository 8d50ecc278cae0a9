"""The compiled codec against the reference codec: requests, answers, checksums, framings, packing, numbers."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from fastmodbus import spec
from fastmodbus._core import codec
from reference import (
    Diagnostics,
    FilePart,
    MaskWrite,
    Opaque,
    Plain,
    Read,
    ReadFifo,
    ReadFile,
    ReadIdentification,
    ReadWrite,
    Request,
    Verdict,
    WriteFile,
    WriteMany,
    WriteOne,
)
from strategies import exchanges, requests, spoilt_exchanges, table_requests, transaction_ids, units

KINDS = {spec.Status.OK: "ok", spec.Status.EXCEPTION: "exception", spec.Status.PROTOCOL: "wrong"}

# ------------------------------------------------------------------------------------------------------------ requests


def fields(request: Request) -> dict[str, int | bytes]:
    """The arguments of encode_request that make this request."""
    pdu = request.encode()
    match request:
        case Read(_, address, quantity) | WriteOne(_, address, quantity):
            return {"address": address, "quantity": quantity}
        case WriteMany(_, address, quantity, data):
            return {"address": address, "quantity": quantity, "data": data}
        case MaskWrite(address, and_mask, or_mask):
            return {"address": address, "quantity": and_mask, "write_address": or_mask}
        case ReadWrite(address, quantity, write_address, write_quantity, data):
            reading = {"address": address, "quantity": quantity}
            return reading | {"write_address": write_address, "write_quantity": write_quantity, "data": data}
        case Diagnostics(sub_function, data):
            return {"address": sub_function, "data": data}
        case ReadFifo(address):
            return {"address": address}
        case ReadFile() | WriteFile():
            return {"data": pdu[2:]}
        case Plain():
            return {}
        case _:
            return {"data": pdu[1:]}


@given(requests())
def test_requests_are_encoded_alike(request: Request) -> None:
    assert codec.encode_request(request.function, **fields(request)) == request.encode()


@given(requests())
def test_requests_are_parsed_back(request: Request) -> None:
    pdu = request.encode()
    names = ("address", "quantity", "write_address", "write_quantity", "data")
    given_fields = dict.fromkeys(names[:-1], 0) | {"data": b""} | fields(request)
    function, *parsed = codec.parse_request(pdu)
    parsed = dict(zip(names, parsed, strict=True))
    assert function == request.function
    assert parsed == given_fields
    assert codec.within_limits(pdu)


# Where the two draw the line elsewhere: the core leaves the inside of file requests and the data of 08 to whoever
# answers them, and takes every encapsulated interface to have some type.
LEFT_TO_THE_DEVICE = (Diagnostics, ReadFile, WriteFile)


@st.composite
def nearly_requests(draw: st.DrawFn) -> bytes:
    pdu = draw(requests()).encode()
    return pdu[: draw(st.integers(1, len(pdu)))] + draw(st.binary(max_size=3))


@given(st.binary(min_size=1, max_size=300) | nearly_requests())
def test_layouts_that_no_request_has_are_refused_alike(pdu: bytes) -> None:
    try:
        request = reference.parse_request(pdu)
    except reference.Refused:
        request = None
    compiled = codec.parse_request(pdu)
    if not 1 <= pdu[0] <= 127 or pdu[0] == 0x2B or isinstance(request, LEFT_TO_THE_DEVICE):
        return
    if pdu[0] in (0x14, 0x15):
        assert (compiled is not None) == (len(pdu) >= 2 and len(pdu) <= 253 and pdu[1] == len(pdu) - 2)
    else:
        assert (compiled is None) == (request is None)


@given(table_requests(), st.data())
def test_limits_are_the_same(request: Request, data: st.DataObject) -> None:
    pdu = bytearray(request.encode())
    at = data.draw(st.integers(3, len(pdu) - 1))
    pdu[at] = data.draw(st.integers(0, 255))
    try:
        reference.parse_request(bytes(pdu)).limits()
        legal = True
    except reference.Refused as refused:
        legal = refused.code == 2  # a range past the table's end is a device's to refuse
    assert codec.within_limits(pdu) == legal


@pytest.mark.parametrize("function", [*spec.FunctionCode, 65, 110, 127])
def test_flags_say_what_may_be_repeated(function: int) -> None:
    reads = {1, 2, 3, 4, 7, 11, 12, 17, 20, 24, 43}
    serial = {7, 8, 11, 12, 17}
    assert codec.flags(function) == (function in reads, function not in reads, function in serial)


def test_requests_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 252"):
        codec.encode_request(65, data=bytes(253))
    with pytest.raises(ValueError, match="at most 253"):
        codec.encode_request(16, quantity=123, data=bytes(248))
    assert len(codec.encode_request(16, quantity=123, data=bytes(247))) == 253
    assert codec.parse_request(b"") is None
    assert codec.parse_request(bytes([65]) * 254) is None
    with pytest.raises(ValueError, match="malformed"):
        codec.check_answer(b"\x03\x00", b"\x03\x00")
    with pytest.raises(ValueError, match="0 bytes"):
        codec.check_answer(b"", b"\x03\x00")


# ------------------------------------------------------------------------------------------------------------- answers


def judge(request: bytes, answer: bytes) -> Verdict:
    status, fault, exception, values = codec.check_answer(request, answer)
    assert (fault == spec.Fault.NONE) == (status != spec.Status.PROTOCOL)
    return Verdict(KINDS[spec.Status(status)], values, exception)


def does_not_advance(request: Request, verdict: Verdict) -> bool:
    """That more must follow at a later object is minded by whoever asks again and again, with what he asked before."""
    return isinstance(request, ReadIdentification) and "does not advance" in verdict.reason


@given(exchanges())
def test_right_answers_are_right(exchange: tuple[Request, bytes]) -> None:
    request, answer = exchange
    expected = reference.check(request.encode(), answer)
    assert expected.kind != "wrong"
    assert judge(request.encode(), answer) == expected


@given(spoilt_exchanges())
def test_spoilt_answers_are_judged_alike(exchange: tuple[Request, bytes]) -> None:
    request, answer = exchange
    expected = reference.check(request.encode(), answer)
    if does_not_advance(request, expected):
        return
    assert judge(request.encode(), answer) == expected._replace(reason="")


@given(spoilt_exchanges(table_requests()))
def test_spoilt_answers_of_tables_are_judged_alike(exchange: tuple[Request, bytes]) -> None:
    request, answer = exchange
    assert judge(request.encode(), answer) == reference.check(request.encode(), answer)._replace(reason="")


@pytest.mark.parametrize(
    ("request_pdu", "answer_pdu", "fault"),
    [
        ("03 0000 0002", "04 04 0000 0000", "FUNCTION"),
        ("03 0000 0002", "84 02", "EXCEPTION_FUNCTION"),
        ("03 0000 0002", "83", "EXCEPTION_LENGTH"),
        ("03 0000 0002", "83 02 00", "EXCEPTION_LENGTH"),
        ("03 0000 0002", "", "LENGTH"),
        ("03 0000 0002", "03", "BYTE_COUNT"),
        ("03 0000 0002", "03 02 0000", "BYTE_COUNT"),
        ("03 0000 0002", "03 04 0000", "LENGTH"),
        ("03 0000 0002", "03 04 0000 0000 00", "LENGTH"),
        ("06 0001 0003", "06 0001 0004", "ECHO"),
        ("06 0001 0003", "06 0001", "LENGTH"),
        ("10 0001 0001 02 0007", "10 0002 0001", "ECHO"),
        ("16 0004 00f2 0025", "16 0004 00f2 0026", "ECHO"),
        ("16 0004 00f2 0025", "16 0004 00f2", "LENGTH"),
        ("08 0000 a537", "08 0000 a538", "ECHO"),
        ("08 0000 a537", "08 0000 a537 00", "LENGTH"),
        ("08 0001 ff00", "08 0001 0000", "ECHO"),
        ("08 000b 0000", "08 000c 0000", "SUB_FUNCTION"),
        ("08 000b 0000", "08 000b 0000 00", "LENGTH"),
        ("08 000b 0000", "08 00", "SUB_FUNCTION"),
        ("07", "07 6d 00", "LENGTH"),
        ("0b", "0b ffff 01", "LENGTH"),
        ("0c", "0c 05 ffff 0108 01", "STRUCTURE"),
        ("0c", "0c 08 ffff 0108 0121", "BYTE_COUNT"),
        ("11", "11 02 00", "BYTE_COUNT"),
        ("11", "11", "BYTE_COUNT"),
        ("14 07 06 0004 0001 0002", "14 06 05 07 0dfe 0020", "STRUCTURE"),
        ("14 07 06 0004 0001 0002", "14 06 03 06 0dfe 0020", "STRUCTURE"),
        ("14 07 06 0004 0001 0002", "14 07 05 06 0dfe 0020 00", "LENGTH"),
        ("14 07 06 0004 0001 0002", "14 05 05 06 0dfe 0020", "BYTE_COUNT"),
        ("15 09 06 0004 0007 0001 06af", "15 09 06 0004 0007 0001 06ae", "ECHO"),
        ("15 09 06 0004 0007 0001 06af", "15 09 06 0004 0007 0001", "LENGTH"),
        ("18 04de", "18 0006 0003 01b8 1284", "STRUCTURE"),
        ("18 04de", "18 0005 0002 01b8 1284", "BYTE_COUNT"),
        ("18 04de", "18 0042 0020" + " 0000" * 32, "STRUCTURE"),
        ("18 04de", "18 0002", "BYTE_COUNT"),
        ("2b 0e 01 00", "2b 0d 01", "SUB_FUNCTION"),
        ("2b 0e 01 00", "2b", "SUB_FUNCTION"),
        ("2b 0e 01 00", "2b 0e 01 01 00 00", "LENGTH"),
        ("2b 0e 01 00", "2b 0e 02 01 00 00 00", "SUB_FUNCTION"),
        ("2b 0e 01 00", "2b 0e 01 01 01 00 00", "STRUCTURE"),
        ("2b 0e 01 00", "2b 0e 01 01 00 00 01 00 02 41", "STRUCTURE"),
        ("2b 0e 01 00", "2b 0e 01 01 00 00 01 00", "STRUCTURE"),
        ("2b 0e 01 00", "2b 0e 01 01 00 00 01 00 01 41 01 01 42", "STRUCTURE"),
        ("2b 0e 04 00", "2b 0e 04 81 00 00 00", "STRUCTURE"),
        ("2b 0e 04 00", "2b 0e 04 81 ff 01 01 00 01 41", "STRUCTURE"),
        ("2b 0e 04 00", "2b 0e 04 81 00 00 02 00 01 41 01 01 42", "STRUCTURE"),
    ],
)
def test_what_was_wrong_is_named(request_pdu: str, answer_pdu: str, fault: str) -> None:
    request, answer = bytes.fromhex(request_pdu), bytes.fromhex(answer_pdu)
    assert reference.check(request, answer).kind == "wrong"
    assert codec.check_answer(request, answer)[:2] == (spec.Status.PROTOCOL, spec.Fault[fault])


@pytest.mark.parametrize(
    ("request_pdu", "answer_pdu"),
    [
        ("2b 0e 01 00", "2b 0e 01 01 00 00 03 00 01 41 01 01 42"),  # announces one object too many, as 6.21's example
        ("2b 0e 01 00", "2b 0e 01 01 00 00 00"),
        ("14 07 06 0004 0001 0000", "14 02 01 06"),
        ("18 04de", "18 0002 0000"),
        ("0c", "0c 06 0000 0108 0121"),
        ("41 07", "41"),
    ],
)
def test_odd_but_right_answers(request_pdu: str, answer_pdu: str) -> None:
    request, answer = bytes.fromhex(request_pdu), bytes.fromhex(answer_pdu)
    assert judge(request, answer) == reference.check(request, answer)
    assert reference.check(request, answer).kind == "ok"


def test_an_answer_longer_than_a_pdu_is_wrong() -> None:
    request = Opaque(65, b"").encode()
    assert judge(request, request + bytes(252)).kind == "ok"
    for size in (253, 260, 1000):
        assert judge(request, request + bytes(size)).kind == "wrong"


def test_the_longest_answers() -> None:
    parts = tuple(FilePart(1, 0, 2) for _ in range(35))
    answer = b"\x14\xd2" + b"\x05\x06abcd" * 35
    assert judge(ReadFile(parts).encode(), answer) == Verdict("ok", answer[2:])
    assert judge(Read(1, 0, 2000).encode(), b"\x01\xfa" + bytes(250)).kind == "ok"
    assert judge(Read(3, 0, 125).encode(), b"\x03\xfa" + bytes(250)).kind == "ok"


# ---------------------------------------------------------------------------------------------- checksums and framings


@given(st.binary(max_size=300))
def test_checksums(data: bytes) -> None:
    assert codec.crc16(data) == reference.crc16(data)
    assert codec.lrc(data) == reference.lrc(data)


def test_known_checksums() -> None:
    assert codec.crc16(b"123456789") == 0x4B37  # the check value that catalogues of CRCs give for CRC-16/MODBUS
    assert codec.crc16(b"") == 0xFFFF
    assert codec.lrc(b"\xf7\x03\x13\x89\x00\x0a") == 0x60


pdus = st.binary(min_size=1, max_size=253)


@given(transaction_ids, units, pdus)
def test_frames_are_written_alike(transaction_id: int, unit: int, pdu: bytes) -> None:
    assert codec.encode_mbap(transaction_id, unit, pdu) == reference.mbap_frame(transaction_id, unit, pdu)
    assert codec.encode_rtu(unit, pdu) == reference.rtu_frame(unit, pdu)
    assert codec.encode_ascii(unit, pdu) == reference.ascii_frame(unit, pdu)
    assert codec.decode_rtu(codec.encode_rtu(unit, pdu)) == (unit, pdu)
    assert codec.decode_ascii(codec.encode_ascii(unit, pdu)) == (unit, pdu)


@pytest.mark.parametrize(
    "encode",
    [
        lambda pdu: codec.encode_mbap(1, 1, pdu),
        lambda pdu: codec.encode_rtu(1, pdu),
        lambda pdu: codec.encode_ascii(1, pdu),
    ],
)
@pytest.mark.parametrize("size", [0, 254, 1000])
def test_what_is_no_pdu_is_not_framed(encode, size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes"):
        encode(bytes(size))


answer_frames = st.builds(codec.encode_mbap, transaction_ids, units, st.binary(min_size=2, max_size=253))


@given(st.lists(answer_frames, max_size=4), st.binary(max_size=12), st.data())
def test_streams_are_split_alike(frames: list[bytes], rest: bytes, data: st.DataObject) -> None:
    stream = b"".join(frames) + rest
    stream = stream[: data.draw(st.integers(0, len(stream)))]
    found, used, fault = codec.split_mbap(stream)
    try:
        expected, expected_used = reference.split_mbap(stream, smallest_pdu=2)
    except reference.BrokenStream:
        assert fault in (spec.Fault.PROTOCOL_ID, spec.Fault.ADU_LENGTH)
    else:
        assert found == expected
        assert used == expected_used
        # A protocol id shows two bytes before the length does, which the reference waits for.
        assert fault == spec.Fault.NONE or (fault == spec.Fault.PROTOCOL_ID and len(stream) - used in (4, 5))


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("0001 0001", "PROTOCOL_ID"),
        ("0001 0000 0000", "ADU_LENGTH"),
        ("0001 0000 0002", "ADU_LENGTH"),
        ("0001 0000 00ff", "ADU_LENGTH"),
        ("0001 0000 ffff", "ADU_LENGTH"),
        ("0001 0000 0003", "NONE"),
        ("0001 0000 00fe", "NONE"),
        ("0001 00", "NONE"),
    ],
)
def test_impossible_headers_show_at_once(head: str, fault: str) -> None:
    whole = codec.encode_mbap(7, 1, b"\x83\x02")
    assert codec.split_mbap(whole + bytes.fromhex(head)) == ([(7, 1, b"\x83\x02")], len(whole), spec.Fault[fault])


def damaged(frame: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(frame) - 1))
    kinds = [
        lambda: frame[:at],
        lambda: frame[:at] + bytes([data.draw(st.integers(0, 255))]) + frame[at + 1 :],
        lambda: frame[:at] + data.draw(st.binary(max_size=3)) + frame[at:],
        lambda: frame + data.draw(st.binary(max_size=3)),
    ]
    return data.draw(st.sampled_from(kinds))()


@given(units, pdus, st.data())
def test_serial_frames_are_judged_alike(unit: int, pdu: bytes, data: st.DataObject) -> None:
    for encode, decode, parse in (
        (codec.encode_rtu, codec.decode_rtu, reference.parse_rtu),
        (codec.encode_ascii, codec.decode_ascii, reference.parse_ascii),
    ):
        frame = damaged(encode(unit, pdu), data)
        try:
            expected = parse(frame)
        except reference.BrokenFrame:
            expected = None
        assert decode(frame) == expected


@given(st.binary(max_size=600))
def test_any_bytes_are_no_trouble(data: bytes) -> None:
    codec.decode_rtu(data)
    codec.decode_ascii(data)
    frames, used, _ = codec.split_mbap(data)
    assert used == sum(7 + len(pdu) for _, _, pdu in frames)


# -------------------------------------------------------------------------------------------------- registers and bits


@given(st.binary(max_size=600).map(lambda data: data[: len(data) & ~1]), st.integers(0, 1))
def test_registers_both_ways(data: bytes, offset: int) -> None:
    shifted = memoryview(bytes(offset) + data)[offset:]  # any alignment
    out = array("H", bytes(len(data)))
    codec.load_registers(shifted, out)
    assert out.tolist() == reference.bytes_to_registers(data)
    assert codec.store_registers(out) == data


@given(st.lists(st.integers(0, 255), max_size=70))
def test_bits_both_ways(values: list[int]) -> None:
    packed = codec.pack_bits(bytes(values))
    assert packed == reference.bits_to_bytes(values)
    out = bytearray(len(values))
    codec.unpack_bits(packed, out)
    assert list(out) == [value != 0 for value in values]


@given(st.binary(max_size=20), st.integers(0, 7))
def test_padding_is_masked(data: bytes, spare: int) -> None:
    count = max(0, 8 * len(data) - spare)
    out = bytearray(b"\xaa" * count)
    codec.unpack_bits(data if count else b"", out)
    assert list(out) == [bool(data[i // 8] >> (i % 8) & 1) for i in range(count)]


def test_sizes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes and out has 1 registers"):
        codec.load_registers(b"abc", array("H", [0]))
    with pytest.raises(ValueError, match="2 bytes and out has 8 bits"):
        codec.unpack_bits(b"ab", bytearray(8))


# ------------------------------------------------------------------------------------------------------------- numbers


def test_the_numbers_of_the_core_are_those_of_the_package() -> None:
    assert {name: getattr(spec, name) for name in codec.CONSTANTS} == codec.CONSTANTS
    for enumeration, compiled in (
        (spec.FunctionCode, codec.FUNCTION_CODES),
        (spec.ExceptionCode, codec.EXCEPTIONS),
        (spec.Status, codec.STATUSES),
        (spec.Fault, codec.FAULTS),
    ):
        assert {member.name: member.value for member in enumeration} == compiled


def test_every_size_of_the_package_is_in_the_core() -> None:
    sizes = {name for name in vars(spec) if name.isupper() and name.split("_")[0] in ("MAX", "TABLE")}
    assert sizes <= codec.CONSTANTS.keys()
