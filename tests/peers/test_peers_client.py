"""The client against every server of other projects: tables, writes, errors, losses.

What a peer holds and can do is in the catalogue, and test_peers.py checks that over a plain socket.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastmodbus as fm
from peers.contents import READ_FUNCTION, TableName
from peers.harness import Peer
from peers.selection import that
from reference import MaskWrite, Plain, Read, ReadFifo

Reading = Callable[..., NDArray[Any]]
NO_SUCH_UNIT = 77


def connected(peer: Peer, **options: Any) -> fm.Client:
    return fm.Client(peer.host, peer.port, **options).connect()


def reading(client: fm.Client, name: TableName) -> Reading:
    """The method that reads a table."""
    methods: dict[TableName, Reading] = {
        "coils": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }
    return methods[name]


def known(peer: Peer, name: TableName, address: int, count: int) -> NDArray[Any]:
    table = peer.table(name)
    return np.array(table.expected(address, count), np.bool_ if table.is_bits else np.uint16)


def windows(peer: Peer) -> tuple[int, ...]:
    """Numbers of requests in flight that the peer stands."""
    return (1, 16) if peer.capabilities.answers == "all" else (1,)


def assert_same(got: NDArray[Any], wanted: NDArray[Any]) -> None:
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", READ_FUNCTION)
def test_a_whole_table_in_one_call(peer: Peer, name: TableName) -> None:
    table = peer.table(name)
    with connected(peer) as client:
        values = reading(client, name)(table.start, len(table.values))
        assert client.stats.connections == 1
        assert client.stats.retries == 0
    assert_same(values, known(peer, name, table.start, len(table.values)))


@pytest.mark.parametrize("coalesce", [False, True])
@pytest.mark.parametrize("name", READ_FUNCTION)
@that(lambda can: can.answers == "all")
def test_a_whole_table_pipelined(peer: Peer, name: TableName, coalesce: bool) -> None:
    table = peer.table(name)
    with connected(peer, in_flight=16, coalesce=coalesce) as client:
        values = reading(client, name)(table.start, len(table.values))
        assert client.stats.retries == 0
    assert_same(values, known(peer, name, table.start, len(table.values)))


def test_many_small_requests(peer: Peer) -> None:
    """Seven registers and eleven bits at a time, into arrays of the caller."""
    for in_flight in windows(peer):
        if peer.capabilities.connections == "one" and in_flight > 1:
            continue
        with connected(peer, in_flight=in_flight, max_registers=7, max_bits=11) as client:
            for name in READ_FUNCTION:
                table = peer.table(name)
                count = min(len(table.values), 1000)
                wanted = known(peer, name, table.start, count)
                out = np.empty_like(wanted)
                assert reading(client, name)(table.start, count, out=out) is out
                assert_same(out, wanted)


@that(lambda can: can.is_whole_space)
def test_the_ends_of_the_address_space(peer: Peer) -> None:
    with connected(peer) as client:
        for name in READ_FUNCTION:
            assert_same(reading(client, name)(0), known(peer, name, 0, 1))
            assert_same(reading(client, name)(65535), known(peer, name, 65535, 1))


@that(lambda can: can.is_whole_space, fixture="fresh_peer")
def test_long_writes_are_split(fresh_peer: Peer) -> None:
    words, bits = np.arange(1000, dtype=np.uint16) * 65, np.arange(5000) % 3 == 0
    for in_flight in windows(fresh_peer):
        with connected(fresh_peer, in_flight=in_flight, pipeline_writes=in_flight > 1) as client:
            client.write_registers(in_flight, words)
            client.write_coils(in_flight, bits)
            assert_same(client.read_holding_registers(in_flight, 1000), words)
            assert_same(client.read_coils(in_flight, 5000), bits)


def test_single_writes(fresh_peer: Peer) -> None:
    coil, register = fresh_peer.table("coils").start, fresh_peer.table("holding").start
    with connected(fresh_peer) as client:
        for value in (True, False):
            client.write_coil(coil, value)
            assert client.read_coils(coil)[0] == value
        for number in (0, 1, 0x8000, 0xFFFF):
            client.write_register(register, number)
            assert client.read_holding_registers(register)[0] == number


def test_a_single_write_as_function_16(fresh_peer: Peer) -> None:
    register = fresh_peer.table("holding").start
    with connected(fresh_peer, write_single="fc16") as client:
        client.write_register(register, 4711)
        assert client.read_holding_registers(register)[0] == 4711


@that(lambda can: 0x16 in can.functions, fixture="fresh_peer")
def test_mask_write(fresh_peer: Peer) -> None:
    register = fresh_peer.table("holding").start
    with connected(fresh_peer) as client:
        client.write_register(register, 0x12)
        client.mask_write_register(register, 0xF2, 0x25)
        assert client.read_holding_registers(register)[0] == 0x17


@that(lambda can: 0x17 in can.functions, fixture="fresh_peer")
def test_read_write(fresh_peer: Peer) -> None:
    table = fresh_peer.table("holding")
    wanted = np.array(table.expected(table.start, 5), np.uint16)
    with connected(fresh_peer) as client:
        before = client.read_write_registers(table.start, 5, table.start + 1, [10, 20, 30])
        after = client.read_holding_registers(table.start, 5)
    if not fresh_peer.capabilities.writes_first:
        assert_same(before, wanted)
    wanted[1:4] = 10, 20, 30
    assert_same(after, wanted)
    if fresh_peer.capabilities.writes_first:
        assert_same(before, wanted)


@that(lambda can: can.is_whole_space)
def test_illegal_address(peer: Peer) -> None:
    """The client itself refuses ranges that end behind 65535, so this one goes out as bare bytes."""
    with connected(peer) as client:
        with pytest.raises(fm.IllegalDataAddress) as caught:
            client.execute(Read(3, 65535, 2).encode())
        assert (caught.value.code, caught.value.function, caught.value.unit) == (2, 3, 1)
        assert_same(client.read_holding_registers(65535), known(peer, "holding", 65535, 1))
        assert client.stats.connections == 1


@that(lambda can: not can.is_whole_space)
def test_the_readable_part_of_a_table(peer: Peer) -> None:
    """A read that runs over the end of a table keeps what the device gave."""
    table = peer.table("discrete")
    with connected(peer, max_bits=11, in_flight=1) as client:
        with pytest.raises(fm.IllegalDataAddress) as caught:
            client.read_discrete_inputs(table.end - 22, 33)
        again = client.read_discrete_inputs(table.start, 5)
    error = caught.value
    assert (error.code, error.function, error.address, error.count) == (2, 2, table.end, 11)
    assert list(error.ok) == [True] * 22 + [False] * 11
    assert_same(error.partial[:22], known(peer, "discrete", table.end - 22, 22))
    assert len(error.errors) == 1
    assert_same(again, known(peer, "discrete", table.start, 5))


@that(lambda can: not {0x16, 0x18} & can.functions)
def test_illegal_function(peer: Peer) -> None:
    with connected(peer) as client:
        with pytest.raises(fm.IllegalFunction):
            client.mask_write_register(0, 0, 0)
        with pytest.raises(fm.IllegalFunction):
            client.execute(ReadFifo(0).encode())
        assert_same(client.read_coils(5, 9), known(peer, "coils", 5, 9))
        assert client.stats.connections == 1


@that(lambda can: can.unknown_unit == "silent")
def test_a_silent_unit_times_out(peer: Peer) -> None:
    with connected(peer, timeout=0.1, retries=1) as client:
        with pytest.raises(fm.RequestTimeout) as caught:
            client.read_holding_registers(0, 3, unit=NO_SUCH_UNIT)
        assert caught.value.unit == NO_SUCH_UNIT
        assert_same(client.read_holding_registers(0, 3, timeout=5), known(peer, "holding", 0, 3))
        assert client.stats.timeouts == 2


@that(lambda can: isinstance(can.unknown_unit, int))
def test_an_unknown_unit_is_an_error(peer: Peer) -> None:
    with connected(peer) as client:
        with pytest.raises(fm.DeviceError) as caught:
            client.at(NO_SUCH_UNIT).read_holding_registers(0, 3)
        assert caught.value.code == peer.capabilities.unknown_unit
        assert_same(client.read_holding_registers(0, 3), known(peer, "holding", 0, 3))


@that(lambda can: bool(can.closing) and can.connections == "many")
def test_a_connection_that_the_server_closes(peer: Peer) -> None:
    """The call fails, the next one connects again."""
    function = min(peer.capabilities.closing)
    with connected(peer, retries=0) as client:
        with pytest.raises(fm.ConnectionFailed):
            client.execute(Plain(function).encode())
        assert_same(client.read_coils(0, 50), known(peer, "coils", 0, 50))
        assert client.stats.connections == 2


@that(lambda can: bool(can.silent))
def test_a_request_without_an_answer(peer: Peer) -> None:
    with connected(peer, timeout=0.2, retries=0) as client:
        with pytest.raises(fm.RequestTimeout):
            client.execute(Plain(min(peer.capabilities.silent)).encode())
        assert_same(client.read_coils(0, 50, timeout=5), known(peer, "coils", 0, 50))


def test_a_server_that_dies(fresh_peer: Peer) -> None:
    table = fresh_peer.table("coils")
    with connected(fresh_peer, retries=1) as client:
        assert_same(client.read_coils(table.start, 9), known(fresh_peer, "coils", table.start, 9))
        fresh_peer.process.stop()
        with pytest.raises(fm.ConnectionFailed) as caught:
            client.read_coils(table.start, 9)
    assert (caught.value.host, caught.value.port) == (fresh_peer.host, fresh_peer.port)


@that(lambda can: can.answers == "all" and can.connections == "many")
def test_execute_returns_the_bare_answer(peer: Peer) -> None:
    with connected(peer) as client:
        reply = client.execute(Read(4, 3, 2).encode())
    first, second = peer.table("input").expected(3, 2)
    assert reply == bytes([4, 4]) + first.to_bytes(2, "big") + second.to_bytes(2, "big")


@that(lambda can: 0x16 not in can.functions)
def test_a_refused_write_is_not_of_unknown_outcome(peer: Peer) -> None:
    with connected(peer) as client, pytest.raises(fm.IllegalFunction) as caught:
        client.execute(MaskWrite(0, 0, 0).encode())
    assert caught.value.outcome_unknown is False
