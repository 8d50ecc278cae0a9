"""Forked children and the end of the interpreter: a client belongs to the process that made it."""

import sys

import pytest

import fastmodbus as fm
from children import run_python, start_python
from scripted import Connection, ScriptedServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="platform: no fork on Windows")
PATIENCE_SECONDS = 30


def never(connection: Connection) -> None:
    connection.drain()


def test_a_child_gets_forked_client_and_the_parent_goes_on() -> None:
    with fm.Simulator(registers={"hr": range(100)}) as simulator:
        out, err = run_python(
            """
            import os, sys
            import fastmodbus as fm

            client = fm.connect(sys.argv[1])
            view = client.at(1)
            assert client.read_holding_registers(5)[0] == 5
            child = os.fork()
            if child == 0:
                for call in (
                    lambda: client.read_holding_registers(5),
                    lambda: client.write_register(0, 1),
                    lambda: client.report_server_id(),
                    lambda: client.connect(),
                    lambda: view.read_coils(0),
                ):
                    try:
                        call()
                    except fm.ForkedClient as error:
                        assert "fork" in str(error) and error.port == client.port
                        assert isinstance(error, ConnectionError)
                    else:
                        raise AssertionError("a child may not")
                assert not client.connected
                assert client.stats.requests == 1
                client.close()
                client.close()
                with fm.connect(sys.argv[1]) as own:
                    assert own.read_holding_registers(6)[0] == 6
                sys.exit(7)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 7, status
            assert client.read_holding_registers(7)[0] == 7
            assert client.stats.connections == 1
            client.close()
            print("good")
            """,
            simulator.url,
        )
        assert simulator.connections == 2
    assert (out, err) == ("good\n", "")


def test_the_server_sees_the_parents_close_though_the_child_lives() -> None:
    with (
        ScriptedServer() as server,
        start_python(
            """
            import os, sys
            import fastmodbus as fm

            client = fm.connect(sys.argv[1])
            client.read_coils(0)
            if os.fork() == 0:
                sys.stdin.read()
                sys.exit()
            client.close()
            print("closed", flush=True)
            os.wait()
            """,
            server.url,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "closed\n"
        server.wait_for_gone(1)
        assert process.poll() is None, "the child, and with it the parent, still lives"
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err) == (0, "")


def test_a_child_that_ends_leaves_the_parents_connection_alone() -> None:
    """In the middle of a batch of another thread, many times; the child's end runs all destructors."""
    with fm.Simulator(registers={"hr": range(65536)}) as simulator:
        out, _ = run_python(
            """
            import gc, os, sys, threading
            import numpy as np
            import fastmodbus as fm

            client = fm.connect(sys.argv[1], in_flight=8, timeout=20)
            stop = threading.Event()
            rounds = [0, 0]

            def read(number):
                while not stop.is_set():
                    assert np.array_equal(client.read_holding_registers(0, 3000), np.arange(3000))
                    rounds[number] += 1

            threads = [threading.Thread(target=read, args=(i,)) for i in (0, 1)]
            for thread in threads:
                thread.start()
            for _ in range(40):
                child = os.fork()
                if child == 0:
                    client.stats
                    client.close()
                    del client
                    gc.collect()
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                assert status == 0, status
            stop.set()
            for thread in threads:
                thread.join()
            assert min(rounds) > 0
            print(client.stats.connections, client.stats.timeouts, client.stats.unknown)
            client.close()
            """,
            simulator.url,
        )
        assert simulator.connections == 1
    assert out == "1 0 0\n"


def test_multiprocessing_by_fork() -> None:
    with fm.Simulator(registers={"hr": range(100)}) as simulator:
        out, _ = run_python(
            """
            import multiprocessing, sys
            import fastmodbus as fm

            client = fm.connect(sys.argv[1])

            def inherited(address):
                try:
                    return client.read_holding_registers(address)
                except fm.ForkedClient as error:
                    return error

            def own(address):
                with fm.connect(sys.argv[1]) as mine:
                    return int(mine.read_holding_registers(address)[0])

            with multiprocessing.get_context("fork").Pool(2) as pool:
                errors = pool.map(inherited, range(4))
                print([type(error).__name__ for error in errors], {error.port == client.port for error in errors})
                print(pool.map(own, range(4)))
            print(client.read_holding_registers(50)[0])
            client.close()
            """,
            simulator.url,
        )
    assert out.splitlines() == [f"{['ForkedClient'] * 4} {{True}}", "[0, 1, 2, 3]", "50"]


# ------------------------------------------------------------------------------------------ the end of the interpreter


def test_exit_with_an_open_client() -> None:
    with fm.Simulator() as simulator:
        for options in ("", "in_flight=64"):
            out, err = run_python(
                f"""
                import sys
                import fastmodbus as fm

                client = fm.connect(sys.argv[1], {options})
                view = client.at(3)
                client.read_coils(0, 10)
                print("end")
                """,
                simulator.url,
            )
            assert (out, err) == ("end\n", "")


def test_exit_in_the_middle_of_a_daemon_threads_batch() -> None:
    """Once while nothing comes, and once while answers come all the time."""
    with ScriptedServer(never) as server, fm.Simulator() as simulator:
        for url in (server.url, simulator.url):
            out, err = run_python(
                """
                import sys, threading
                import fastmodbus as fm

                client = fm.connect(sys.argv[1], timeout=600, in_flight=4)

                def read():
                    while True:
                        client.read_holding_registers(0, 20000)

                for _ in range(3):
                    threading.Thread(target=read, daemon=True).start()
                while client.stats.requests < 4:
                    pass
                print("end")
                """,
                url,
            )
            assert (out, err) == ("end\n", "")


def test_exit_while_a_daemon_thread_connects() -> None:
    out, err = run_python(
        """
        import threading
        import fastmodbus as fm

        client = fm.Client("127.0.0.1", 1)
        threading.Thread(target=client.read_coils, args=(0,), kwargs={"deadline": 600}, daemon=True).start()
        print("end")
        """
    )
    assert (out, err) == ("end\n", "")


def test_a_child_finds_clients_in_every_state() -> None:
    """Closed, open, never connected, and gone."""
    with fm.Simulator() as simulator:
        out, err = run_python(
            """
            import os, sys
            import fastmodbus as fm

            client = fm.connect(sys.argv[1])
            closed = fm.connect(sys.argv[1])
            closed.close()
            never = fm.Client(client.host, client.port)
            fm.Client(client.host, client.port)
            if os.fork() == 0:
                print(client.connected, closed.connected, never.connected, flush=True)
                sys.exit()
            os.wait()
            print(client.connected, client.read_coils(0), never.read_coils(0), flush=True)
            client.close()
            never.close()
            """,
            simulator.url,
        )
    assert (out, err) == ("False False False\nTrue [False] [False]\n", "")
