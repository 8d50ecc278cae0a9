"""Bad arguments: the right class of error, a message that names argument, value and what is allowed, and nothing sent.

Buffers are in test_bad_buffers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from untouched import refused, untouched_client

Call = Callable[[fm.Client, Any], object]

READS: dict[str, Callable[..., object]] = {
    "coils": fm.Client.read_coils,
    "discrete inputs": fm.Client.read_discrete_inputs,
    "holding registers": fm.Client.read_holding_registers,
    "input registers": fm.Client.read_input_registers,
}
ADDRESSED: dict[str, tuple[str, Call]] = {
    "read coils": ("address", lambda c, a: c.read_coils(a)),
    "read discrete inputs": ("address", lambda c, a: c.read_discrete_inputs(a)),
    "read holding registers": ("address", lambda c, a: c.read_holding_registers(a)),
    "read input registers": ("address", lambda c, a: c.read_input_registers(a)),
    "write coil": ("address", lambda c, a: c.write_coil(a, True)),
    "write register": ("address", lambda c, a: c.write_register(a, 1)),
    "write coils": ("address", lambda c, a: c.write_coils(a, [True])),
    "write registers": ("address", lambda c, a: c.write_registers(a, [1])),
    "mask write": ("address", lambda c, a: c.mask_write_register(a, 0, 0)),
    "read/write, reading": ("read_address", lambda c, a: c.read_write_registers(a, 1, 0, [1])),
    "read/write, writing": ("write_address", lambda c, a: c.read_write_registers(0, 1, a, [1])),
    "FIFO": ("address", lambda c, a: c.read_fifo_queue(a)),
}
REGISTER_WRITES: dict[str, tuple[str, Call]] = {
    "write register": ("value", lambda c, v: c.write_register(0, v)),
    "write registers": ("values[1]", lambda c, v: c.write_registers(0, [0, v])),
    "mask, and": ("and_mask", lambda c, v: c.mask_write_register(0, v, 0)),
    "mask, or": ("or_mask", lambda c, v: c.mask_write_register(0, 0, v)),
    "read/write": ("values[0]", lambda c, v: c.read_write_registers(0, 1, 0, [v])),
    "file": ("records[0] values[0]", lambda c, v: c.write_file_records([(1, 0, [v])])),
    "diagnostics": ("data", lambda c, v: c.diagnostics(0, v)),
}
LISTS: dict[str, Call] = {
    "coils": lambda c, v: c.write_coils(0, v),
    "registers": lambda c, v: c.write_registers(0, v),
    "read/write": lambda c, v: c.read_write_registers(0, 1, 0, v),
    "file": lambda c, v: c.write_file_records([(1, 0, v)]),
}
addressed = pytest.mark.parametrize(("name", "call"), ADDRESSED.values(), ids=ADDRESSED.keys())
read = pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
register_write = pytest.mark.parametrize(("name", "call"), REGISTER_WRITES.values(), ids=REGISTER_WRITES.keys())
listed = pytest.mark.parametrize("call", LISTS.values(), ids=LISTS.keys())


@pytest.fixture
def client() -> Iterator[fm.Client]:
    """Nothing that is done with this client may send a byte."""
    with untouched_client() as untouched:
        yield untouched


@addressed
def test_row_1_address_below_0(client: fm.Client, name: str, call: Call) -> None:
    with refused(ValueError, name, -1, "0 to 65535"):
        call(client, -1)


@addressed
def test_row_2_address_above_65535(client: fm.Client, name: str, call: Call) -> None:
    with refused(ValueError, name, 65536, "0 to 65535"):
        call(client, 65536)


@read
def test_row_3_reading_past_the_end(client: fm.Client, read: Callable[..., object]) -> None:
    with refused(ValueError, "address", 65535, "count", 2, 65536, "at most 1"):
        read(client, 65535, 2)


def test_row_3_writing_past_the_end(client: fm.Client) -> None:
    with refused(ValueError, "address", 65535, "the number of values", 2, "at most 1"):
        client.write_registers(65535, [1, 2])
    with refused(ValueError, "address", 65534, "the number of values", 3, "at most 2"):
        client.write_coils(65534, [True] * 3)
    with refused(ValueError, "read_address", 65530, "read_count", 7, "at most 6"):
        client.read_write_registers(65530, 7, 0, [1])
    with refused(ValueError, "write_address", 65535, "the number of values", 2, "at most 1"):
        client.read_write_registers(0, 1, 65535, [1, 2])


@read
@pytest.mark.parametrize("count", [pytest.param(0, id="row 4"), pytest.param(-1, id="row 5")])
def test_rows_4_5_count_below_1(client: fm.Client, read: Callable[..., object], count: int) -> None:
    with refused(ValueError, "count", count, "1 to 65536"):
        read(client, 0, count)


def test_row_6_more_than_one_request_carries_where_nothing_is_split(client: fm.Client) -> None:
    with refused(ValueError, "read_count", 126, "1 to 125"):
        client.read_write_registers(0, 126, 0, [1])
    with refused(ValueError, "the number of values", 122, "1 to 121"):
        client.read_write_registers(0, 1, 0, [1] * 122)
    with refused(ValueError, "records[1] length", 125, "1 to 124"):
        client.read_file_records([(1, 0, 1), (1, 0, 125)])
    with refused(ValueError, "records[0] number of values", 123, "1 to 122"):
        client.write_file_records([(1, 0, [0] * 123)])


@read
def test_row_7_an_enormous_count(client: fm.Client, read: Callable[..., object]) -> None:
    with refused(ValueError, "count", 2**40, "1 to 65536"):
        read(client, 0, 2**40)


@addressed
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        pytest.param("0", "'0', a str", id="row 8, text"),
        pytest.param(0.5, "0.5, a float", id="row 9, float"),
        pytest.param(np.float64(3), "a float64", id="row 9, numpy float"),
        pytest.param(None, "None, a NoneType", id="row 10, None"),
    ],
)
def test_rows_8_9_10_address_of_another_type(
    client: fm.Client, name: str, call: Call, address: object, shown: str
) -> None:
    with refused(TypeError, name, shown, "0 to 65535"):
        call(client, address)


@read
@pytest.mark.parametrize("count", [True, np.True_], ids=["bool", "numpy bool"])
def test_row_11_a_bool_is_no_count(client: fm.Client, read: Callable[..., object], count: bool) -> None:
    with refused(TypeError, "count", repr(count), "a bool", "1 to 65536"):
        read(client, 0, count)


@pytest.mark.parametrize("integer", [np.int64, np.uint16, np.uint8])
def test_row_12_numpy_integers_are_integers(integer: Callable[[int], Any]) -> None:
    with fm.Simulator(registers={"hr": {3: 33, 4: 44}}) as simulator, fm.connect(simulator.url) as client:
        assert client.read_holding_registers(integer(3), integer(2), unit=integer(1)).tolist() == [33, 44]
        client.write_register(integer(3), integer(5))
        assert simulator.holding[3] == 5


@pytest.mark.parametrize("unit", [256, -1])
def test_row_13_unit_out_of_range(client: fm.Client, unit: int) -> None:
    with refused(ValueError, "unit", unit, "0 to 255"):
        client.read_coils(0, unit=unit)
    with refused(ValueError, "unit", unit, "0 to 255"):
        client.at(unit)
    with refused(ValueError, "unit", unit, "0 to 255"):
        fm.Client("127.0.0.1", unit=unit)


@pytest.mark.parametrize("unit", [0, 248, 255])
def test_row_13_every_unit_of_a_byte_is_allowed_over_tcp(unit: int) -> None:
    with fm.Simulator(units=[unit], registers={"hr": [7]}) as simulator, fm.connect(simulator.url) as client:
        assert client.read_holding_registers(0, unit=unit).tolist() == [7]


@register_write
@pytest.mark.parametrize("value", [65536, -1])
def test_row_14_value_out_of_range(client: fm.Client, name: str, call: Call, value: int) -> None:
    with refused(ValueError, name, value, "0 to 65535"):
        call(client, value)


@register_write
@pytest.mark.parametrize("value", [1.5, np.float32(2), "1", None, True])
def test_row_15_value_of_another_type(client: fm.Client, name: str, call: Call, value: object) -> None:
    with refused(TypeError, name, "0 to 65535"):
        call(client, value)


@pytest.mark.parametrize("value", [2, -1])
def test_row_15_a_coil_is_0_or_1(client: fm.Client, value: int) -> None:
    with refused(ValueError, "value", value, "0 to 1"):
        client.write_coil(0, value)  # type: ignore[arg-type]
    with refused(ValueError, "values[1]", value, "0 to 1"):
        client.write_coils(0, [True, value])  # type: ignore[list-item]


@pytest.mark.parametrize("value", ["on", 1.0, None])
def test_row_15_a_coil_is_no_text_and_no_float(client: fm.Client, value: Any) -> None:
    with refused(TypeError, "value", "0 to 1"):
        client.write_coil(0, value)
    with refused(TypeError, "values[0]", "0 to 1"):
        client.write_coils(0, [value])


@register_write
@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), -np.inf])
def test_row_16_neither_nan_nor_infinity(client: fm.Client, name: str, call: Call, value: float) -> None:
    with refused(ValueError, name, value, "0 to 65535"):
        call(client, value)


def test_row_16_nan_in_an_array(client: fm.Client) -> None:
    with refused(ValueError, "values", "NaN", "0 to 65535"):
        client.write_registers(0, np.array([1.0, np.nan]))
    with refused(TypeError, "values", "float64", "0 to 65535"):
        client.write_registers(0, np.array([1.0, 2.0]))


@pytest.mark.parametrize("bad", [70000, -5])
def test_row_17_nothing_wraps_in_an_array(client: fm.Client, bad: int) -> None:
    with refused(ValueError, "values[2]", bad, "0 to 65535"):
        client.write_registers(0, np.array([1, 2, bad, 99999], np.int64))


@listed
@pytest.mark.parametrize("empty", [[], (), np.array([], np.uint16), np.array([], bool)], ids=repr)
def test_row_18_no_values(client: fm.Client, call: Call, empty: Any) -> None:
    with refused(ValueError, "values", "empty", "at least one"):
        call(client, empty)


def test_row_18_no_records(client: fm.Client) -> None:
    with refused(ValueError, "records", "empty"):
        client.read_file_records([])
    with refused(ValueError, "records", "empty"):
        client.write_file_records([])


def test_row_19_124_registers_are_two_requests() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url) as client:
        client.write_registers(0, range(124))
        assert [request.pdu[:6].hex(" ") for request in simulator.log] == ["10 00 00 00 7b f6", "10 00 7b 00 01 02"]


@listed
@pytest.mark.parametrize("values", [5, "ab", b"ab", bytearray(2), memoryview(b"ab"), None, 1.5], ids=repr)
def test_row_20_values_that_are_no_sequence(client: fm.Client, call: Call, values: Any) -> None:
    with refused(TypeError, "values", type(values).__name__, "a sequence of"):
        call(client, values)


@listed
def test_row_20_values_of_two_dimensions(client: fm.Client, call: Call) -> None:
    with refused(ValueError, "values", "(2, 3)", "one dimension"):
        call(client, np.ones((2, 3), np.uint16))


@pytest.mark.parametrize("records", [5, (1, 0, 5), [(1, 0)], ["abc"], None], ids=repr)
def test_records_that_are_no_records(client: fm.Client, records: Any) -> None:
    with refused(TypeError, "records", "(file, record, length)"):
        client.read_file_records(records)
    with refused(TypeError, "records", "(file, record, values)"):
        client.write_file_records(records)


def test_files_and_records_out_of_range(client: fm.Client) -> None:
    with refused(ValueError, "records[0] file number", 0, "1 to 65535"):
        client.read_file_records([(0, 0, 1)])
    with refused(ValueError, "records[0] record number", 10000, "0 to 9999"):
        client.write_file_records([(1, 10000, [1])])


@pytest.mark.parametrize("pdu", ["\x03", 3, None, [3, 0]], ids=repr)
def test_a_pdu_is_bytes(client: fm.Client, pdu: Any) -> None:
    with refused(TypeError, "pdu", type(pdu).__name__, "bytes"):
        client.execute(pdu)


@pytest.mark.parametrize(
    ("pdu", "allowed"), [(b"", "1 to 253"), (bytes(254), "1 to 253"), (b"\x00", "1 to 127"), (b"\x83\x02", "1 to 127")]
)
def test_a_pdu_has_a_function_code_and_253_bytes_at_most(client: fm.Client, pdu: bytes, allowed: str) -> None:
    with refused(ValueError, "pdu", allowed):
        client.execute(pdu)


def test_identification(client: fm.Client) -> None:
    with refused(ValueError, "category", "'all'", "'basic', 'regular', 'extended'"):
        client.read_device_identification("all")
    with refused(ValueError, "object_id", 256, "0 to 255"):
        client.read_device_identification(object_id=256)


def test_sub_function(client: fm.Client) -> None:
    with refused(ValueError, "sub_function", 65536, "0 to 65535"):
        client.diagnostics(65536)


@pytest.mark.parametrize("option", ["timeout", "deadline"])
@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e18, "0s", "-1s", "soon", "1.2.3s", "3 weeks"])
def test_row_29_times_of_a_call(client: fm.Client, option: str, wrong: Any) -> None:
    with refused(ValueError, option, "more than 0 to 1e+09 seconds"):
        client.read_coils(0, **{option: wrong})
    with refused(ValueError, option, "more than 0 to 1e+09 seconds"):
        client.write_registers(0, [1], **{option: wrong})


@pytest.mark.parametrize("option", ["timeout", "deadline", "connect_timeout", "idle_close"])
@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e18])
def test_row_29_times_of_a_client(option: str, wrong: Any) -> None:
    with refused(ValueError, option, "more than 0 to 1e+09 seconds"):
        fm.Client("127.0.0.1", **{option: wrong})


@pytest.mark.parametrize("wrong", [True, np.True_, [1], 1j, b"1s"], ids=repr)
def test_row_29_times_of_another_type(client: fm.Client, wrong: Any) -> None:
    with refused(TypeError, "timeout", type(wrong).__name__):
        client.read_coils(0, timeout=wrong)


def test_row_29_none_is_the_clients_own() -> None:
    with fm.Simulator() as simulator, fm.connect(simulator.url, timeout=None, deadline=None) as client:
        assert client.read_coils(0, timeout=None, deadline=None).tolist() == [False]
