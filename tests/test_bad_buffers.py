"""Arrays to fill that cannot be filled: refused before a byte is sent, and what is borrowed stays where it is.

The numbers in the names are the rows of the table of bad inputs in the fault catalogue.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import fastmodbus as fm
from reference import Bank
from scripted import Connection, ScriptedServer
from untouched import refused, untouched_client

WANTED = "a writable C-contiguous numpy array of uint16 with shape (3,)"


@pytest.fixture
def client() -> Iterator[fm.Client]:
    """Nothing that is done with this client may send a byte."""
    with untouched_client() as untouched:
        yield untouched


def test_row_21_none_means_a_new_array() -> None:
    with fm.Simulator(registers={"hr": [1, 2, 3]}) as simulator, fm.connect(simulator.url) as client:
        found = client.read_holding_registers(0, 3, out=None)
        assert found.tolist() == [1, 2, 3]
        assert found.dtype == np.uint16


@pytest.mark.parametrize("out", [[0, 0, 0], bytearray(6), memoryview(bytearray(6)), 0, "out"], ids=repr)
def test_row_21_not_an_array(client: fm.Client, out: Any) -> None:
    with refused(TypeError, "out", type(out).__name__, WANTED):
        client.read_holding_registers(0, 3, out=out)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda a: a[::2], id="every other"),
        pytest.param(lambda a: a[2::-1], id="backwards"),
        pytest.param(lambda a: a.reshape(3, 2)[:, 0], id="a column"),
    ],
)
def test_row_22_strided(client: fm.Client, cut: Callable[[npt.NDArray[np.uint16]], npt.NDArray[np.uint16]]) -> None:
    memory = np.arange(6, dtype=np.uint16)
    out = cut(memory)
    with refused(ValueError, "out", "not C-contiguous", str(out.strides), WANTED):
        client.read_holding_registers(0, 3, out=out)
    assert memory.tolist() == [0, 1, 2, 3, 4, 5]


def test_row_22_not_aligned(client: fm.Client) -> None:
    out = np.frombuffer(bytearray(7), np.uint8)[1:].view(np.uint16)
    with refused(ValueError, "out", "not aligned", WANTED):
        client.read_holding_registers(0, 3, out=out)


def test_row_23_read_only(client: fm.Client) -> None:
    out = np.zeros(3, np.uint16)
    out.flags.writeable = False
    with refused(ValueError, "out", "read-only", WANTED):
        client.read_holding_registers(0, 3, out=out)
    with refused(ValueError, "out", "read-only"):
        client.read_holding_registers(0, 3, out=np.frombuffer(b"abcdef", np.uint16))


@pytest.mark.parametrize("dtype", [">u2", np.int16, np.uint32, np.float64, bool, object])
def test_row_24_another_dtype(client: fm.Client, dtype: Any) -> None:
    with refused(TypeError, "out", repr(np.dtype(dtype).str), WANTED):
        client.read_holding_registers(0, 3, out=np.zeros(3, dtype))


def test_row_24_bits_want_bool(client: fm.Client) -> None:
    with refused(TypeError, "out", "'|u1'", "bool"):
        client.read_coils(0, 3, out=np.zeros(3, np.uint8))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2,), (4,), (0,), (3, 1), (1, 3), ()], ids=str)
def test_row_25_another_shape(client: fm.Client, shape: tuple[int, ...]) -> None:
    out = np.full(shape, 7, np.uint16)
    with refused(ValueError, "out", str(shape), 3, WANTED):
        client.read_holding_registers(0, 3, out=out)
    assert (out == 7).all()


def borrowed_while(borrow: Callable[[fm.Client, bytearray], object], bank: Bank) -> bytearray:
    """Memory that cannot be resized while a call that borrows it is pending, and can be when the call is over."""
    asked, gate = threading.Event(), threading.Event()

    def answer_late(connection: Connection) -> None:
        request = connection.receive()
        asked.set()
        connection.wait(gate)
        connection.answer(request)

    memory = bytearray(b"\5\0\6\0\7\0")
    with ScriptedServer(answer_late, bank=bank) as server, fm.connect(server.url, timeout=20) as client:
        caller = threading.Thread(target=borrow, args=(client, memory))
        caller.start()
        assert asked.wait(20)
        with pytest.raises(BufferError):
            memory.extend(b"more")
        gate.set()
        caller.join(20)
        memory.extend(b"more")
    return memory


def test_row_26_memory_that_is_read_into_cannot_be_resized_meanwhile() -> None:
    bank = Bank()
    bank.holding[:3] = [1, 2, 3]
    memory = borrowed_while(lambda c, m: c.read_holding_registers(0, 3, out=np.frombuffer(m, "=u2")), bank)
    assert np.frombuffer(memory, "=u2", 3).tolist() == [1, 2, 3]


def test_row_26_memory_that_is_written_cannot_be_resized_meanwhile() -> None:
    bank = Bank()
    memory = borrowed_while(lambda c, m: c.write_registers(0, np.frombuffer(m, "=u2")), bank)
    assert np.frombuffer(memory, "=u2", 3).tolist() == bank.holding[:3]


def test_row_26_two_reads_into_the_same_memory_one_after_the_other() -> None:
    with fm.Simulator(registers={"hr": [1, 2], "ir": [3, 4]}) as simulator, fm.connect(simulator.url) as client:
        out = np.zeros(2, np.uint16)
        assert client.read_holding_registers(0, 2, out=out) is out
        client.write_registers(10, out)
        assert client.read_input_registers(0, 2, out=out) is out
        assert out.tolist() == [3, 4]
        assert simulator.holding[10:12].tolist() == [1, 2]
