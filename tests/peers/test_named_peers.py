"""Typed values from servers of other projects, whose registers are known, judged by the reference codec."""

import pytest

import fastmodbus as fm
from peers.harness import Peer
from reference_values import decode

TYPES = ("u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64")


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_known_registers_as_every_type(peer: Peer, order: str) -> None:
    table = peer.table("holding")
    names = {}
    at = table.start
    for kind in TYPES:
        size = int(kind[1:]) // 16
        names[f"hr{at}:{kind}@{order}" if size > 1 else f"hr{at}:{kind}"] = at, size, kind
        at += size
    with fm.Client(peer.host, peer.port) as client:
        found = client.read(list(names))
        assert len(client.read_plan(list(names)).reads) == 1
    for name, (start, size, kind) in names.items():
        expected = decode(table.expected(start, size), kind, order if size > 1 else "AB")
        assert found[name] == pytest.approx(expected, rel=0, abs=0, nan_ok=True), name
