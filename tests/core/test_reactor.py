"""A connection over real sockets: values, timeouts, deadlines.

Threads other than the main one have no tick that would hide a forgotten wake-up: what matters is tried in them.
"""

import itertools
import os
import resource
import socket
import threading

import pytest

from core.line import MS, expected, left, read, request, statuses, write
from core.sockets import FOREVER, Driver, connect, drive, server_of, wait_for
from fastmodbus._core.reactor import DONE, EVENTS_TO_TELL, Connection, now
from fastmodbus.spec import Fault, Status
from scripted import Connection as Device
from scripted import silent

# ---------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("coalesce", [False, True])
@pytest.mark.parametrize("window", [1, 3, 16, 300, 4096])
def test_values_over_a_socket(window: int, coalesce: bool) -> None:
    with server_of() as server:
        link = Connection(window, coalesce=coalesce)
        batch, out = read(500, each=20, address=40)
        drive(link, batch, server)
        assert batch.ok()
        assert out.tolist() == expected(40, 10_000)
        writes = write(5, address=100, each=3)
        drive(link, writes, server)
        assert server.bank.holding[100:115] == list(range(15))
        assert link.connected
        assert server.connections == 1
        assert link.in_flight == 0
        link.close()
        server.wait_for_gone(1)


def test_over_a_pair_of_unix_sockets() -> None:
    """MSG_EOR means nothing there, and is no error."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        request = theirs.recv(12, socket.MSG_WAITALL)
        theirs.sendall(request[:4] + b"\0\5\1\3\2\x12\x34")

    link = Connection(2)
    batch, out = read(1)
    with theirs:
        link.attach(ours.detach())
        device = threading.Thread(target=answer)
        device.start()
        assert link.run(batch) in (DONE, EVENTS_TO_TELL)
        device.join()
        assert out.tolist() == [0x1234]
        link.close()


@pytest.mark.thread_unsafe(reason="the limit and the numbers of descriptors are the process's")
def test_descriptors_above_1024() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with server_of() as server:
            link = Connection(4)
            made = socket.create_connection((server.host, server.port))
            number = os.dup2(made.fileno(), 3000)
            made.close()
            link.attach(number)
            batch, out = read(20, each=50)
            drive(link, batch, server)
            assert out.tolist() == expected(0, 1000)
            link.close()
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(3000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("coalesce", [False, True])
def test_a_peer_that_reads_late_gets_every_byte(coalesce: bool) -> None:
    """The kernel takes parts of requests: 400 writes of 259 bytes against tiny buffers on both sides."""
    gate = threading.Event()

    def slow(device: Device) -> None:
        device.wait(gate)
        device.serve()

    with server_of(slow, receive_buffer=4096) as server:
        link = Connection(4096, coalesce=coalesce, pipeline_writes=True)
        connect(link, server, send_buffer=4096)
        batch = write(400, each=123)
        batch.limits(FOREVER, 2**63 - 1, 0)
        driver = Driver(link, batch, server)
        wait_for(lambda: link.counters()["bytes_sent"] > 0, "some bytes")
        assert link.counters()["bytes_sent"] < 400 * 259
        gate.set()
        driver.end()
        assert batch.ok()
        assert server.bank.holding[: 400 * 123] == [i & 0xFFFF for i in range(400 * 123)]
        assert server.connections == 1
        link.close()


def test_a_peer_that_never_reads_costs_the_timeout() -> None:
    with server_of(lambda device: device.wait(threading.Event()), receive_buffer=4096) as server:
        link = Connection(4096, pipeline_writes=True)
        connect(link, server, send_buffer=4096)
        batch = write(400, each=123, timeout=100 * MS)
        Driver(link, batch, server).end()
        assert not batch.ok()
        assert Status.TIMEOUT in statuses(batch)
        assert left(batch)[0]
        assert not left(batch)[-1]
        assert link.fault == Fault.PARTIAL
        server.stopping.set()


# ---------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("repeats", [0, 2])
def test_a_timeout_ends_a_call_in_any_thread(repeats: int) -> None:
    with server_of(silent) as server:
        link = Connection(2)
        batch, _ = read(2, timeout=30 * MS, repeats=repeats)
        Driver(link, batch, server).end()
        assert statuses(batch) == [Status.TIMEOUT] * 2
        server.wait_for_requests(2 * (repeats + 1))
        link.close()


def test_a_deadline_ends_a_call_in_any_thread() -> None:
    with server_of(silent) as server:
        link = Connection(1)
        batch, _ = read(3, timeout=FOREVER, deadline=now() + 50 * MS)
        Driver(link, batch, server).end()
        assert statuses(batch) == [Status.DEADLINE] * 3
        link.close()


def test_a_request_without_an_answer_ends_a_call_in_any_thread() -> None:
    with server_of(silent) as server:
        link = Connection(1)
        batch, _ = request("08 0004 0000", timeout=FOREVER)
        Driver(link, batch, server).end()
        assert batch.ok()
        link.close()


def test_a_gap_between_requests_over_a_socket() -> None:
    with server_of() as server:
        link = Connection(4, request_gap=2 * MS, connect_delay=5 * MS)
        batch, out = read(5)
        began = now()
        Driver(link, batch, server).end()
        assert out.tolist() == expected(0, 5)
        sent = [batch.times(i)[0] for i in range(5)]
        assert sent[0] - began >= 5 * MS
        assert all(later - earlier >= 2 * MS for earlier, later in itertools.pairwise(sent))
        link.close()


def test_busy_is_waited_for_in_any_thread() -> None:
    def busy(device: Device) -> None:
        device.answer(device.receive(), b"\x83\x06")
        device.serve()

    with server_of(busy) as server:
        link = Connection(1)
        batch, out = read(1, repeats=1)
        Driver(link, batch, server).end()
        assert out.tolist() == expected(0, 1)
        link.close()
