"""A connection over real sockets: values, losses, timeouts, sharing by threads, closing.

Threads other than the main one have no tick that would hide a forgotten wake-up: what matters is tried in them.
"""

import itertools
import os
import resource
import socket
import sys
import threading

import pytest

from core.line import MS, PATTERN, SECOND, expected, left, limits, read, registers, request, statuses, write
from core.sockets import FOREVER, Driver, connect, drive, server_of, wait_for
from fastmodbus._core.batch import read_batch
from fastmodbus._core.reactor import CONNECT, DONE, EVENTS, Connection, now
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
        assert link.run(batch) == DONE
        device.join()
        assert out.tolist() == [0x1234]
        link.close()


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
        assert link.run(batch, False) in (DONE, CONNECT)  # the fourth request had left or not
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


# ---------------------------------------------------------------------------------------------- threads


def test_many_threads_share_a_connection() -> None:
    with server_of() as server:
        link = Connection(8)
        found = []

        def work(start: int) -> None:
            for k in range(20):
                batch, out = read(3, each=10, address=start + k)
                drive(link, batch, server)
                found.append(out.tolist() == expected(start + k, 30))

        threads = [threading.Thread(target=work, args=[1000 * i], daemon=True) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert found == [True] * 160
        assert link.in_flight == 0
        link.close()


def test_a_quick_call_does_not_wait_for_a_slow_one_that_drives() -> None:
    gate = threading.Event()

    def unequal(device: Device) -> None:
        slow = device.receive()
        device.serve(1)
        device.wait(gate)
        device.answer(slow)

    with server_of(unequal) as server:
        link = Connection(2)
        slow, slow_out = read(1, timeout=FOREVER)
        driver = Driver(link, slow, server)
        server.wait_for_requests(1)
        quick, out = read(1, address=9, timeout=FOREVER)
        Driver(link, quick, server).end()
        assert out.tolist() == expected(9, 1)
        assert slow.unfinished
        gate.set()
        driver.end()
        assert slow_out.tolist() == expected(0, 1)
        link.close()


def test_who_waits_goes_on_when_the_driver_is_done() -> None:
    gate = threading.Event()

    def unequal(device: Device) -> None:
        quick, slow = device.receive_many(2)
        device.answer(quick)
        device.wait(gate)
        device.answer(slow)

    with server_of(unequal) as server:
        link = Connection(2)
        quick, _ = read(1, timeout=FOREVER)
        driver = Driver(link, quick, server)
        server.wait_for_requests(1)
        slow, out = read(1, address=9, timeout=FOREVER)
        waiter = Driver(link, slow, server)
        driver.end()
        assert slow.unfinished
        gate.set()
        waiter.end()
        assert out.tolist() == expected(9, 1)
        link.close()


def test_a_deadline_is_kept_while_another_thread_drives() -> None:
    with server_of(silent) as server:
        link = Connection(1)
        slow, _ = read(1, timeout=FOREVER)
        driver = Driver(link, slow, server)
        server.wait_for_requests(1)
        batch, out = read(1, timeout=FOREVER, deadline=now() + 50 * MS)
        Driver(link, batch, server).end()
        assert statuses(batch) == [Status.DEADLINE]
        assert left(batch) == [False]
        assert out.tolist() == [PATTERN]
        assert slow.unfinished
        link.close()
        driver.end()


def test_a_deadline_is_kept_while_another_thread_connects() -> None:
    with server_of() as server:
        link = Connection(1)
        first, first_out = read(1, timeout=FOREVER)
        assert link.run(first, False) == CONNECT  # this thread drives now, and is in Python
        batch, _ = read(1, timeout=FOREVER, deadline=now() + 50 * MS)
        Driver(link, batch, server).end()
        assert statuses(batch) == [Status.DEADLINE]
        drive(link, first, server)
        assert first_out.tolist() == expected(0, 1)
        link.close()


def test_who_cannot_connect_gives_up_for_all_without_a_deadline() -> None:
    with server_of() as server:
        link = Connection(1)
        first, _ = read(1)
        assert link.run(first, False) == CONNECT
        patient, out = read(1, deadline=now() + 1000 * SECOND)
        hasty, _ = read(1)
        drivers = [Driver(link, batch, server) for batch in (patient, hasty)]
        wait_for(lambda: patient.attached and hasty.attached)
        link.give_up(first)
        for driver in drivers:
            driver.end()
        assert statuses(first) == [Status.UNREACHABLE]
        assert statuses(hasty)[0] in (Status.UNREACHABLE, Status.OK)  # it may have come after
        assert out.tolist() == expected(0, 1)
        link.detach(first)
        link.close()


# ---------------------------------------------------------------------------------------------- closing


@pytest.mark.parametrize("stage", ["waiting", "connecting", "nothing"])
def test_close_ends_calls_of_other_threads(stage: str) -> None:
    with server_of(silent) as server:
        link = Connection(1)
        drivers, batches = [], []
        if stage != "nothing":
            batches = [read(2, timeout=FOREVER)[0] for _ in range(3)]
        if stage == "waiting":
            drivers = [Driver(link, batch, server) for batch in batches]
            server.wait_for_requests(1)
            wait_for(lambda: all(batch.attached for batch in batches))
        elif stage == "connecting":
            assert link.run(batches[0], False) == CONNECT
            drivers = [Driver(link, batch, server) for batch in batches[1:]]
            wait_for(lambda: all(batch.attached for batch in batches))
        link.close()
        link.close()
        for driver in drivers:
            driver.end()
        if stage == "connecting":
            assert link.run(batches[0], False) == DONE
        for batch in batches:
            assert statuses(batch) == [Status.CLOSED] * 2
        assert not link.connected
        assert link.closed
        after, _ = read(1)
        assert link.run(after, False) == DONE
        assert statuses(after) == [Status.CLOSED]


def test_close_while_a_peer_does_not_read() -> None:
    with server_of(lambda device: device.wait(threading.Event()), receive_buffer=4096) as server:
        link = Connection(4096, pipeline_writes=True)
        connect(link, server, send_buffer=4096)
        batch = write(400, each=123, timeout=FOREVER)
        driver = Driver(link, batch, server)
        wait_for(lambda: link.counters()["bytes_sent"] > 0)
        link.close()
        driver.end()
        assert set(statuses(batch)) == {Status.CLOSED}
        assert left(batch)[0]
        server.stopping.set()


# ---------------------------------------------------------------------------------------------- the end of a loan


def ended_by_answers(link: Connection, batch, server, requests) -> None:
    drive(link, batch, server)


def ended_by_deadline(link: Connection, batch, server, requests) -> None:
    batch.limits(FOREVER, now() + 30 * MS, 0)
    drive(link, batch, server)


def ended_by_timeout(link: Connection, batch, server, requests) -> None:
    batch.limits(30 * MS, 2**63 - 1, 0)
    drive(link, batch, server)


def ended_by_close(link: Connection, batch, server, requests) -> None:
    driver = Driver(link, batch, server)
    server.wait_for_requests(requests)
    link.close()
    driver.end()


def ended_by_detach(link: Connection, batch, server, requests) -> None:
    connect(link, server)
    other, _ = read(1, unit=2, timeout=30 * MS)
    driver = Driver(link, other, server)
    run = threading.Thread(target=link.run, args=[batch, False], daemon=True)
    run.start()
    server.wait_for_requests(requests)
    link.detach(batch)
    driver.end()
    run.join(30)
    assert not run.is_alive()


@pytest.mark.parametrize("end", [ended_by_deadline, ended_by_timeout, ended_by_close, ended_by_detach])
@pytest.mark.parametrize("answered", [0, 2])
def test_every_exit_from_a_batch_ends_the_loan(end, answered: int) -> None:
    """Late answers come when the call is over and its array is somebody else's: nothing of it may change."""
    gate = threading.Event()

    def late(device: Device) -> None:
        requests = device.receive_many(4)
        for each in requests[:answered]:
            device.answer(each)
        device.wait(gate)
        for each in requests[answered:]:
            device.answer(each)
        device.serve()

    with server_of(late) as server:
        link = Connection(8)
        out = registers(4)
        batch = limits(read_batch(3, 1, 0, 4, 1, out), FOREVER)
        end(link, batch, server, 4)
        assert not batch.attached
        assert batch.unfinished == 0
        done = statuses(batch).count(Status.OK)
        assert done <= answered
        out[:] = 0x5A5A
        results = [batch.result(i) for i in range(4)]
        gate.set()
        if not link.closed:
            again, values = read(3, address=50)
            drive(link, again, server)  # drives the late answers in
            assert values.tolist() == expected(50, 3)
            assert link.counters()["stale"] > 0
            link.close()
        assert out.tolist() == [0x5A5A] * 4
        assert [batch.result(i) for i in range(4)] == results
