"""Connections that go, over real sockets: losses, idle connections, and whose descriptors are whose.

Threads other than the main one have no tick that would hide a forgotten wake-up: what matters is tried in them.
"""

import os
import socket
import sys
import threading

import pytest

from core.line import expected, read, statuses, write
from core.sockets import FOREVER, Driver, connect, drive, server_of
from fastmodbus._core.reactor import CONNECT, DONE, EVENTS, EVENTS_TO_TELL, Connection
from fastmodbus.spec import Status
from scripted import Connection as Device
from scripted import silent

# ---------------------------------------------------------------------------------------------- losses


def closing_after(answers: int, how: str):
    def script(device: Device) -> None:
        device.serve(answers)
        device.receive()
        getattr(device, how)()

    return script


@pytest.mark.parametrize("how", ["finish", "close", "reset"])
@pytest.mark.parametrize("answers", [0, 1, 7])
def test_reads_survive_a_connection_that_goes(how: str, answers: int) -> None:
    with server_of(closing_after(answers, how), lambda device: device.serve()) as server:
        link = Connection(4)
        batch, out = read(20, repeats=1, timeout=FOREVER)
        Driver(link, batch, server).end()
        assert out.tolist() == expected(0, 20)
        assert server.connections == 2
        assert link.counters()["losses"] == 1
        kinds = [event[1] for event in link.drain_events()[0]]
        assert kinds == [EVENTS["CONNECTED"], EVENTS["LOST"], EVENTS["CONNECTED"]]
        link.close()


@pytest.mark.parametrize("how", ["finish", "close", "reset"])
def test_without_repeats_a_loss_is_told_at_once(how: str) -> None:
    with server_of(closing_after(2, how), silent) as server:
        link = Connection(2)
        batch, out = read(4, timeout=FOREVER)
        connect(link, server)
        assert link.run(batch, False) in (DONE, EVENTS_TO_TELL, CONNECT)  # the fourth request had left or not
        link.detach(batch)
        assert statuses(batch)[:2] == [Status.OK] * 2
        assert Status.LOST in statuses(batch)
        assert out.tolist()[:2] == expected(0, 2)
        link.close()


def test_an_idle_connection_that_was_closed_is_replaced_before_it_is_used() -> None:
    def once(device: Device) -> None:
        device.serve(1)
        device.close()

    with server_of(once, lambda device: device.serve()) as server:
        link = Connection(1)
        first = write(1, address=7)
        drive(link, first, server)
        server.wait_for_gone(1)
        second = write(1, address=8)
        drive(link, second, server)
        assert first.ok()
        assert second.ok()
        assert server.connections == 2
        link.close()


def test_an_idle_connection_with_bytes_nobody_asked_for_is_replaced() -> None:
    def noisy(device: Device) -> None:
        request = device.receive()
        device.send(device.honest(request) + b"\xff")
        device.wait_until_read()
        device.drain()

    with server_of(noisy, lambda device: device.serve()) as server:
        link = Connection(1)
        for address in (7, 8):
            batch, out = read(1, address=address)
            drive(link, batch, server)
            assert out.tolist() == expected(address, 1)
        assert server.connections == 2
        link.close()


def test_a_connection_idle_for_too_long_is_replaced() -> None:
    with server_of() as server:
        link = Connection(1, idle_close=1)
        for address in (7, 8):
            batch, out = read(1, address=address)
            drive(link, batch, server)
            assert out.tolist() == expected(address, 1)
        assert server.connections == 2
        link.close()


def test_an_idle_connection_can_be_dropped() -> None:
    with server_of() as server:
        link = Connection(1)
        assert not link.drop()
        batch, _ = read(1)
        drive(link, batch, server)
        assert link.drop()
        assert not link.connected
        server.wait_for_gone(1)
        batch, out = read(1)
        drive(link, batch, server)
        assert out.tolist() == expected(0, 1)
        assert server.connections == 2
        link.close()


def test_a_connection_in_use_is_not_dropped() -> None:
    gate = threading.Event()

    def late(device: Device) -> None:
        request = device.receive()
        device.wait(gate)
        device.answer(request)

    with server_of(late) as server:
        link = Connection(1)
        batch, out = read(1, timeout=FOREVER)
        driver = Driver(link, batch, server)
        server.wait_for_requests(1)
        assert not link.drop()
        gate.set()
        driver.end()
        assert out.tolist() == expected(0, 1)
        link.close()


# ---------------------------------------------------------------------------------------------- descriptors


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_socket_that_is_not_needed_is_closed() -> None:
    ours, theirs = socket.socketpair()
    more, others = socket.socketpair()
    with theirs, others:
        link = Connection(1)
        kept, unneeded = ours.detach(), more.detach()
        link.attach(kept)
        link.attach(unneeded)
        assert is_open(kept)
        assert not is_open(unneeded)
        link.close()
        assert not is_open(kept)
        late = os.dup(theirs.fileno())
        link.attach(late)
        assert not is_open(late)
        assert not link.connected
        assert link.closed


def test_what_is_no_descriptor_is_refused() -> None:
    link = Connection(1)
    with pytest.raises(OSError, match="non-blocking"):
        link.attach(-1)
    assert not link.connected


@pytest.mark.thread_unsafe(reason="the descriptors are the process's")
def test_descriptors_are_closed_with_the_connection() -> None:
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    for _ in range(5):
        ours, theirs = socket.socketpair()
        with theirs:
            link = Connection(1)
            link.attach(ours.detach())
            del link
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_batch_runs_on_the_connection_it_was_given_to() -> None:
    one, two = Connection(1), Connection(1)
    batch, _ = read(1)
    assert one.run(batch) == CONNECT
    with pytest.raises(ValueError, match="another connection"):
        two.run(batch)
    two.detach(batch)
    assert batch.attached
    one.detach(batch)
    assert statuses(batch) == [Status.CANCELLED]
