"""A device that answers at most 60 registers a request and has holes: found out over a real connection, once."""

import struct
from pathlib import Path

import fastmodbus as fm
from loops import BOTH
from scripted import Connection, ScriptedServer

CLIENTS = BOTH
LIMIT = 60
HOLES = frozenset({30, 31, 90})
ILLEGAL_ADDRESS, ILLEGAL_VALUE = b"\x02", b"\x03"


def small(connection: Connection) -> None:
    """Exception 3 where too much is asked for, exception 2 where a register is not there."""
    while True:
        request = connection.receive()
        function, address, count = struct.unpack(">BHH", request.pdu[:5])
        refused = bytes([function | 0x80])
        if count > LIMIT:
            connection.answer(request, refused + ILLEGAL_VALUE)
        elif not HOLES.isdisjoint(range(address, address + count)):
            connection.answer(request, refused + ILLEGAL_ADDRESS)
        else:
            words = range(1000 + address, 1000 + address + count)
            connection.answer(request, struct.pack(f">BB{count}H", function, 2 * count, *words))


def wanted() -> dict[str, int]:
    return {f"hr{address}": 1000 + address for address in range(120) if address not in HOLES}


def test_every_value_of_a_device_with_holes_and_a_small_limit() -> None:
    with ScriptedServer(small) as server, fm.connect(f"tcp://127.0.0.1:{server.port}") as meter:
        names = list(wanted())
        assert meter.read(names) == wanted()
        before = len(server.requests)
        assert meter.read(names) == wanted()
        learnt = len(server.requests) - before
        assert learnt <= 2 * (len(HOLES) + 120 // LIMIT)
        asked = [struct.unpack(">HH", seen.frame.pdu[1:5]) for seen in server.requests[before:]]
        assert all(count <= LIMIT for _, count in asked)
        assert not any(HOLES & set(range(address, address + count)) for address, count in asked)


def test_with_a_map_that_says_so_nothing_is_refused(tmp_path: Path) -> None:
    holes = ", ".join(f'"hr{hole}"' for hole in sorted(HOLES))
    tags = "".join(f'[[tag]]\nname = "{name[1:]}"\naddress = "{name}"\n' for name in wanted())
    head = 'format = "fastmodbus-map/1"\n[device]\nname = "small"\n'
    (tmp_path / "small.toml").write_text(f"{head}[limits]\nmax_registers = {LIMIT}\nholes = [{holes}]\n{tags}")
    with (
        ScriptedServer(small) as server,
        fm.connect(f"tcp://127.0.0.1:{server.port}", map=tmp_path / "small.toml") as meter,
    ):
        assert meter.read() == {name[1:]: value for name, value in wanted().items()}
        asked = [struct.unpack(">HH", pdu[1:5]) for pdu in server.pdus]
        assert asked == [(0, 30), (32, 58), (91, 29)]
