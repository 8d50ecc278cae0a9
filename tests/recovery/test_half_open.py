"""Peers that vanish without a word: their end of the cable is unplugged, in network namespaces."""

import pytest

from recovery.network import SERVER, joined, missing

LOST = f"{SERVER}:5020: connection lost: Connection timed out"

SIMULATOR = """
    import sys
    import numpy as np
    import fastmodbus as fm

    print("here")
    sys.stdin.readline()
    with fm.Simulator(host=sys.argv[1], port=5020, registers={"hr": np.arange(65536)}):
        print("serving")
        sys.stdin.read()
"""
BEGIN = """
    import os, socket, sys, threading
    import numpy as np
    import fastmodbus as fm

    ESTABLISHED = bytes([1])

    def step(*what):
        print(*what)
        sys.stdin.readline()

    def right(client):
        return np.array_equal(client.read_holding_registers(0, 5000), np.arange(5000))

    def failure(call):
        try:
            call()
        except fm.ModbusError as error:
            return type(error).__name__
        return "none"

    def connection():
        for name in os.listdir("/proc/self/fd"):
            try:
                found = socket.socket(fileno=os.dup(int(name)))
            except OSError:
                continue
            if found.family == socket.AF_INET and found.type == socket.SOCK_STREAM:
                return found
            found.close()

    step("here")
"""


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    what = missing()
    if what:
        pytest.skip(what)


def test_a_peer_that_vanishes_and_comes_back() -> None:
    """Every call ends by its own time; when the network is back, the connection goes on, late answers are dropped."""
    program = f"""{BEGIN}
    client = fm.Client(sys.argv[1], 5020, timeout=30, retries=1)
    step(right(client))
    short = client.at(1, timeout=0.3)
    step(failure(lambda: short.read_coils(0)), failure(lambda: short.write_register(9, 9)),
         failure(lambda: short.read_holding_registers(0, 5000)), failure(lambda: short.read_coils(0, deadline=0.2)))
    print(client.read_holding_registers(7, timeout=30)[0])
    print(right(client), client.stats.protocol_errors, client.stats.unknown)
    """
    with joined(SIMULATOR, program) as (server, client, cable):
        server.go_on()
        assert server.says() == "serving"
        client.go_on()
        assert client.says() == "True"
        cable.unplug()
        client.go_on()
        assert client.says() == "RequestTimeout RequestTimeout RequestTimeout RequestTimeout"
        cable.plug_in()
        client.go_on()
        assert client.end() == "7\nTrue 0 0\n"


def test_a_peer_that_vanishes_in_mid_batch() -> None:
    """A long read under way when the cable is pulled: what came is kept, and the rest is said to be missing."""
    program = f"""{BEGIN}
    client = fm.Client(sys.argv[1], 5020, timeout=0.3, retries=1)
    assert right(client)
    print("reading")
    try:
        while True:
            client.read_holding_registers(0, 60000)
    except fm.RequestTimeout as error:
        kept = error.ok
        assert np.array_equal(error.partial[kept], np.arange(60000)[kept])
        print("kept what came")
    """
    with joined(SIMULATOR, program) as (server, client, cable):
        server.go_on()
        assert server.says() == "serving"
        client.go_on()
        assert client.says() == "reading"
        cable.unplug()
        assert client.end() == "kept what came\n"


def test_the_kernel_gives_a_dead_connection_up() -> None:
    """What is sent and never acknowledged ends the connection (shortened here from 40 s): the call says it was lost."""
    program = f"""{BEGIN}
    client = fm.Client(sys.argv[1], 5020, timeout=300, retries=0, connect_timeout=30)
    assert right(client)
    tcp, own = socket.IPPROTO_TCP, connection()
    print(own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), own.getsockopt(tcp, socket.TCP_USER_TIMEOUT),
          own.getsockopt(tcp, socket.TCP_KEEPIDLE), own.getsockopt(tcp, socket.TCP_NODELAY))
    own.setsockopt(tcp, socket.TCP_USER_TIMEOUT, 500)
    own.close()
    step("shortened")
    step(failure(lambda: client.read_coils(0)), client.connected, client.stats.losses)
    print(right(client), client.stats.connections)
    """
    with joined(SIMULATOR, program) as (server, client, cable):
        server.go_on()
        assert server.says() == "serving"
        client.go_on()
        assert client.says() == "1 40000 20 1"
        assert client.says() == "shortened"
        cable.unplug()
        client.go_on()
        assert client.says() == LOST
        assert client.says() == "ConnectionFailed False 1"
        cable.plug_in()
        client.go_on()
        assert client.end() == "True 2\n"


def test_an_idle_connection_whose_peer_vanished_is_found() -> None:
    """Keepalive (shortened here from 40 s) notices it while nobody asks: the next call begins with a new connection."""
    program = f"""{BEGIN}
    client = fm.Client(sys.argv[1], 5020, timeout=300, connect_timeout=30)
    assert right(client)
    own = connection()
    for name, value in ("KEEPIDLE", 1), ("KEEPINTVL", 1), ("KEEPCNT", 1), ("USER_TIMEOUT", 500):
        own.setsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_" + name), value)
    step("idle")
    closed = threading.Event()
    while own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == ESTABLISHED:
        closed.wait(0.02)
    own.close()
    step("noticed")
    client.write_register(9, 8)
    print(client.read_holding_registers(9)[0], client.stats.connections)
    """
    with joined(SIMULATOR, program) as (server, client, cable):
        server.go_on()
        assert server.says() == "serving"
        client.go_on()
        assert client.says() == "idle"
        cable.unplug()
        client.go_on()
        assert client.says() == "noticed"
        cable.plug_in()
        client.go_on()
        assert client.end() == f"{LOST}\n8 2\n"
