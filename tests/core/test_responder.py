"""The responder: whole streams, units, capacity, threads, and any bytes at all."""

import threading
import time
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmodbus._core import codec
from fastmodbus._core.responder import AREAS, Bank, Responder, split_requests
from simulated import EXCEPTION, OK, Device, pdu, stream

LENGTH_FAULT, PROTOCOL_FAULT = codec.FAULTS["ADU_LENGTH"], codec.FAULTS["PROTOCOL_ID"]


@pytest.fixture
def device() -> Device:
    return Device()


READ = codec.encode_request(3, address=0, quantity=2)


def test_all_of_a_receive_is_answered_in_order(device: Device) -> None:
    requests = [codec.encode_request(3, address=number, quantity=1 + number % 125) for number in range(500)]
    data = stream(*requests)
    answered = device.responder.answer_mbap(data + b"\0\1\0")
    assert (answered.count, answered.fault, answered.requests) == (500, 0, data)
    assert b"".join(answer for _, answer in answered.pairs()) == answered.answers
    assert b"".join(request for request, _ in answered.pairs()) == data
    for number, (request, (_, answer)) in enumerate(zip(requests, answered.pairs(), strict=True), 1):
        ((transaction_id, _, body),), _, _ = codec.split_mbap(answer)
        assert transaction_id == number
        assert codec.check_answer(request, body)[0] == OK


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (pdu("0001 0001 0006 01 03"), PROTOCOL_FAULT),
        (pdu("0001 0000 0000"), LENGTH_FAULT),
        (pdu("0001 0000 0001 01"), LENGTH_FAULT),
        (pdu("0001 0000 00FF 01"), LENGTH_FAULT),
        (b"GET / HTTP/1.1\r\n", PROTOCOL_FAULT),
    ],
)
def test_a_broken_stream_ends_after_its_good_requests(device: Device, broken: bytes, fault: int) -> None:
    answered = device.responder.answer_mbap(stream(READ, READ) + broken)
    assert (answered.count, answered.fault) == (2, fault)
    assert answered.requests == stream(READ, READ)


def test_the_smallest_request_is_two_bytes(device: Device) -> None:
    for cut in range(8):
        answered = device.responder.answer_mbap(stream(b"\x07")[:cut])
        assert (answered.count, answered.fault, answered.answers) == (0, 0, b"")
    assert split_requests(stream(b"\x07", READ, b"\x0b") + b"\0") == (
        [(1, 1, b"\x07"), (2, 1, READ), (3, 1, b"\x0b")],
        28,
        0,
    )


def test_requests_beyond_the_capacity_are_refused_as_busy(device: Device) -> None:
    answered = device.responder.answer_mbap(stream(*[READ] * 5), 3)
    bodies = [codec.split_mbap(answer)[0][0][2] for _, answer in answered.pairs()]
    assert [body[:2].hex() for body in bodies] == ["0304"] * 3 + ["8306"] * 2
    assert device(pdu("08 0011 0000")) == pdu("08 0011 0002")
    answered = device.responder.answer_mbap(stream(codec.encode_request(6, address=0, quantity=1)), 0)
    assert answered.answers.endswith(b"\x86\x06")
    assert device.holding[0] == 0


def test_silence_takes_no_capacity(device: Device) -> None:
    data = stream(READ, unit=9) + stream(READ, READ)
    answers = [answer[-2:] for _, answer in device.responder.answer_mbap(data, 1).pairs()]
    assert [len(answers[0]), answers[2]] == [0, b"\x83\x06"]


def test_only_the_first_of_a_receive(device: Device) -> None:
    answered = device.responder.answer_mbap(stream(READ, READ, READ) + b"\0", -1, True)
    assert answered.count == 3
    assert [len(answer) > 0 for _, answer in answered.pairs()] == [True, False, False]


@pytest.mark.parametrize(
    ("policy", "answer"), [("silent", b""), ("gateway", b"\x83\x0b"), ("answer", b"\x03\x04\0\0\0\3")]
)
def test_unknown_unit(policy: str, answer: bytes) -> None:
    device = Device(unknown_unit=policy)
    assert device(READ, unit=5) == answer
    assert device(READ) == b"\x03\x04\0\0\0\3"


def test_units_have_their_own_banks(device: Device) -> None:
    other = Device()
    other.holding[:] = 9
    device.responder.attach(247, other.bank)
    assert device(READ, unit=247) == b"\x03\x04\0\x09\0\x09"
    assert device(READ) == b"\x03\x04\0\0\0\3"
    with pytest.raises(ValueError, match="unit 247 already"):
        device.responder.attach(247, other.bank)


@pytest.mark.parametrize("policy", ["silent", "gateway", "answer"])
def test_no_bank_at_all(policy: str) -> None:
    answered = Responder(policy).answer_mbap(stream(READ))
    assert answered.answers == (b"" if policy == "silent" else pdu("0001 0000 0003 01 83 0B"))


def test_bad_arguments() -> None:
    words, bits = np.zeros(4, np.uint16), np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match="unknown_unit"):
        Responder("never")
    with pytest.raises(TypeError):
        Responder().answer_mbap(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Bank(None, words, bits, bits)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        Bank(words, words.astype(np.int32), bits, bits)
    with pytest.raises(ValueError, match="contiguous"):
        Bank(words[::2], words, bits, bits)
    bank = Bank(words, words, bits, bits)
    with pytest.raises(ValueError, match="resize"):
        words.resize(100000)
    with pytest.raises(TypeError):
        bank.server_id = None  # type: ignore[assignment]
    with pytest.raises(OverflowError):
        bank.set_object(256, b"")


def test_a_bank_may_change_while_another_thread_answers(device: Device) -> None:
    requests = stream(*[pdu("14 07 06 0001 0000 0010"), pdu("18 0005"), pdu("2B 0E 01 00"), b"\x11", READ] * 400)
    stop = threading.Event()
    kinds: set[int] = set()
    expected = {0x14, 0x2B, 0x11, 0x83}
    deadline = time.monotonic() + 60

    def answer() -> None:
        while not stop.is_set():
            answered = device.responder.answer_mbap(requests)
            kinds.update(answer[7] for _, answer in answered.pairs())

    thread = threading.Thread(target=answer)
    thread.start()
    number = 0
    while (number < 400 or not expected <= kinds) and time.monotonic() < deadline:
        number += 1
        device.bank.set_file(1, np.full(16 + number % 7, number, np.uint16))
        device.bank.set_queue(5, None if number % 3 else np.zeros(number % 40, np.uint16))
        device.bank.set_object(0, bytes(number % 200))
        device.bank.server_id = bytes(number % 200)
        if number <= 400:
            device.bank.refuse(AREAS["hr"], 0, 5, 4, 1)
    stop.set()
    thread.join()
    assert expected <= kinds


# Anything at all

known = st.sampled_from([*codec.FUNCTION_CODES.values()])
words = st.integers(0, 65535)
requests = st.builds(
    lambda function, body: bytes([function]) + body,
    known | st.integers(0, 127),
    st.binary(max_size=252)
    | st.builds(lambda a, b, tail: a + b + tail, *[st.binary(min_size=2, max_size=2)] * 2, st.binary(max_size=20)),
) | st.builds(
    lambda function, address, quantity: codec.encode_request(function, address=address, quantity=quantity),
    st.sampled_from([1, 2, 3, 4, 5, 6, 22, 24]),
    words,
    words | st.integers(0, 130),
)


def furnished() -> Device:
    device = Device(size=1000, unknown_unit="gateway")
    device.bank.set_file(2, np.zeros(50, np.uint16))
    device.bank.set_file(1, np.zeros(50, np.uint16))
    device.bank.set_queue(0, np.zeros(5, np.uint16))
    device.bank.set_object(0, b"Vendor")
    device.bank.refuse(AREAS["hr"], 500, 510, 4)
    return device


@given(pdus=st.lists(requests, max_size=8))
@settings(max_examples=500)
def test_every_answer_is_right_for_its_request(pdus: list[bytes]) -> None:
    answered = furnished().responder.answer_mbap(stream(*pdus))
    assert (answered.count, answered.fault) == (len(pdus), 0)
    for request, (_, answer), number in zip(pdus, answered.pairs(), count(1), strict=False):
        if not answer:
            continue
        ((transaction_id, unit, body),), used, fault = codec.split_mbap(answer)
        assert (transaction_id, unit, used, fault) == (number, 1, len(answer), 0)
        if codec.parse_request(request) is None:
            assert body in (bytes([request[0] | 0x80, code]) for code in (1, 3))
        else:
            assert codec.check_answer(request, body)[0] in (OK, EXCEPTION)


@given(
    data=st.binary(max_size=600), policy=st.sampled_from(["silent", "gateway", "answer"]), capacity=st.integers(-1, 3)
)
def test_any_bytes_are_answered_or_end_the_stream(data: bytes, policy: str, capacity: int) -> None:
    answered = Device(size=64, unknown_unit=policy).responder.answer_mbap(data, capacity)
    assert data.startswith(answered.requests)
    assert sum(len(request) for request, _ in answered.pairs()) == len(answered.requests)
    assert split_requests(data)[1:] == (len(answered.requests), answered.fault)


@given(pdus=st.lists(requests, min_size=1, max_size=6), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_any_cutting_gives_the_same_answers(pdus: list[bytes], cuts: list[int]) -> None:
    data = stream(*pdus)
    whole = furnished().responder.answer_mbap(data).answers
    device = furnished()
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    left, answers = b"", b""
    for start, stop in pairwise(edges):
        left += data[start:stop]
        answered = device.responder.answer_mbap(left)
        left = left[len(answered.requests) :]
        answers += answered.answers
    assert (answers, left) == (whole, b"")


def test_a_range_is_allowed_again_and_others_are_not(device: Device) -> None:
    area = AREAS["hr"]
    for _ in range(2):
        device.bank.refuse(area, 0, 2, 4)
    device.bank.refuse(area, 0, 2, 2)
    device.bank.allow(area, 0, 3, 4)
    device.bank.allow(area, 0, 2, 4)
    assert device(READ) == pdu("83 04")
    device.bank.allow(area, 0, 2, 4)
    assert device(READ) == pdu("83 02")
    device.bank.allow(area, 0, 2, 2)
    device.bank.allow(area, 0, 2, 2)
    assert device(READ)[0] == 3
