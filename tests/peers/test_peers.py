"""The peers are what the catalogue says they are, asked over a plain socket with the reference codec."""

import pytest

from peers.contents import READ_FUNCTION, Table, TableName
from peers.harness import Peer
from peers.selection import that
from plain_client import PlainClient
from reference import (
    MaskWrite,
    Read,
    ReadWrite,
    WriteMany,
    WriteOne,
    bits_to_bytes,
    bytes_to_bits,
    bytes_to_registers,
    check,
    registers_to_bytes,
)

SILENCE_SECONDS = 0.3  # how long a peer is listened to that should not answer; too short never fails a test
NO_SUCH_UNIT = 77


def read(client: PlainClient, table: Table, address: int, quantity: int) -> list[int]:
    request = Read(table.function, address, quantity).encode()
    verdict = check(request, client.ask(request))
    assert verdict.kind == "ok", verdict
    if table.is_bits:
        return [int(bit) for bit in bytes_to_bits(verdict.payload, quantity)]
    return bytes_to_registers(verdict.payload)


def write(client: PlainClient, request: WriteOne | WriteMany | MaskWrite) -> None:
    assert check(request.encode(), client.ask(request.encode())).kind == "ok"


def pieces(table: Table) -> list[tuple[int, int]]:
    """Address and quantity of as few reads as cover a table."""
    step = 2000 if table.is_bits else 125
    return [(at, min(step, table.end - at)) for at in range(table.start, table.end, step)]


@pytest.mark.parametrize("name", READ_FUNCTION)
def test_whole_table(peer: Peer, name: TableName) -> None:
    table = peer.table(name)
    with PlainClient(peer.port) as client:
        values = [value for address, quantity in pieces(table) for value in read(client, table, address, quantity)]
    assert values == list(table.values)


def test_single_values(peer: Peer) -> None:
    with PlainClient(peer.port) as client:
        for table in peer.capabilities.tables.values():
            for address in (table.start, table.start + len(table.values) // 3, table.end - 1):
                assert read(client, table, address, 1) == table.expected(address, 1)


def test_written_values_are_read_back(fresh_peer: Peer) -> None:
    coils, holding = fresh_peer.table("coils"), fresh_peer.table("holding")
    at, bits, words = coils.start + 3, [1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 1], [0, 1, 0x8000, 0xFFFF, 0x1234]
    with PlainClient(fresh_peer.port) as client:
        write(client, WriteOne(5, coils.start, 0xFF00))
        assert read(client, coils, coils.start, 1) == [1]
        write(client, WriteOne(5, coils.start, 0))
        assert read(client, coils, coils.start, 1) == [0]
        write(client, WriteMany(15, at, len(bits), bits_to_bytes(bits)))
        assert read(client, coils, at, len(bits)) == bits
        write(client, WriteOne(6, holding.start, 0xABCD))
        assert read(client, holding, holding.start, 1) == [0xABCD]
        write(client, WriteMany(16, holding.start + 1, len(words), registers_to_bytes(words)))
        assert read(client, holding, holding.start, 6) == [0xABCD, *words]


@that(lambda can: can.is_whole_space, fixture="fresh_peer")
def test_largest_writes(fresh_peer: Peer) -> None:
    coils, holding = fresh_peer.table("coils"), fresh_peer.table("holding")
    bits, words = [int(i % 5 == 0) for i in range(1968)], [i * 3 for i in range(123)]
    with PlainClient(fresh_peer.port) as client:
        write(client, WriteMany(15, 65536 - 1968, 1968, bits_to_bytes(bits)))
        write(client, WriteMany(16, 65536 - 123, 123, registers_to_bytes(words)))
        assert read(client, coils, 65536 - 1968, 1968) == bits
        assert read(client, holding, 65536 - 123, 123) == words


@that(lambda can: 0x16 in can.functions, fixture="fresh_peer")
def test_mask_write(fresh_peer: Peer) -> None:
    holding = fresh_peer.table("holding")
    with PlainClient(fresh_peer.port) as client:
        write(client, WriteOne(6, holding.start, 0x12))
        write(client, MaskWrite(holding.start, 0xF2, 0x25))
        assert read(client, holding, holding.start, 1) == [0x17]


@that(lambda can: 0x17 in can.functions, fixture="fresh_peer")
def test_write_and_read(fresh_peer: Peer) -> None:
    start = fresh_peer.table("holding").start
    request = ReadWrite(start, 4, start + 1, 2, registers_to_bytes([0xAAAA, 0x5555])).encode()
    with PlainClient(fresh_peer.port) as client:
        verdict = check(request, client.ask(request))
    values = fresh_peer.table("holding").expected(start, 4)
    if fresh_peer.capabilities.writes_first:
        values[1:3] = [0xAAAA, 0x5555]
    assert bytes_to_registers(verdict.payload) == values


def test_illegal_address(peer: Peer) -> None:
    with PlainClient(peer.port) as client:
        for table in peer.capabilities.tables.values():
            request = Read(table.function, table.end - 1, 3).encode()
            assert check(request, client.ask(request)).exception == 2, table.name


@that(lambda can: 0x18 not in can.functions)
def test_unknown_functions(peer: Peer) -> None:
    """A server refuses what it does not implement; the catalogue names the exceptions to that."""
    can = peer.capabilities
    bodies = {0x07: "07", 0x0B: "0b", 0x16: "16 0000 0000 0000", 0x18: "18 0000"}
    with PlainClient(peer.port) as client:
        for function in sorted(set(bodies) - can.functions - can.silent - can.closing):
            request = bytes.fromhex(bodies[function])
            assert check(request, client.ask(request)).exception == 1, function


@that(lambda can: bool(can.closing))
def test_functions_that_close_the_connection(peer: Peer) -> None:
    function = min(peer.capabilities.closing)
    with PlainClient(peer.port) as client, pytest.raises(ConnectionError):
        client.ask(bytes([function]))


@that(lambda can: bool(can.silent))
def test_functions_that_get_no_answer(peer: Peer) -> None:
    with PlainClient(peer.port, timeout=SILENCE_SECONDS) as client:
        for function in sorted(peer.capabilities.silent):
            with pytest.raises(TimeoutError):
                client.ask(bytes([function]))


def eight_reads(peer: Peer) -> list[bytes]:
    return [Read(1, peer.table("coils").start + i, 9).encode() for i in range(8)]


@pytest.mark.parametrize("one_segment", [True, False])
@that(lambda can: can.answers == "all")
def test_all_requests_in_flight_are_answered(peer: Peer, one_segment: bool) -> None:
    table = peer.table("coils")
    with PlainClient(peer.port) as client:
        replies = client.ask_many(eight_reads(peer), one_segment=one_segment)
    for i, reply in enumerate(replies):
        assert bytes_to_bits(reply[2:], 9) == [bool(bit) for bit in table.expected(table.start + i, 9)]


@that(lambda can: can.answers == "first")
def test_one_request_of_a_segment_is_answered(peer: Peer) -> None:
    with PlainClient(peer.port) as client:
        client.send(eight_reads(peer), one_segment=True)
        assert len(client.receive(1)) == 1
        client.socket.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):
            client.receive(1)


@that(lambda can: can.unknown_unit == "silent")
def test_silence_of_an_unknown_unit(peer: Peer) -> None:
    with PlainClient(peer.port, timeout=SILENCE_SECONDS) as client, pytest.raises(TimeoutError):
        client.ask(Read(3, 0, 1).encode(), unit=NO_SUCH_UNIT)


@that(lambda can: can.unknown_unit != "silent")
def test_answer_of_an_unknown_unit(peer: Peer) -> None:
    request = Read(3, peer.table("holding").start, 1).encode()
    with PlainClient(peer.port) as client:
        verdict = check(request, client.ask(request, unit=NO_SUCH_UNIT))
    behaviour = peer.capabilities.unknown_unit
    assert verdict.exception == (0 if behaviour == "any" else behaviour)


@that(lambda can: can.connections == "many")
def test_two_connections(peer: Peer) -> None:
    table = peer.table("input")
    with PlainClient(peer.port) as first, PlainClient(peer.port) as second:
        assert read(second, table, 5, 3) == table.expected(5, 3)
        assert read(first, table, 8, 3) == table.expected(8, 3)


@that(lambda can: can.connections == "one")
def test_one_connection_and_then_the_end(peer: Peer) -> None:
    with PlainClient(peer.port):
        pass
    assert peer.process.ended_by_itself()
