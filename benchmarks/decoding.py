"""Decoding alone: the payload of 125 registers to a native ``uint16`` array, without any socket.

``python -m benchmarks.decoding`` prints one line per way: name, tab, nanoseconds (the best of several repeats, since
disturbance only ever adds). ``python -m benchmarks.decoding values`` does so for what comes next, values out of these
registers; see ``values``.
"""

from __future__ import annotations

import struct
import sys
import timeit
from collections.abc import Callable, Iterator

import numpy as np

from .contestants.base import expected_holding

COUNT = 125
PAYLOAD = expected_holding(0, COUNT).astype(">u2").tobytes()


def ways() -> Iterator[tuple[str, Callable[[], object]]]:
    """What can be compared here."""
    swap = struct.Struct(f">{COUNT}H").unpack
    yield "numpy: frombuffer and astype", lambda: np.frombuffer(PAYLOAD, ">u2").astype(np.uint16)
    yield "struct, then numpy.array", lambda: np.array(swap(PAYLOAD), np.uint16)
    yield from _fastmodbus()
    yield from _pymodbus()


def _fastmodbus() -> Iterator[tuple[str, Callable[[], object]]]:
    try:
        from fastmodbus._core import codec
    except ImportError:
        return
    out = np.empty(COUNT, np.uint16)
    yield "fastmodbus: into an array", lambda: codec.load_registers(PAYLOAD, out)


def _pymodbus() -> Iterator[tuple[str, Callable[[], object]]]:
    try:
        from pymodbus.pdu.register_message import ReadHoldingRegistersResponse
    except ImportError:
        return

    def decode() -> object:
        answer = ReadHoldingRegistersResponse()
        answer.decode(bytes([2 * COUNT]) + PAYLOAD)
        return np.array(answer.registers, np.uint16)

    yield "pymodbus: the PDU, then numpy.array", decode


def main() -> None:
    """Time each way."""
    if sys.argv[1:] == ["values"]:
        from .values import rows

        for name, taken in rows():
            print(f"{name}\t{taken:.1f}")
        return
    for name, decode in ways():
        timer = timeit.Timer(decode)
        number, _ = timer.autorange()
        print(f"{name}\t{min(timer.repeat(7, max(1, number // 10))) / max(1, number // 10) * 1e9:.1f}")


if __name__ == "__main__":
    main()
