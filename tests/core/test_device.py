"""What a device answers to every function code, and the order of its exceptions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from fastmodbus._core import codec
from fastmodbus._core.responder import AREAS
from simulated import Device, pdu
from strategies import requests


@pytest.fixture
def device() -> Device:
    return Device()


def diagnostic(device: Device, sub_function: int) -> int:
    return int.from_bytes(device.judged(codec.encode_request(8, address=sub_function, data=b"\0\0")), "big")


# The four tables


def test_the_first_worked_example() -> None:
    device = Device()
    device.holding[0x1020:0x1022] = 0x1234, 0x5678
    answered = device.responder.answer_mbap(pdu("00 01 00 00 00 06 01 03 10 20 00 02"))
    assert answered.answers == pdu("00 01 00 00 00 07 01 03 04 12 34 56 78")


@pytest.mark.parametrize(("function", "table"), [(3, "holding"), (4, "input")])
@pytest.mark.parametrize(("address", "quantity"), [(0, 1), (300, 125), (65535, 1), (65411, 125)])
def test_read_registers(device: Device, function: int, table: str, address: int, quantity: int) -> None:
    values = device.judged(codec.encode_request(function, address=address, quantity=quantity))
    expected = getattr(device, table)[address : address + quantity]
    np.testing.assert_array_equal(np.frombuffer(values, ">u2"), expected)


@pytest.mark.parametrize(("function", "table"), [(1, "coils"), (2, "discrete")])
@pytest.mark.parametrize(("address", "quantity"), [(0, 1), (3, 8), (3, 9), (17, 2000), (63536, 2000), (65535, 1)])
def test_read_bits(device: Device, function: int, table: str, address: int, quantity: int) -> None:
    values = device.judged(codec.encode_request(function, address=address, quantity=quantity))
    bits = np.unpackbits(np.frombuffer(values, np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits[:quantity], getattr(device, table)[address : address + quantity])
    assert not bits[quantity:].any()


def test_write_one(device: Device) -> None:
    for address, value in ((0, 1), (65535, 0xFFFF)):
        request = codec.encode_request(6, address=address, quantity=value)
        assert device(request) == request
        assert device.holding[address] == value
    for value, on in ((0xFF00, True), (0, False), (0xFF00, True)):
        request = codec.encode_request(5, address=77, quantity=value)
        assert device(request) == request
        assert device.coils[77] == on


def test_write_many(device: Device) -> None:
    before = device.holding.copy()
    body = b"".join(value.to_bytes(2, "big") for value in range(1000, 1123))
    request = codec.encode_request(16, address=5, quantity=123, data=body)
    assert device(request) == request[:5]
    before[5:128] = range(1000, 1123)
    np.testing.assert_array_equal(device.holding, before)

    bits = np.random.default_rng(1).integers(0, 2, 1968).astype(bool)
    coils = device.coils.copy()
    data = np.packbits(bits, bitorder="little").tobytes()
    request = codec.encode_request(15, address=9, quantity=1968, data=data)
    assert device(request) == request[:5]
    coils[9 : 9 + 1968] = bits
    np.testing.assert_array_equal(device.coils, coils)


def test_fill_bits_of_a_write_change_nothing(device: Device) -> None:
    device.coils[:] = False
    device(codec.encode_request(15, address=0, quantity=3, data=b"\xff"))
    assert device.coils[:8].tolist() == [True] * 3 + [False] * 5


def test_mask_write(device: Device) -> None:
    device.holding[4] = 0x12
    request = pdu("16 0004 00F2 0025")
    assert device(request) == request
    assert device.holding[4] == 0x17


def test_read_write_writes_first(device: Device) -> None:
    request = codec.encode_request(23, address=10, quantity=3, write_address=11, write_quantity=1, data=b"\xca\xfe")
    values = np.frombuffer(device.judged(request), ">u2")
    assert values.tolist() == [30, 0xCAFE, 36]


def test_read_write_writes_nothing_when_the_read_is_refused(device: Device) -> None:
    request = codec.encode_request(23, address=65535, quantity=2, write_address=11, write_quantity=1, data=b"\xca\xfe")
    assert device(request) == b"\x97\x02"
    assert device.holding[11] == 33


# Exceptions, in the order of the state diagrams


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        ("00", "80 01"),
        ("09", "89 01"),
        ("41 0000", "C1 01"),
        ("7F", "FF 01"),
        ("2B 0D 00", "AB 01"),
        ("08 0013 0000", "88 01"),
        ("08 0005 0000", "88 01"),
        # structure and quantity come before the address
        ("03 FFFF 0000", "83 03"),
        ("03 FFFF 007E", "83 03"),
        ("03 0000", "83 03"),
        ("03 0000 0001 00", "83 03"),
        ("04 FFFF 007E", "84 03"),
        ("01 FFFF 0000", "81 03"),
        ("02 FFFF 07D1", "82 03"),
        ("05 0000 0001", "85 03"),
        ("0F 0000 0000 00", "8F 03"),
        ("0F 0000 0009 01 00", "8F 03"),
        ("10 0000 0002 02 0000", "90 03"),
        ("10 0000 0001 03 0000", "90 03"),
        ("17 0000 007E 0000 0001 02 0000", "97 03"),
        ("17 0000 0001 0000 0000 00", "97 03"),
        ("08 0002 0001", "88 03"),
        ("08 0001 0001", "88 03"),
        ("08 0003 0A01", "88 03"),
        ("08 0004 0001", "88 03"),
        ("08 000A 0000 0000", "88 03"),
        ("14 00", "94 03"),
        ("14 08 06 0001 0000 0001 00", "94 03"),
        ("15 07 06 0001 0000 0000", "95 03"),
        ("07 00", "87 03"),
        ("2B 0E 01", "AB 03"),
        ("2B 0E 05 00", "AB 03"),
        # address
        ("03 FFFF 0002", "83 02"),
        ("04 FF84 007D", "84 02"),
        ("01 FFFF 0002", "81 02"),
        ("02 F831 07D0", "82 02"),
        ("0F FFFF 0002 01 00", "8F 02"),
        ("10 FFFF 0002 04 0000 0000", "90 02"),
        ("17 0000 0001 FFFF 0002 04 0000 0000", "97 02"),
        ("18 0001", "98 02"),
        ("14 07 06 0009 0000 0001", "94 02"),
        ("2B 0E 04 77", "AB 02"),
    ],
)
def test_exception(device: Device, request_pdu: str, answer: str) -> None:
    before = device.holding.copy(), device.coils.copy()
    assert device(pdu(request_pdu)) == pdu(answer)
    np.testing.assert_array_equal(device.holding, before[0])
    np.testing.assert_array_equal(device.coils, before[1])


def test_smaller_tables_end_with_exception_2() -> None:
    device = Device(size=10)
    assert device(codec.encode_request(3, address=0, quantity=10))[0] == 3
    assert device(codec.encode_request(3, address=9, quantity=2)) == b"\x83\x02"
    assert device(codec.encode_request(6, address=10, quantity=2)) == b"\x86\x02"
    assert device(codec.encode_request(5, address=10, quantity=0)) == b"\x85\x02"
    assert Device(size=0)(codec.encode_request(1, address=0, quantity=1)) == b"\x81\x02"


def test_refused_range(device: Device) -> None:
    device.bank.refuse(AREAS["hr"], 100, 111, 4)
    assert device(codec.encode_request(3, address=90, quantity=10))[0] == 3
    assert device(codec.encode_request(3, address=111, quantity=10))[0] == 3
    for address, quantity in ((90, 11), (110, 1), (105, 2), (90, 100)):
        assert device(codec.encode_request(3, address=address, quantity=quantity)) == b"\x83\x04"
    assert device(codec.encode_request(4, address=100, quantity=1))[0] == 4
    assert device(codec.encode_request(6, address=100, quantity=1)) == b"\x86\x04"
    assert device.holding[100] == 300
    device.bank.refuse_nothing()
    assert device(codec.encode_request(6, address=100, quantity=1))[0] == 6


def test_refused_range_counts_down(device: Device) -> None:
    request = codec.encode_request(3, address=0, quantity=1)
    device.bank.refuse(AREAS["hr"], 0, 1, 6, 2)
    device.bank.refuse(AREAS["hr"], 0, 1, 10, 1)
    assert [device(request)[:2].hex() for _ in range(4)] == ["8306", "8306", "830a", "0302"]
    device.bank.refuse(AREAS["hr"], 0, 1, 11, 0)
    assert device(request)[0] == 3


# Files, queues, identification


def test_files(device: Device) -> None:
    records = np.arange(100, 200, dtype=np.uint16)
    device.bank.set_file(4, records)
    device.bank.set_file(3, np.array([7, 8], np.uint16))
    request = pdu("14 0E 06 0004 0001 0002 06 0003 0001 0001")
    assert device.judged(request) == pdu("05 06 0065 0066 03 06 0008")

    write = pdu("15 0D 06 0004 0007 0003 06AF 04BE 100D")
    assert device(write) == write
    assert records[7:10].tolist() == [0x06AF, 0x04BE, 0x100D]

    two = pdu("15 12 06 0004 0000 0001 FFFF 06 0003 0002 0001 FFFF")
    assert device(two) == b"\x95\x02"
    assert records[0] == 100
    assert device(pdu("14 07 06 0004 0064 0001")) == b"\x94\x02"
    assert device(pdu("14 07 07 0004 0000 0001")) == b"\x94\x02"
    assert device(pdu("15 09 06 0004 0000 0002 0000")) == b"\x95\x03"
    assert device(pdu("15 0B 06 0004 0000 0001 0000 06 00")) == b"\x95\x03"
    device.bank.set_file(4, None)
    assert device(pdu("14 07 06 0004 0001 0002")) == b"\x94\x02"
    assert device(pdu("14 07 06 0003 0000 0002"))[0] == 0x14


def test_file_answer_must_fit(device: Device) -> None:
    device.bank.set_file(1, np.zeros(1000, np.uint16))
    assert len(device.judged(pdu("14 07 06 0001 0000 007C"))) == 250
    assert device(pdu("14 07 06 0001 0000 007D")) == b"\x94\x03"
    groups = b"".join(pdu("06 0001 0000 0002") for _ in range(35))
    assert len(device.judged(b"\x14\xf5" + groups)) == 210
    with pytest.raises(ValueError, match="at most 10000"):
        device.bank.set_file(1, np.zeros(10001, np.uint16))
    with pytest.raises(ValueError, match="from 1"):
        device.bank.set_file(0, np.zeros(1, np.uint16))


def test_queue(device: Device) -> None:
    device.bank.set_queue(0x04DE, np.array([0x01B8, 0x1284], np.uint16))
    assert device(pdu("18 04DE")) == pdu("18 0006 0002 01B8 1284")
    assert device(pdu("18 04DE")) == pdu("18 0006 0002 01B8 1284")
    device.bank.set_queue(0x04DE, np.arange(31, dtype=np.uint16))
    assert len(device.judged(pdu("18 04DE"))) == 62
    device.bank.set_queue(0x04DE, np.arange(32, dtype=np.uint16))
    assert device(pdu("18 04DE")) == b"\x98\x03"
    device.bank.set_queue(0x04DE, np.zeros(0, np.uint16))
    assert device(pdu("18 04DE")) == pdu("18 0002 0000")
    device.bank.set_queue(0x04DE, None)
    assert device(pdu("18 04DE")) == b"\x98\x02"


def objects_of(device: Device, code: int) -> dict[int, bytes]:
    """All objects of a category, following `more follows` as a client does."""
    found: dict[int, bytes] = {}
    start = 0
    for _ in range(256):
        answer = device(bytes([0x2B, 0x0E, code, start]))
        assert answer[:3] == bytes([0x2B, 0x0E, code])
        assert len(answer) <= codec.CONSTANTS["MAX_PDU"]
        at = 7
        for _ in range(answer[6]):
            found[answer[at]] = answer[at + 2 : at + 2 + answer[at + 1]]
            at += 2 + answer[at + 1]
        assert at == len(answer)
        if answer[4] == 0:
            assert answer[5] == 0
            return found
        assert answer[4] == 0xFF
        assert answer[5] > start
        start = answer[5]
    raise AssertionError("more follows without an end")


def test_identification(device: Device) -> None:
    objects = {0: b"Vendor", 1: b"Code", 2: b"V1.2"}
    for key, value in objects.items():
        device.bank.set_object(key, value)
    assert device(pdu("2B 0E 01 00")) == pdu("2B 0E 01 81 00 00 03") + b"\0\6Vendor\1\4Code\2\4V1.2"
    objects |= {3: b"url", 6: b"x" * 200, 0x80: b"y" * 244, 0x81: b"z" * 100, 0xFF: b""}
    for key, value in objects.items():
        device.bank.set_object(key, value)
    assert objects_of(device, 1) == {key: objects[key] for key in (0, 1, 2)}
    assert objects_of(device, 2) == {key: objects[key] for key in (0, 1, 2, 3, 6)}
    assert objects_of(device, 3) == objects
    assert device(pdu("2B 0E 04 03")) == pdu("2B 0E 04 83 00 00 01") + b"\3\3url"
    assert device(pdu("2B 0E 04 80"))[7:] == b"\x80\xf4" + b"y" * 244
    device.bank.set_object(3, None)
    assert device(pdu("2B 0E 04 03")) == b"\xab\x02"


def test_identification_stream_restarts_at_unknown_objects(device: Device) -> None:
    device.bank.set_object(0, b"Vendor")
    device.bank.set_object(3, b"url")
    whole = device(pdu("2B 0E 01 00"))
    assert device(pdu("2B 0E 01 50")) == whole
    assert device(pdu("2B 0E 01 03")) == whole
    with pytest.raises(ValueError, match="at most 244"):
        device.bank.set_object(0, bytes(245))


# Diagnostics


def test_small_answers(device: Device) -> None:
    device.bank.exception_status = 0x6D
    device.bank.server_id = b"id\xffmore"
    device.bank.diagnostic_register = 0xBEEF
    assert device(b"\x07") == b"\x07\x6d"
    assert device(b"\x11") == b"\x11\x07id\xffmore"
    assert device(pdu("08 0002 0000")) == pdu("08 0002 BEEF")
    assert device(pdu("08 0000 A537 0102")) == pdu("08 0000 A537 0102")
    assert device(pdu("08 0003 0A00")) == pdu("08 0003 0A00")
    assert device(pdu("08 0014 0000")) == pdu("08 0014 0000")
    with pytest.raises(ValueError, match="at most 251"):
        device.bank.server_id = bytes(252)


def test_counters(device: Device) -> None:
    for request in ("03 0000 0001", "03 0000 0000", "06 0000 0001", "09"):
        device(pdu(request))
    assert device(b"\x0b") == pdu("0B 0000 0002")
    assert device(b"\x0b") == pdu("0B 0000 0002")
    assert diagnostic(device, 0x0B) == 7
    assert diagnostic(device, 0x0D) == 2
    assert diagnostic(device, 0x0E) == 9
    assert [diagnostic(device, sub) for sub in (0x0C, 0x0F, 0x10, 0x11, 0x12)] == [0] * 5
    device.bank.diagnostic_register = 5
    device(pdu("08 000A 0000"))
    assert diagnostic(device, 0x0D) == 0
    assert diagnostic(device, 0x02) == 0


def test_event_log(device: Device) -> None:
    device(pdu("03 0000 0001"))
    device(pdu("03 0000 0000"))
    answer = device(b"\x0c")
    assert answer == pdu("0C 0B 0000 0001 0003 80 41 80 40 80")
    for _ in range(100):
        device(pdu("03 0000 0001"))
    answer = device(b"\x0c")
    assert len(codec.check_answer(b"\x0c", answer)[3]) == 70
    assert answer[8:] == b"\x80" + b"\x40\x80" * 31 + b"\x40"


def test_listen_only_until_restart(device: Device) -> None:
    assert device(pdu("08 0004 0000")) == b""
    before = device.holding[0]
    for request in ("03 0000 0001", "06 0000 1234", "08 0000 1234", "08 0001 0001"):
        assert device(pdu(request)) == b""
    assert device.holding[0] == before
    assert device(pdu("08 0001 0000")) == b""
    assert device(pdu("08 0001 FF00")) == pdu("08 0001 FF00")
    assert device(b"\x0c")[8:] == pdu("80 40 00")


# The reference device, and whatever a client may send

SMALL = 300


def furnished() -> tuple[Device, reference.Bank]:
    """The device and the reference device with the same contents."""
    device = Device(SMALL)
    bank = reference.Bank(
        coils=device.coils.tolist(),
        discrete=device.discrete.tolist(),
        holding=device.holding.tolist(),
        input=device.input.tolist(),
        queues={5: [1, 2, 3], 6: list(range(40))},
        files={1: list(range(200)), 2: [7]},
        exception_status=0x55,
        server_id=b"id\xff",
        objects={0: b"Vendor", 1: b"x" * 150, 2: b"V1", 5: b"y" * 100, 0x90: b"z"},
        conformity=0x83,
    )
    for number, registers in bank.files.items():
        device.bank.set_file(number, np.array(registers, np.uint16))
    for pointer, registers in bank.queues.items():
        device.bank.set_queue(pointer, np.array(registers, np.uint16))
    for object_id, value in bank.objects.items():
        device.bank.set_object(object_id, value)
    device.bank.exception_status = bank.exception_status
    device.bank.server_id = bank.server_id
    return device, bank


def is_comparable(request: bytes) -> bool:
    """Counters count only here; of wrong reference types, and of 2B alone, the specification leaves the code open."""
    if request[0] in (0x14, 0x15):
        return request[2:3] in (b"", b"\6")
    return request[0] not in (0x08, 0x0B, 0x0C) and request != b"\x2b"


near = st.integers(0, SMALL + 20)
table_reads = st.builds(reference.Read, st.sampled_from((1, 2, 3, 4)), near, st.integers(0, 140))
table_writes = st.builds(reference.WriteOne, st.sampled_from((5, 6)), near, st.sampled_from((0, 1, 0xFF00, 0x1234)))
masks = st.builds(reference.MaskWrite, near, st.integers(0, 65535), st.integers(0, 65535))
word_writes = st.binary(max_size=40).flatmap(
    lambda data: (
        st.builds(reference.WriteMany, st.just(16), near, st.integers(0, 20), st.just(data))
        | st.builds(reference.WriteMany, st.just(15), near, st.integers(0, 320), st.just(data))
        | st.builds(reference.ReadWrite, near, st.integers(0, 130), near, st.just(len(data) // 2), st.just(data))
    )
)
parts = st.builds(reference.FilePart, st.integers(0, 3), st.integers(0, 210), st.integers(0, 130))
file_reads = st.lists(parts, max_size=4).map(lambda chosen: reference.ReadFile(tuple(chosen)))
queue_reads = st.builds(reference.ReadFifo, st.integers(4, 7))
identifications = st.builds(
    reference.ReadIdentification, st.integers(0, 6), st.sampled_from((0, 1, 2, 4, 5, 0x90, 0x91))
)
likely = st.one_of(
    table_reads, table_writes, masks, word_writes, file_reads, queue_reads, identifications, requests()
).map(lambda request: request.encode())
pdus = likely | st.binary(min_size=1, max_size=253) | st.tuples(likely, st.integers(1, 9)).map(lambda x: x[0][: x[1]])


@given(asked=st.lists(pdus.filter(is_comparable), max_size=12))
@settings(max_examples=400, deadline=None)
def test_answers_and_memory_are_those_of_the_reference_device(asked: list[bytes]) -> None:
    device, bank = furnished()
    for request in asked:
        if len(request) > 253:
            continue
        assert device(request) == reference.answer(request, bank), request.hex(" ")
    assert device.holding.tolist() == bank.holding
    assert device.coils.tolist() == bank.coils
    assert device.input.tolist() == bank.input
    assert device.discrete.tolist() == bank.discrete
