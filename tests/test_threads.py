"""Many threads on one client, threads that compute beside it, and signals in the middle of a call."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

import fastmodbus as fm
from children import run_python, start_python
from reference import Bank
from scripted import Connection, ScriptedServer

pytestmark = pytest.mark.thread_unsafe(reason="makes threads of its own, as many as it needs")

THREADS = 16
ROUNDS = 64  # of ten calls: 16 threads make ten thousand
PATIENCE_SECONDS = 60


def together(jobs: list[Callable[[], None]]) -> None:
    """Run jobs in threads of their own, all at once; raise what one of them raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def guarded(job: Callable[[], None]) -> None:
        try:
            start.wait(PATIENCE_SECONDS)
            job()
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]


def mixed_calls(client: fm.Client, number: int) -> None:
    """A thread's own 1000 registers and coils, written and read in every way; each value is checked."""
    start, random = 1000 * number, np.random.default_rng(number)
    for i in range(ROUNDS):
        count = int(random.integers(1, 400))
        values = random.integers(0, 65536, count).astype(np.uint16)
        client.write_registers(start, values)
        assert np.array_equal(client.read_holding_registers(start, count), values)
        out = np.empty(count, np.uint16)
        client.read_input_registers(start, count, out=out)
        assert np.array_equal(out, np.arange(start, start + count))
        bits = random.integers(0, 2, count).astype(bool)
        client.write_coils(start, bits)
        assert np.array_equal(client.read_coils(start, count), bits)
        client.write_register(start + 999, i)
        assert client.read_write_registers(start + 998, 2, start + 998, [i + 1]).tolist() == [i + 1, i]
        client.mask_write_register(start + 999, 0, 0xFFFF)
        assert client.read_holding_registers(start + 999)[0] == 0xFFFF
        assert client.diagnostics(0, number) == number
        if i % 8 == 0:
            with pytest.raises(fm.IllegalDataAddress) as caught:
                client.read_discrete_inputs(start, 10)
            assert caught.value.address == start


@pytest.mark.parametrize("in_flight", [1, 16, "auto"])
@pytest.mark.parametrize("coalesce", [False, True], ids=["apart", "coalesced"])
def test_16_threads_share_a_client(in_flight: int | str, coalesce: bool) -> None:
    with (
        fm.Simulator(registers={"ir": range(65536)}, illegal=["di0-65535"]) as simulator,
        fm.connect(simulator.url, in_flight=in_flight, coalesce=coalesce, timeout=30) as client,
    ):
        together([lambda i=i: mixed_calls(client, i) for i in range(THREADS)])
        stats = client.stats
        # The adaptive window asks again for what is overdue while others are answered: on a machine that stood still.
        assert stats.stale == 0 or in_flight == "auto"
        assert stats.requests == stats.answers + stats.stale == simulator.requests
        assert (stats.timeouts, stats.retries, stats.unknown, stats.protocol_errors) == (0, 0, 0, 0)
        assert stats.exceptions == THREADS * ROUNDS // 8
        assert stats.in_flight == 0
        assert simulator.connections == 1


def test_threads_use_views_of_different_units() -> None:
    units = tuple(range(1, THREADS + 1))
    with fm.Simulator(units=units) as simulator, fm.connect(simulator.url, in_flight=8, timeout=30) as client:

        def use(number: int) -> None:
            view = client.at(number, in_flight=1 + number % 3)
            for i in range(100):
                view.write_registers(i, [number, i])
                assert view.read_holding_registers(i, 2).tolist() == [number, i]

        together([lambda i=i: use(i) for i in units])
        for number in units:
            assert simulator.unit(number).holding[:100].tolist() == [number] * 100
        assert simulator.connections == 1


def test_threads_while_connections_are_dropped() -> None:
    """Reads come through whatever happens; each value is right."""
    with (
        fm.Simulator(registers={"hr": range(65536)}) as simulator,
        fm.connect(simulator.url, in_flight=8, timeout=30, retries=100) as client,
    ):
        stop, dropped = threading.Event(), threading.Event()

        def read(number: int) -> None:
            """So often, and on until the other thread has had its turn, and once after it."""
            times = 0
            while times < 60 or not dropped.is_set():
                times += 1
                found = client.read_holding_registers(1000 * number, 500)
                assert np.array_equal(found, np.arange(1000 * number, 1000 * number + 500))
            client.read_holding_registers(0)

        def drop() -> None:
            """Again and again, but never before some more requests have come: on any machine it goes on."""
            dropped_at = 0
            while not stop.wait(0.001):
                if simulator.requests > dropped_at + 40:
                    simulator.disconnect(reset=True)
                    dropped_at = simulator.requests
                    dropped.set()

        dropper = threading.Thread(target=drop)
        dropper.start()
        try:
            together([lambda i=i: read(i) for i in range(8)])
        finally:
            stop.set()
            dropper.join(PATIENCE_SECONDS)
        assert client.stats.timeouts == 0
        assert client.stats.losses > 0


def test_a_thread_that_computes_does_not_stop_a_batch() -> None:
    """The interpreter is not needed between the requests of a batch."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    with (
        fm.Simulator(registers={"hr": range(65536)}) as simulator,
        fm.connect(simulator.url, in_flight=16, timeout=30) as client,
    ):
        busy = threading.Thread(target=compute)
        busy.start()
        try:
            for _ in range(3):
                assert np.array_equal(client.read_holding_registers(0, 20000), np.arange(20000))
        finally:
            stop.set()
            busy.join(PATIENCE_SECONDS)


def test_a_slow_call_of_one_thread_does_not_stop_the_others() -> None:
    """With room in the window, a request that is not answered holds nobody up."""
    gate = threading.Event()

    def answer_all_but_the_first(connection: Connection) -> None:
        first = connection.receive()
        connection.serve(300)
        connection.wait(gate)
        connection.answer(first)

    bank = Bank(holding=list(range(65536)))
    found: list[int] = []
    with (
        ScriptedServer(answer_all_but_the_first, bank=bank) as server,
        fm.connect(server.url, in_flight=2, timeout=30) as client,
    ):
        slow = threading.Thread(target=lambda: found.extend(client.read_holding_registers(7)))
        slow.start()
        server.wait_for_requests(1)
        for i in range(300):
            assert client.read_holding_registers(i).tolist() == [i]
        assert found == []
        gate.set()
        slow.join(PATIENCE_SECONDS)
    assert found == [7]


def test_a_deadline_is_kept_while_another_thread_drives() -> None:
    ended: list[bool] = []

    def drive(client: fm.Client) -> None:
        with pytest.raises(fm.ClientClosed):
            client.read_coils(0)
        ended.append(True)

    with (
        ScriptedServer(lambda connection: connection.drain()) as server,
        fm.connect(server.url, timeout=30, retries=0) as client,
    ):
        driver = threading.Thread(target=drive, args=(client,))
        driver.start()
        server.wait_for_requests(1)
        with pytest.raises(fm.RequestTimeout, match="deadline"):
            client.read_coils(5, deadline=0.05)
        client.close()
        driver.join(PATIENCE_SECONDS)
        assert len(server.requests) == 1
    assert ended == [True]


# ------------------------------------------------------------------------------------------------ signals

INTERRUPTED = """
    import signal, sys, threading, time
    import numpy as np
    import fastmodbus as fm

    client = fm.connect(sys.argv[1], in_flight=int(sys.argv[2]), timeout=20)
    main = threading.main_thread().ident
    rounds = interrupted = 0
    random = np.random.default_rng(3)

    def interrupt(after):
        end = time.perf_counter() + after
        while time.perf_counter() < end:
            pass
        signal.pthread_kill(main, signal.SIGINT)

    out = np.empty(3000, np.uint16)
    while rounds < 150:
        rounds += 1
        killer = threading.Thread(target=interrupt, args=(random.uniform(0, 0.004),))
        try:
            killer.start()
            while True:
                out[:] = 0
                client.read_holding_registers(0, 3000, out=out)
                assert np.array_equal(out, np.arange(3000))
        except KeyboardInterrupt:
            interrupted += 1
            kept = out.copy()
        killer.join()
        assert client.read_holding_registers(500, 7).tolist() == list(range(500, 507))
        assert np.array_equal(client.read_input_registers(0, 300), np.arange(300) * 2)
        assert np.array_equal(out, kept), "written after the call was over"
    print(interrupted, client.stats.connections, client.stats.unknown)
"""


@pytest.mark.parametrize("in_flight", [1, 16])
def test_ctrl_c_in_mid_batch_and_the_next_call_is_right(in_flight: int) -> None:
    registers = {"hr": np.arange(65536), "ir": np.arange(300) * 2}
    with fm.Simulator(registers=registers) as simulator:
        out, err = run_python(INTERRUPTED, simulator.url, in_flight)
    assert out == "150 1 0\n", err


def test_ctrl_c_while_nothing_comes() -> None:
    """A process that waits for an answer, or for a connection, ends at once when it is interrupted."""
    with (
        ScriptedServer(lambda connection: connection.drain()) as server,
        start_python(
            """
            import os, sys
            import fastmodbus as fm

            client = fm.connect(sys.argv[1], timeout=600)
            print("asking", flush=True)
            try:
                client.read_coils(0)
            except KeyboardInterrupt:
                print("interrupted", client.stats.in_flight, client.connected)
            """,
            server.url,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        server.wait_for_requests(1)
        process.send_signal(2)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert out == "interrupted 1 True\n", err


def test_a_signal_handler_may_use_the_client() -> None:
    """PEP 475: a handler that raises nothing does not disturb the call; it may even make calls of its own."""
    with fm.Simulator(registers={"hr": np.arange(65536)}) as simulator:
        out, _ = run_python(
            """
            import signal, sys
            import numpy as np
            import fastmodbus as fm

            client = fm.connect(sys.argv[1], in_flight=4, timeout=20)
            inner = []
            signal.signal(signal.SIGALRM, lambda *_: inner.append(client.read_holding_registers(4321)[0]))
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            while len(inner) < 50:
                assert np.array_equal(client.read_holding_registers(0, 5000), np.arange(5000))
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(set(map(int, inner)), client.stats.timeouts, client.stats.connections)
            """,
            simulator.url,
        )
    assert out == "{4321} 0 1\n"


def test_signals_during_a_call_that_waits_behind_another_thread() -> None:
    with (
        ScriptedServer(lambda connection: connection.drain()) as server,
        start_python(
            """
            import sys, threading
            import fastmodbus as fm

            client = fm.connect(sys.argv[1], timeout=600, in_flight=2)
            driver = threading.Thread(target=client.read_coils, args=(0,), daemon=True)
            driver.start()
            while client.stats.requests == 0:
                pass
            print("driven", flush=True)
            try:
                client.read_coils(1)
            except KeyboardInterrupt:
                print("interrupted")
            """,
            server.url,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "driven\n"
        server.wait_for_requests(2)
        process.send_signal(2)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
    assert out == "interrupted\n", err


def test_inside_a_running_event_loop_a_call_is_a_call() -> None:
    out, _ = run_python(
        """
        import asyncio
        import fastmodbus as fm

        async def use():
            with fm.connect("sim:") as client:
                client.write_register(3, 4)
                return int(client.read_holding_registers(3)[0])

        print(asyncio.run(use()))
        """
    )
    assert out == "4\n"
