"""The loop over real sockets: it polls, shares its connections with calling threads, and lets go of them."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from core.line import MS, SECOND, expected, read, statuses, write
from core.polled import Rows, poll_of
from core.sockets import FOREVER, Driver, connect, drive, server_of, wait_for
from fastmodbus._core.jobs import Job, Poll
from fastmodbus._core.loop import Loop
from fastmodbus._core.reactor import Connection, now
from fastmodbus.quality import Quality
from fastmodbus.spec import Status
from scripted import Connection as Device
from scripted import ScriptedServer


@contextmanager
def running(loop: Loop) -> Iterator[Loop]:
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    wait_for(lambda: loop.running)
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(30)
        assert not thread.is_alive(), "the loop hangs"


def job_on(link: Connection, poll: Poll, every: int = 2 * MS, **options: int) -> Job:
    return Job(link, poll, now() + 5 * MS, every, **options)


def test_rows_come_and_are_right() -> None:
    with server_of() as server, running(Loop()) as loop:
        link, poll = Connection(4), poll_of([100, 200], capacity=100_000)
        connect(link, server)
        job = job_on(link, poll)
        loop.add(link, job)
        wait_for(lambda: job.counters()["good"] >= 200)
        loop.remove(link, job)
        rows = Rows(job, poll)
        assert (np.diff(rows.due) == 2 * MS).all()
        good = (rows.statuses == 0).all(axis=1)
        assert good.sum() >= 200
        assert (rows.images[good] == [*expected(100, 2), *expected(200, 2)]).all()
        assert server.connections == 1
        link.close()


def test_many_connections_and_jobs() -> None:
    with server_of() as server, running(Loop()) as loop:
        links = [Connection(4) for _ in range(50)]
        jobs = []
        for link in links:
            connect(link, server)
            for every in (20 * MS, 50 * MS):
                jobs.append((link, job_on(link, poll_of([7], timeout=FOREVER), every)))
                loop.add(*jobs[-1])
        wait_for(lambda: all(job.counters()["good"] >= 5 for _, job in jobs))
        for link, job in jobs:
            loop.remove(link, job)
        for link in links:
            link.close()
        assert server.connections == 50


def test_calls_of_other_threads_go_out_between_the_rows() -> None:
    with server_of() as server, running(Loop()) as loop:
        link = Connection(2)
        connect(link, server)
        job = job_on(link, poll_of([100, 200], timeout=FOREVER))
        loop.add(link, job)
        for n in range(100):
            batch, out = read(3, address=n, each=5, timeout=FOREVER)
            drive(link, batch, server)
            assert out.tolist() == expected(n, 15)
            order = write(1, address=5000, timeout=FOREVER)
            drive(link, order, server)
            assert statuses(order) == [Status.OK]
        assert job.rows > 0
        assert server.connections == 1
        loop.remove(link, job)
        link.close()


def test_a_connection_joins_while_a_thread_drives_it_and_comes_back() -> None:
    """A thread is in the middle of a long read when the loop claims the connection, and again when it lets go."""
    gate = threading.Event()

    def slow(device: Device) -> None:
        first = device.receive()
        device.wait(gate)
        device.answer(first)
        device.serve()

    with server_of(slow) as server, running(Loop()) as loop:
        link = Connection(1)
        batch, out = read(50, each=10, timeout=FOREVER)
        driver = Driver(link, batch, server)
        server.wait_for_requests(1)
        job = job_on(link, poll_of([7], timeout=FOREVER), 5 * MS)
        loop.add(link, job)
        gate.set()
        driver.end()
        assert out.tolist() == expected(0, 500)
        wait_for(lambda: job.counters()["good"] >= 3)
        loop.remove(link, job)
        again, values = read(5, each=10, timeout=FOREVER)
        drive(link, again, server)
        assert values.tolist() == expected(0, 50)
        assert server.connections == 1
        link.close()


def test_a_loss_is_reported_and_rows_go_on() -> None:
    gate = threading.Event()

    def drop(device: Device) -> None:
        device.serve(3)
        device.close()

    with server_of(drop, lambda device: device.serve()) as server, running(Loop()) as loop:
        link, poll = Connection(1), poll_of([7], timeout=FOREVER, capacity=100_000)
        connect(link, server)
        assert loop.reports() == []
        job = job_on(link, poll)
        loop.add(link, job)
        heard = 0
        while not (reports := loop.reports()) or not reports[0][1]:
            heard = loop.wait_news(heard, SECOND)
        assert reports[0][0] is link
        assert not link.connected
        lost_at = job.rows
        wait_for(lambda: job.rows > lost_at + 10)
        connect(link, server)
        good = job.counters()["good"]
        wait_for(lambda: job.counters()["good"] > good + 10)
        loop.remove(link, job)
        rows = Rows(job, poll)
        assert (np.diff(rows.due) == 2 * MS).all()
        assert Quality.LINK in rows.statuses
        assert (rows.images[rows.statuses[:, 0] == 0] == expected(7, 2)).all()
        link.close()
    gate.set()


def test_calls_wait_for_a_connection_while_one_is_tried_and_end_when_that_failed() -> None:
    with server_of() as server, running(Loop()) as loop:
        link = Connection(1)
        job = job_on(link, poll_of([7], timeout=FOREVER))
        loop.add(link, job)
        batch, _ = read(1, timeout=FOREVER)
        waiting = threading.Thread(target=link.run, args=[batch, False], daemon=True)
        waiting.start()
        wait_for(lambda: any(wanted for _, wanted, _ in loop.reports()))
        assert batch.unfinished
        loop.unreachable(link, True)
        waiting.join(30)
        assert statuses(batch) == [Status.UNREACHABLE]
        loop.unreachable(link, False)
        again, out = read(1, address=3, timeout=FOREVER)
        second = Driver(link, again, server)
        connect(link, server)
        second.end()
        assert out.tolist() == expected(3, 1)
        loop.remove(link, job)
        link.close()


def test_closing_a_polled_connection() -> None:
    with server_of() as server, running(Loop()) as loop:
        link, poll = Connection(1), poll_of([7], timeout=FOREVER)
        connect(link, server)
        job = job_on(link, poll)
        loop.add(link, job)
        wait_for(lambda: job.counters()["good"] > 3)
        link.close()
        assert not link.connected
        server.wait_for_gone(1)
        batch, _ = read(1)
        link.run(batch)
        assert statuses(batch) == [Status.CLOSED]
        before = job.rows
        wait_for(lambda: job.rows > before + 3)
        loop.remove(link, job)


def test_the_loop_lets_go_when_it_ends_and_takes_up_again() -> None:
    loop = Loop()
    with server_of() as server:
        link, poll = Connection(1), poll_of([7], timeout=FOREVER, capacity=100_000)
        connect(link, server)
        job = job_on(link, poll)
        loop.add(link, job)
        for _ in range(3):
            with running(loop):
                good = job.counters()["good"]
                wait_for(lambda good=good: job.counters()["good"] > good + 5)
            rows = job.rows
            batch, out = read(2, timeout=FOREVER)
            drive(link, batch, server)
            assert out.tolist() == expected(0, 2)
            assert job.rows == rows
        assert (np.diff(Rows(job, poll).due) == 2 * MS).all()
        loop.remove(link, job)
        link.close()


def test_one_connection_is_polled_by_one_loop() -> None:
    link, loop = Connection(1), Loop()
    loop.add(link, job_on(link, poll_of([7])))
    other = job_on(link, poll_of([8]))
    with pytest.raises(ValueError, match="another loop"):
        Loop().add(link, other)
    with pytest.raises(ValueError, match="another connection"):
        loop.add(Connection(1), other)
    del loop
    Loop().add(link, other)


def test_jobs_come_and_go_while_it_runs() -> None:
    with server_of() as server, running(Loop()) as loop:
        links = [Connection(2) for _ in range(4)]
        for link in links:
            connect(link, server)
        random = np.random.default_rng(1)
        polled: list[tuple[Connection, Job]] = []
        for _ in range(300):
            if polled and random.random() < 0.5:
                loop.remove(*polled.pop(int(random.integers(len(polled)))))
            else:
                link = links[int(random.integers(len(links)))]
                job = job_on(
                    link, poll_of([int(random.integers(1000))], timeout=FOREVER), int(random.integers(1, 5)) * MS
                )
                polled.append((link, job))
                loop.add(link, job)
        wait_for(lambda: all(job.counters()["good"] > 0 for _, job in polled))
        for link in links:
            link.close()


def test_timers_in_any_order() -> None:
    """Many connections whose rows are due at scattered instants: each comes when it is due, none is forgotten."""
    with server_of() as server, running(Loop()) as loop:
        links = [Connection(1) for _ in range(30)]
        jobs = []
        for link, every in zip(links, itertools.cycle([7, 11, 13, 17, 29, 50]), strict=False):
            connect(link, server)
            jobs.append((link, job_on(link, poll_of([7], timeout=FOREVER), every * MS, rows=10)))
        for link, job in jobs:
            loop.add(link, job)
        wait_for(lambda: all(job.done for _, job in jobs))
        assert [job.rows for _, job in jobs] == [10] * 30
        for link in links:
            link.close()


def test_a_peer_that_reads_late_holds_up_nobody_else() -> None:
    gate = threading.Event()

    def stuck(device: Device) -> None:
        device.wait(gate)
        device.serve()

    with ScriptedServer(stuck, receive_buffer=4096) as slow, server_of() as server, running(Loop()) as loop:
        full, link = Connection(64, pipeline_writes=True), Connection(1)
        connect(full, slow, send_buffer=4096)
        connect(link, server)
        other = job_on(full, poll_of([1], timeout=FOREVER), 20 * MS)
        job = job_on(link, poll_of([7], timeout=FOREVER))
        loop.add(full, other)
        loop.add(link, job)
        batch = write(400, each=123, timeout=FOREVER)
        writer = Driver(full, batch, slow)
        wait_for(lambda: job.counters()["good"] > 50)
        gate.set()
        writer.end()
        assert batch.ok()
        good = other.counters()["good"]
        wait_for(lambda: other.counters()["good"] > good)
        full.close()
        link.close()
