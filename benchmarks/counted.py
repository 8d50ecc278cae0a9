"""What `instructions` counts: small pieces of work, each done a known number of times.

``python -m benchmarks.counted PORT MARKS`` does all of them, between marks (``c/marks.c``) that callgrind understands;
``python -m benchmarks.counted PORT`` counts bytecodes instead, and prints them.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

import fastmodbus as fm
from fastmodbus._core import batch as batches
from fastmodbus._core import codec, verbs

from .contestants.base import expected_holding

HOST = "127.0.0.1"
REQUESTS = 480
"""Of a bulk read: 30 full windows of 16."""
READ_HOLDING = 3
PACKAGE = str(Path(fm.__file__).parent)


class Work(NamedTuple):
    """One piece of work."""

    name: str
    repeats: int
    do: Callable[[], object]


def everything(port: int) -> Iterator[Work]:
    """All that is counted. What is yielded must be done before the next one is asked for."""
    yield from _codec()
    yield from _session()
    yield from _client(port)


def _codec() -> Iterator[Work]:
    words = expected_holding(0, 125)
    payload = codec.store_registers(words)
    request = codec.encode_request(READ_HOLDING, quantity=125)
    answer = bytes([READ_HOLDING, 250]) + payload
    stream = b"".join(codec.encode_mbap(n, 1, answer) for n in range(16))
    bits, packed = np.zeros(2000, np.bool_), bytes(250)
    yield Work("encode a request", 100, lambda: codec.encode_request(READ_HOLDING, address=7, quantity=125))
    yield Work("check an answer of 125 registers", 100, lambda: codec.check_answer(request, answer))
    yield Work("frame 16 answers of 125 registers", 100, lambda: codec.split_mbap(stream))
    yield Work("load 125 registers", 100, lambda: codec.load_registers(payload, words))
    yield Work("unpack 2000 bits", 100, lambda: codec.unpack_bits(packed, bits))
    yield Work("CRC of 250 bytes", 100, lambda: codec.crc16(payload))


def _session() -> Iterator[Work]:
    answer = bytes([READ_HOLDING, 250]) + codec.store_registers(expected_holding(0, 125))
    yield Work(f"{REQUESTS} reads through a session without a socket, 16 in flight", 2, lambda: _through(answer))


def _through(answer: bytes) -> None:
    session = verbs.Session(16)
    session.connected(0)
    values = np.zeros(REQUESTS * 125, np.uint16)
    batch = batches.read_batch(READ_HOLDING, 1, 0, len(values), 125, values)
    session.submit(batch.limits(10**9, 2**63 - 1, 2))
    while batch.unfinished:
        sent, _ = session.data_to_send(1)
        session.sent(len(sent), 1)
        ids = (int.from_bytes(sent[at : at + 2]) for at in range(0, len(sent), 12))
        session.receive(b"".join(codec.encode_mbap(number, 1, answer) for number in ids), 2)
    session.detach(batch)


def _client(port: int) -> Iterator[Work]:
    out = np.zeros(REQUESTS * 125, np.uint16)
    with fm.Client(HOST, port) as client:
        yield Work("one read of 10 registers", 50, lambda: client.read_holding_registers(0, 10))
        yield Work("one write of a register", 50, lambda: client.write_register(65000, 1))
    for coalesce in (False, True):
        how = "coalesced" if coalesce else "one request per segment"
        with fm.Client(HOST, port, in_flight=16, coalesce=coalesce) as client:
            yield Work(
                f"bulk read of {REQUESTS} requests, 16 in flight, {how}",
                4,
                lambda client=client: client.read_holding_registers(0, len(out), out=out),  # type: ignore[misc]
            )


def under_callgrind(port: int, library: str) -> None:
    """Do everything between marks; the dump's name carries the number of repetitions."""
    marks = ctypes.CDLL(library)
    for work in everything(port):
        for _ in range(work.repeats):  # what only the first times cost is not counted
            work.do()
        marks.mark_begin()
        for _ in range(work.repeats):
            work.do()
        marks.mark_end(f"{work.repeats} {work.name}".encode())


def bytecodes(do: Callable[[], object]) -> int:
    """Bytecodes that the package's own Python code executes in one go: the same on every machine with this CPython."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    for _ in range(2):  # warm caches; and CPython 3.12 reports bytecodes only from the second time on
        count = 0
        sys.settrace(trace)
        try:
            do()
        finally:
            sys.settrace(before)
    return count


def main(port: int, library: str = "") -> None:
    """Under callgrind with a library of marks, else count bytecodes."""
    if library:
        under_callgrind(port, library)
    else:
        print(json.dumps({work.name: count for work in everything(port) if (count := bytecodes(work.do))}))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:3])
