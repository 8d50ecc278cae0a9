"""mbpoll reads from the peers what they hold, which shows that its output is understood rightly."""

import struct

import pytest

from peers.contents import READ_FUNCTION, TableName
from peers.harness import Peer
from peers.mbpoll import Mbpoll, MbpollError
from peers.selection import that


@pytest.mark.parametrize("name", READ_FUNCTION)
@that(lambda can: can.is_whole_space)
def test_values(mbpoll_installed: None, peer: Peer, name: TableName) -> None:
    assert Mbpoll(peer.port).read(name, 65000, 125) == peer.table(name).expected(65000, 125)


@that(lambda can: can.is_whole_space, fixture="fresh_peer")
def test_writes(mbpoll_installed: None, fresh_peer: Peer) -> None:
    client = Mbpoll(fresh_peer.port)
    client.write("holding", 7, [65535])
    client.write("holding", 8, [1, 2, 40000])
    client.write("coils", 7, [1])
    client.write("coils", 8, [0, 1, 1])
    assert client.read("holding", 7, 4) == [65535, 1, 2, 40000]
    assert client.read("coils", 7, 4) == [1, 0, 1, 1]


@that(lambda can: can.is_whole_space)
def test_floats(mbpoll_installed: None, peer: Peer) -> None:
    low, high = peer.table("input").expected(100, 2)
    [value] = Mbpoll(peer.port).read_floats("input", 100)
    assert value == pytest.approx(struct.unpack(">f", struct.pack(">HH", high, low))[0], rel=1e-4)


@that(lambda can: can.connections == "many")
def test_failures_are_told(mbpoll_installed: None, peer: Peer) -> None:
    with pytest.raises(MbpollError, match="Illegal data address"):
        Mbpoll(peer.port).read("holding", 65535, 3)


def test_nobody_listens(mbpoll_installed: None) -> None:
    with pytest.raises(MbpollError, match="Connection refused"):
        Mbpoll(port=1).read("holding", 0)
