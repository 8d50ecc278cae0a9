"""Other people's codecs judge the oracle: scapy's dissector and pymodbus's encoders and decoders.

Where a judge is known to be wrong or not to know a function, the test says so by name and leaves that case to the
specification's examples.
"""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import (
    CanOpen,
    MaskWrite,
    Opaque,
    Read,
    ReadWrite,
    Request,
    WriteFile,
    WriteMany,
    WriteOne,
    bytes_to_bits,
    bytes_to_registers,
    crc16,
    lrc,
    mbap_frame,
)
from strategies import exchanges, reads, requests, table_requests, transaction_ids, units

scapy_modbus = pytest.importorskip("scapy.contrib.modbus", reason="scapy is missing")
pymodbus_pdu = pytest.importorskip("pymodbus.pdu", reason="pymodbus is missing")


@pytest.fixture(autouse=True, scope="module")
def _long_lists_in_scapy() -> Iterator[None]:
    """Scapy gives up on lists of more than 100 items, and a request may write 123 registers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scapy.config.conf.max_list_count", 1000)
        yield


@given(transaction_ids, units, table_requests())
def test_scapy_sees_the_fields(transaction_id: int, unit: int, request: Request) -> None:
    packet = scapy_modbus.ModbusADURequest(mbap_frame(transaction_id, unit, request.encode()))
    assert (packet.transId, packet.unitId, packet.len) == (transaction_id, unit, 1 + len(request.encode()))
    body = packet.payload
    assert body.funcCode == request.function
    assert bytes(body.payload) == b""
    match request:
        case Read():
            assert (body.startAddr, body.quantity) == (request.address, request.quantity)
        case WriteOne(function=5):
            assert (body.outputAddr, body.outputValue) == (request.address, request.value)
        case WriteOne():
            assert (body.registerAddr, body.registerValue) == (request.address, request.value)
        case WriteMany(function=15):
            assert (body.startAddr, body.quantityOutput) == (request.address, request.quantity)
            assert (body.byteCount, bytes(body.outputsValue)) == (len(request.data), request.data)
        case WriteMany():
            assert (body.startAddr, body.quantityRegisters) == (request.address, request.quantity)
            assert body.outputsValue == bytes_to_registers(request.data)
        case MaskWrite():
            assert (body.refAddr, body.andMask, body.orMask) == (request.address, request.and_mask, request.or_mask)
        case ReadWrite():
            assert (body.readStartingAddr, body.readQuantityRegisters) == (request.read_address, request.read_quantity)
            assert (body.writeStartingAddr, body.writeRegistersValue) == (
                request.write_address,
                bytes_to_registers(request.data),
            )


def has_a_layout_in_scapy(request: Request) -> bool:
    """Other encapsulated and user-defined functions are raw bytes to it; the answer to a file write it cannot build."""
    return not isinstance(request, CanOpen | Opaque | WriteFile)


@given(requests().filter(has_a_layout_in_scapy))
def test_scapy_rebuilds_requests(request: Request) -> None:
    frame = mbap_frame(1, 1, request.encode())
    packet = scapy_modbus.ModbusADURequest(frame)
    packet.clear_cache()
    assert bytes(packet) == frame


@given(exchanges(requests().filter(has_a_layout_in_scapy)))
def test_scapy_rebuilds_answers(exchange: tuple[Request, bytes]) -> None:
    frame = mbap_frame(1, 1, exchange[1])
    packet = scapy_modbus.ModbusADUResponse(frame)
    packet.clear_cache()
    assert bytes(packet) == frame


@given(table_requests())
def test_pymodbus_reads_requests_alike(request: Request) -> None:
    decoded = pymodbus_pdu.DecodePDU(is_server=True).decode(request.encode())
    assert decoded.function_code == request.function
    assert bytes([decoded.function_code]) + decoded.encode() == request.encode()


@given(exchanges(reads()))
def test_pymodbus_reads_values_alike(exchange: tuple[Read, bytes]) -> None:
    request, reply = exchange
    decoded = pymodbus_pdu.DecodePDU(is_server=False).decode(reply)
    if reply[0] & 0x80:
        assert decoded.exception_code == reply[1]
    elif request.is_bits:
        assert decoded.bits[: request.quantity] == bytes_to_bits(reply[2:], request.quantity)
    else:
        assert decoded.registers == bytes_to_registers(reply[2:])


@given(st.binary(min_size=1, max_size=254))
def test_pymodbus_computes_checksums_alike(data: bytes) -> None:
    framers = pytest.importorskip("pymodbus.framer", reason="pymodbus is missing")
    assert framers.FramerRTU.compute_CRC(data) == int.from_bytes(crc16(data).to_bytes(2, "little"), "big")
    assert framers.FramerAscii.compute_LRC(data) == lrc(data)
