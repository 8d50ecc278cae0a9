"""Signals in a call that blocks: their handlers run soon, whoever drives, and may do anything, calls included.

The timeouts here are hours: a handler that is not run, or an exception that does not come out, makes a test hang.
"""

import _thread
import signal
import sys
import threading

import pytest

from core.line import PATTERN, expected, read, statuses, write
from core.sockets import FOREVER, Driver, connect, drive, handler, server_of, wait_for
from fastmodbus._core.reactor import CONNECT, DONE, EVENTS_TO_TELL, Connection
from fastmodbus.spec import Status
from scripted import Connection as Device
from scripted import silent

pytestmark = pytest.mark.thread_unsafe(reason="signals come to the main thread")

if sys.platform == "win32":
    pytest.skip("platform: signals for threads are POSIX's", allow_module_level=True)


class Interrupted(Exception):
    """What the handlers here raise."""


def interrupt() -> None:
    raise Interrupted


def signalling_after(requests: int, send_signal, *, answers: bool = False):
    """A device that sends the signal when it has so many requests, and then answers all of them or none."""

    def script(device: Device) -> None:
        frames = device.receive_many(requests)
        send_signal()
        for frame in frames if answers else []:
            device.answer(frame)
        device.serve() if answers else silent(device)

    return script


def test_an_exception_of_a_handler_comes_out_of_a_call() -> None:
    with handler(interrupt) as send_signal, server_of(signalling_after(1, send_signal)) as server:
        link = Connection(1)
        batch, out = read(3, timeout=FOREVER)
        with pytest.raises(Interrupted):
            drive(link, batch, server)
        assert statuses(batch) == [Status.CANCELLED] * 3
        assert out.tolist() == [PATTERN] * 3
        link.close()


def test_keyboard_interrupt_comes_out_of_a_call() -> None:
    def press(device: Device) -> None:
        device.receive()
        _thread.interrupt_main()  # as Ctrl-C, but without interrupting a system call: the tick has to find it

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with server_of(press) as server:
            link = Connection(1)
            batch, _ = read(1, timeout=FOREVER)
            with pytest.raises(KeyboardInterrupt):
                drive(link, batch, server)
            link.close()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_exception_of_a_handler_comes_out_while_another_thread_drives() -> None:
    gate = threading.Event()

    def late(device: Device) -> None:
        first = device.receive()
        device.receive()
        send_signal()
        device.wait(gate)
        device.answer(first)

    with handler(interrupt) as send_signal, server_of(late) as server:
        link = Connection(2)
        slow, slow_out = read(1, timeout=FOREVER)
        driver = Driver(link, slow, server)
        server.wait_for_requests(1)
        batch, out = read(1, address=9, timeout=FOREVER)
        with pytest.raises(Interrupted):
            drive(link, batch, server)
        assert statuses(batch) == [Status.CANCELLED]
        gate.set()
        driver.end()
        assert slow_out.tolist() == expected(0, 1)
        assert out.tolist() == [PATTERN]
        link.close()


def test_others_go_on_when_the_driver_is_interrupted() -> None:
    gate = threading.Event()

    def late(device: Device) -> None:
        device.receive()
        second = device.receive()
        send_signal()
        device.wait(gate)
        device.answer(second)

    with handler(interrupt) as send_signal, server_of(late) as server:
        link = Connection(2)
        connect(link, server)
        other, out = read(1, address=9, timeout=FOREVER)
        drivers = []

        def join_in() -> None:
            server.wait_for_requests(1)
            drivers.append(Driver(link, other, server))

        joining = threading.Thread(target=join_in, daemon=True)
        joining.start()
        batch, _ = read(1, timeout=FOREVER)
        with pytest.raises(Interrupted):
            drive(link, batch, server)
        joining.join(30)
        gate.set()
        drivers[0].end()
        assert out.tolist() == expected(9, 1)
        link.close()


@pytest.mark.parametrize("requests", [1, 4])
def test_a_handler_that_raises_nothing_disturbs_nothing(requests: int) -> None:
    seen = []
    with (
        handler(lambda: seen.append(1)) as send_signal,
        server_of(signalling_after(requests, send_signal, answers=True)) as server,
    ):
        link = Connection(4)
        batch, out = read(20, timeout=FOREVER)
        drive(link, batch, server)
        assert out.tolist() == expected(0, 20)
        assert server.connections == 1
        wait_for(lambda: seen == [1])
        link.close()


@pytest.mark.parametrize("window", [1, 2])
def test_a_handler_may_call_on_the_same_connection(window: int) -> None:
    found = []

    def hold(device: Device) -> None:
        first = device.receive()
        send_signal()
        device.serve(2 if window == 2 else 0)  # what the handler asks, before what it interrupted
        device.answer(first)
        device.serve()

    with server_of(hold) as server:
        link = Connection(window)

        def ask() -> None:
            batch, out = read(2, address=77, timeout=FOREVER)
            drive(link, batch, server)
            found.append(out.tolist())

        with handler(ask) as send_signal:
            batch, out = read(1, timeout=FOREVER)
            drive(link, batch, server)
            assert out.tolist() == expected(0, 1)
            wait_for(lambda: bool(found))
        assert found == [expected(77, 2)]
        assert server.connections == 1
        link.close()


def test_a_handler_may_call_while_its_thread_connects() -> None:
    with server_of() as server:
        link = Connection(1)
        batch, out = read(2)
        assert link.run(batch) == CONNECT
        inner, inner_out = read(1, address=9)
        drive(link, inner, server)  # as a handler would, between CONNECT and attach
        connect(link, server)  # in vain: there is a connection
        assert link.run(batch) in (DONE, EVENTS_TO_TELL)
        assert (out.tolist(), inner_out.tolist()) == (expected(0, 2), expected(9, 1))
        assert link.counters()["connections"] == 1
        link.close()


def test_a_handler_may_close_the_connection() -> None:
    with server_of() as server:
        link = Connection(1)
        with handler(link.close) as send_signal:
            server.scripts = (signalling_after(1, send_signal),)
            batch, out = read(3, timeout=FOREVER)
            drive(link, batch, server)
        assert statuses(batch) == [Status.CLOSED] * 3
        assert out.tolist() == [PATTERN] * 3
        assert not link.connected
        server.wait_for_gone(1)


def test_a_handler_may_close_while_another_thread_drives() -> None:
    with server_of() as server:
        link = Connection(2)
        with handler(link.close) as send_signal:
            server.scripts = (signalling_after(2, send_signal),)
            slow, _ = read(1, timeout=FOREVER)
            driver = Driver(link, slow, server)
            server.wait_for_requests(1)
            batch = write(1, timeout=FOREVER)
            drive(link, batch, server)
        driver.end()
        assert statuses(batch) + statuses(slow) == [Status.CLOSED] * 2
        server.wait_for_gone(1)


def test_after_an_interrupt_the_next_call_is_right_and_the_array_is_free() -> None:
    gate = threading.Event()

    def late(device: Device) -> None:
        frames = device.receive_many(2)
        send_signal()
        device.wait(gate)
        for frame in frames:
            device.answer(frame)
        device.serve()

    with handler(interrupt) as send_signal, server_of(late) as server:
        link = Connection(4)
        batch, out = read(2, timeout=FOREVER)
        with pytest.raises(Interrupted):
            drive(link, batch, server)
        out[:] = 0x5A5A
        gate.set()
        again, values = read(5, address=9)
        drive(link, again, server)
        assert values.tolist() == expected(9, 5)
        assert out.tolist() == [0x5A5A] * 2
        assert link.counters()["stale"] == 2
        assert server.connections == 1
        link.close()
