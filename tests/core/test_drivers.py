"""Threads that share a connection: who drives, who waits, closing beside them, and the end of a loan.

Threads other than the main one have no tick that would hide a forgotten wake-up: what matters is tried in them.
"""

import threading

import pytest

from core.line import MS, PATTERN, SECOND, expected, left, limits, read, registers, statuses, write
from core.sockets import FOREVER, Driver, connect, drive, server_of, wait_for
from fastmodbus._core.batch import read_batch
from fastmodbus._core.reactor import CONNECT, DONE, EVENTS_TO_TELL, Connection, now
from fastmodbus.spec import Status
from scripted import Connection as Device
from scripted import silent

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
            assert link.run(batches[0], False) in (DONE, EVENTS_TO_TELL)
        for batch in batches:
            assert statuses(batch) == [Status.CLOSED] * 2
        assert not link.connected
        assert link.closed
        after, _ = read(1)
        assert link.run(after, False) in (DONE, EVENTS_TO_TELL)
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
