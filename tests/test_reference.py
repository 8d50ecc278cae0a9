"""The oracle itself, judged by the specification's worked examples and by its own inverses.

test_reference_judges.py has other people's codecs judge it.
"""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reference import (
    Bank,
    BrokenFrame,
    BrokenStream,
    Diagnostics,
    FilePart,
    Frame,
    MaskWrite,
    Read,
    ReadFile,
    ReadIdentification,
    ReadWrite,
    Refused,
    Request,
    Verdict,
    WriteFile,
    WriteMany,
    WriteOne,
    answer,
    ascii_frame,
    bits_to_bytes,
    bytes_to_bits,
    bytes_to_registers,
    check,
    crc16,
    lrc,
    mbap_frame,
    parse_ascii,
    parse_request,
    parse_rtu,
    registers_to_bytes,
    rtu_frame,
    split_mbap,
)
from strategies import exceptions, exchanges, requests, spoilt_exchanges, transaction_ids, units


def specification_bank() -> Bank:
    """A device whose contents are those of the worked examples in ap section 6."""
    bank = Bank(exception_status=0x6D, status=0xFFFF, event_count=0x0108, server_id=b"\x11\xff")
    bank.coils[0x13:0x26] = bytes_to_bits(bytes.fromhex("cd6b05"), 19)
    bank.discrete[0xC4:0xDA] = bytes_to_bits(bytes.fromhex("acdb35"), 22)
    bank.holding[0x03:0x09] = [0x00FE, 0x0ACD, 0x0001, 0x0003, 0x000D, 0x00FF]
    bank.holding[0x6B:0x6E] = [0x022B, 0x0000, 0x0064]
    bank.input[0x08] = 0x000A
    bank.queues[0x04DE] = [0x01B8, 0x1284]
    bank.files = {4: [0, 0x0DFE, 0x0020, *[0] * 10], 3: [*[0] * 9, 0x33CD, 0x0040]}
    bank.objects = {0: b"Company identification", 1: b"Product code XX", 2: b"V2.11"}
    return bank


WORKED_EXAMPLES = [
    ("01 0013 0013", "01 03 cd6b05"),
    ("02 00c4 0016", "02 03 acdb35"),
    ("03 006b 0003", "03 06 022b 0000 0064"),
    ("04 0008 0001", "04 02 000a"),
    ("05 00ac ff00", "05 00ac ff00"),
    ("06 0001 0003", "06 0001 0003"),
    ("07", "07 6d"),
    ("08 0000 a537", "08 0000 a537"),
    ("0b", "0b ffff 0108"),
    ("0f 0013 000a 02 cd01", "0f 0013 000a"),
    ("10 0001 0002 04 000a 0102", "10 0001 0002"),
    ("11", "11 02 11ff"),
    ("14 0e 06 0004 0001 0002 06 0003 0009 0002", "14 0c 05 06 0dfe0020 05 06 33cd0040"),
    ("15 0d 06 0004 0007 0003 06af 04be 100d", "15 0d 06 0004 0007 0003 06af 04be 100d"),
    ("16 0004 00f2 0025", "16 0004 00f2 0025"),
    ("17 0003 0006 000e 0003 06 00ff 00ff 00ff", "17 0c 00fe 0acd 0001 0003 000d 00ff"),
    ("18 04de", "18 0006 0002 01b8 1284"),
    ("2b 0e 01 00", "2b 0e 01 82 00 00 03 00 16" + b"Company identification".hex() + "01 0f"
     + b"Product code XX".hex() + "02 05" + b"V2.11".hex()),
]  # fmt: skip


@pytest.mark.parametrize(("request_hex", "answer_hex"), WORKED_EXAMPLES)
def test_worked_examples(request_hex: str, answer_hex: str) -> None:
    request, expected = bytes.fromhex(request_hex), bytes.fromhex(answer_hex)
    assert parse_request(request).encode() == request
    assert answer(request, specification_bank()) == expected
    assert check(request, expected).kind == "ok"


def test_event_log_example() -> None:
    bank = Bank(event_count=0x0108, message_count=0x0121, events=b"\x20\x00")
    expected = bytes.fromhex("0c 08 0000 0108 0121 2000")
    assert answer(b"\x0c", bank) == expected
    assert check(b"\x0c", expected) == Verdict("ok", payload=expected[2:])


def test_first_example_of_the_tcp_guide() -> None:
    request = Read(3, 0x1020, 2).encode()
    assert mbap_frame(1, 1, request) == bytes.fromhex("00 01 00 00 00 06 01 03 10 20 00 02")
    reply = bytes.fromhex("00 01 00 00 00 07 01 03 04 12 34 56 78")
    [(transaction_id, unit, pdu)], used = split_mbap(reply)
    assert (transaction_id, unit, used) == (1, 1, len(reply))
    assert bytes_to_registers(check(request, pdu).payload) == [0x1234, 0x5678]


def test_mask_write_example() -> None:
    bank = Bank()
    bank.holding[4] = 0x12
    answer(MaskWrite(4, 0xF2, 0x25).encode(), bank)
    assert bank.holding[4] == 0x17


def test_writes_reach_the_bank() -> None:
    bank = specification_bank()
    for request, _ in WORKED_EXAMPLES:
        answer(bytes.fromhex(request), bank)
    assert bank.coils[0xAC]
    assert bits_to_bytes(bank.coils[0x13:0x1D]) == b"\xcd\x01"
    assert bank.holding[1:3] == [0x000A, 0x0102]
    assert bank.holding[0x0E:0x11] == [0x00FF] * 3
    assert bank.files[4][7:10] == [0x06AF, 0x04BE, 0x100D]


@pytest.mark.parametrize(
    ("request_hex", "code"),
    [
        ("00", 1),
        ("09", 1),
        ("41 00", 1),
        ("2b 0f", 1),
        ("08 0005 0000", 1),
        ("03 ffff 0002", 2),
        ("03 fffe 0003", 2),
        ("01 0000 07d1", 3),
        ("01 0000 0000", 3),
        ("04 0000 007e", 3),
        ("03 0000", 3),
        ("05 0000 0001", 3),
        ("0f 0000 0009 01 ff", 3),
        ("0f 0000 07b1 f7" + "00" * 247, 3),
        ("10 0000 0001 03 000000", 3),
        ("17 0000 0001 0000 007a f4" + "00" * 244, 3),
        ("17 ffff 0002 0000 0001 02 0000", 2),
        ("17 0000 0001 ffff 0002 04 00000000", 2),
        ("18 0000", 2),
        ("14 07 06 0009 0000 0001", 2),
        ("14 07 06 0004 270f 0001", 2),
        ("14 07 05 0004 0000 0001", 3),
        ("14 06 06 0004 0000 00", 3),
        ("2b 0e 04 77", 2),
        ("2b 0e 05 00", 3),
    ],
)
def test_refusals(request_hex: str, code: int) -> None:
    request = bytes.fromhex(request_hex)
    assert answer(request, specification_bank()) == bytes([request[0] | 0x80, code])


def test_largest_legal_range_ends_at_65536() -> None:
    for request in (Read(3, 65536 - 125, 125), Read(1, 65536 - 2000, 2000), WriteMany(16, 65535, 1, b"\1\2")):
        assert check(request.encode(), answer(request.encode(), Bank())).kind == "ok"


@pytest.mark.parametrize(
    ("request_hex", "answer_hex", "complaint"),
    [
        ("03 0000 0002", "", "0 bytes"),
        ("03 0000 0002", "03", "no byte count"),
        ("03 0000 0002", "03 02 0001", "2 data bytes, 4 asked for"),
        ("03 0000 0002", "03 06 000100020003", "6 data bytes, 4 asked for"),
        ("03 0000 0002", "03 02 00010002", "byte count 2 with 4 bytes"),
        ("03 0000 0002", "03 00", "0 data bytes"),
        ("03 0000 0002", "04 04 00010002", "function 4 instead of 3"),
        ("03 0000 0002", "84 02", "function 132 instead of 3"),
        ("03 0000 0002", "83", "exception of 1 bytes"),
        ("03 0000 0002", "83 02 00", "exception of 3 bytes"),
        ("01 0000 0009", "01 01 ff", "1 data bytes, 2 asked for"),
        ("05 0000 ff00", "05 0001 ff00", "does not repeat"),
        ("06 0000 0001", "06 0000 0002", "does not repeat"),
        ("10 0000 0001 02 0000", "10 0000 0002", "does not repeat"),
        ("07", "07 01 00", "3 bytes instead of 2"),
        ("08 0000 1234", "08 0000 1235", "does not repeat"),
        ("08 000b 0000", "08 000c 0000", "sub-function 12"),
        ("08 0004 0000", "08 0004 0000", "request that has none"),
        ("0c", "0c 05 0000000000", "5 bytes of log"),
        ("14 07 06 0004 0001 0001", "14 06 05 06 00010002", "a part of 5 bytes"),
        ("14 07 06 0004 0001 0001", "14 04 03 07 0001", "reference type 7"),
        ("14 07 06 0004 0001 0001", "14 00", "fewer parts"),
        ("14 07 06 0004 0001 0001", "14 08 03 06 0001 03 06 0001", "after the last part"),
        ("18 04de", "18 06 0002 01b8 1284", "registers in a queue"),
        ("18 04de", "18 0042 0020" + "0000" * 32, "32 registers"),
        ("2b 0e 01 00", "2b 0e 01 81 ff 00 00", "does not advance"),
        ("2b 0e 01 00", "2b 0e 01 81 00 00 01 00 05 41", "cut off"),
        ("2b 0e 04 01", "2b 0e 04 81 ff 02 01 01 01 41", "one object"),
    ],
)
def test_wrong_answers(request_hex: str, answer_hex: str, complaint: str) -> None:
    verdict = check(bytes.fromhex(request_hex), bytes.fromhex(answer_hex))
    assert verdict.kind == "wrong"
    assert complaint in verdict.reason


def test_identification_is_read_page_by_page() -> None:
    bank = Bank(objects={each: bytes([each]) * 60 for each in (0, 1, 2, 3, 4, 0x80)})
    seen, following = [], 0
    while True:
        request = ReadIdentification(3, following).encode()
        reply = answer(request, bank)
        assert check(request, reply).kind == "ok"
        seen += [reply[7 + 62 * i] for i in range(reply[6])]
        if not reply[4]:
            break
        following = reply[5]
    assert seen == [0, 1, 2, 3, 4, 0x80]


def test_unmatched_object_restarts_at_the_first() -> None:
    assert answer(ReadIdentification(1, 0x55).encode(), Bank()) == answer(ReadIdentification(1, 0).encode(), Bank())


def test_listen_only_is_not_answered() -> None:
    assert answer(Diagnostics(4).encode(), Bank()) == b""


def test_checksums() -> None:
    assert crc16(b"123456789") == 0x4B37
    assert rtu_frame(2, b"\x07") == bytes.fromhex("02 07 41 12")  # the example of the serial line document, 6.2.2
    assert lrc(bytes.fromhex("01 03 00 00 00 01")) == 0xFB
    assert ascii_frame(1, bytes.fromhex("03 0000 0001")) == b":010300000001FB\r\n"


@pytest.mark.parametrize("stream", ["0001 0001 0006 01", "0001 0000 0000", "0001 0000 0001", "0001 0000 00ff"])
def test_broken_streams(stream: str) -> None:
    with pytest.raises(BrokenStream):
        split_mbap(bytes.fromhex(stream))


def test_an_answer_has_at_least_two_bytes() -> None:
    frame = mbap_frame(1, 1, b"\x07")
    assert split_mbap(frame) == ([Frame(1, 1, b"\x07")], 8)
    with pytest.raises(BrokenStream):
        split_mbap(frame, smallest_pdu=2)


@given(requests())
def test_requests_survive_parsing(request: Request) -> None:
    pdu = request.encode()
    assert len(pdu) <= 253
    assert parse_request(pdu) == request
    request.limits()


@given(exchanges())
def test_right_answers_are_right(exchange: tuple[Request, bytes]) -> None:
    request, reply = exchange
    assert len(reply) <= 253
    assert check(request.encode(), reply).kind == ("exception" if reply[0] & 0x80 else "ok")


@given(spoilt_exchanges())
def test_spoilt_answers_never_raise(exchange: tuple[Request, bytes]) -> None:
    request, reply = exchange
    verdict = check(request.encode(), reply)
    assert verdict.kind in ("ok", "exception", "wrong")
    assert (verdict.kind == "wrong") == bool(verdict.reason)


@given(requests())
def test_a_bank_answers_rightly(request: Request) -> None:
    reply = answer(request.encode(), specification_bank())
    assume(reply)
    assert check(request.encode(), reply).kind != "wrong"


@given(st.binary(min_size=1, max_size=253))
def test_a_bank_answers_anything(request: bytes) -> None:
    reply = answer(request, Bank())
    assert reply == b"" or reply[0] in (request[0], request[0] | 0x80)


@given(st.lists(st.tuples(transaction_ids, units, requests()), max_size=4), st.data())
def test_streams_split_anywhere(transactions: list[tuple[int, int, Request]], data: st.DataObject) -> None:
    sent = [Frame(transaction_id, unit, request.encode()) for transaction_id, unit, request in transactions]
    stream = b"".join(mbap_frame(*frame) for frame in sent)
    cut = data.draw(st.integers(0, len(stream)))
    head, used = split_mbap(stream[:cut])
    tail, rest = split_mbap(stream[used:])
    assert head + tail == sent
    assert used + rest == len(stream)


@given(units, requests(), st.data())
def test_serial_frames(unit: int, request: Request, data: st.DataObject) -> None:
    pdu = request.encode()
    for make, parse in ((rtu_frame, parse_rtu), (ascii_frame, parse_ascii)):
        frame = make(unit, pdu)
        assert parse(frame) == (unit, pdu)
        at = data.draw(st.integers(0, len(frame) - 1))
        with pytest.raises(BrokenFrame):
            parse(frame[:at] + bytes([frame[at] ^ data.draw(st.sampled_from((1, 2, 4)))]) + frame[at + 1 :])


@given(st.lists(st.integers(0, 0xFFFF)), st.lists(st.booleans()))
def test_packing(registers: list[int], bits: list[bool]) -> None:
    assert bytes_to_registers(registers_to_bytes(registers)) == registers
    assert bytes_to_bits(bits_to_bytes(bits), len(bits)) == bits


@given(requests(), st.data())
def test_an_exception_may_carry_any_code(request: Request, data: st.DataObject) -> None:
    exception = data.draw(exceptions(request))
    assert check(request.encode(), exception) == Verdict("exception", exception=exception[1])


def test_file_limits() -> None:
    part = FilePart(1, 0, 1)
    ReadFile((part,) * 35).limits()
    for request in (ReadFile(()), ReadFile((part,) * 63), WriteFile(()), ReadFile((FilePart(1, 0, 125),))):
        with pytest.raises(Refused):
            request.limits()


def test_writes_outside_the_bank_change_nothing() -> None:
    bank = Bank(coils=[False] * 10, holding=[0] * 10)
    for request in (
        WriteOne(5, 10, 0xFF00),
        WriteOne(6, 10, 1),
        WriteMany(15, 5, 6, b"\x3f"),
        WriteMany(16, 9, 2, b"\1\2\3\4"),
        MaskWrite(10, 0, 0xFFFF),
        ReadWrite(9, 2, 0, 1, b"\1\2"),
        ReadWrite(0, 1, 9, 2, b"\1\2\3\4"),
    ):
        assert answer(request.encode(), bank) == bytes([request.function | 0x80, 2])
    assert bank.coils == [False] * 10
    assert bank.holding == [0] * 10
