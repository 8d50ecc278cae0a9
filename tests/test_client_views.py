"""Views of other units: one socket, options of their own; and the end of clients and views."""

import gc
import threading
import warnings
import weakref
from contextlib import closing

import pytest

import fastmodbus as fm
from children import run_python
from loops import BOTH
from scripted import Connection, ScriptedServer
from untouched import refused

CLIENTS = BOTH

# ------------------------------------------------------------------------------------------------ one socket


def test_views_share_the_socket_and_its_counters() -> None:
    with fm.Simulator(units=(1, 2, 3)) as simulator, fm.connect(simulator.url) as client:
        for number in (1, 2, 3):
            simulator.unit(number).holding[0] = number * 100
        views = [client.at(number) for number in (1, 2, 3)]
        assert [view.unit for view in views] == [1, 2, 3]
        assert [view.read_holding_registers(0)[0] for view in views] == [100, 200, 300]
        views[2].write_register(1, 7)
        assert simulator.unit(3).holding[1] == 7
        assert simulator.unit(1).holding[1] == 0
        assert views[0].read_holding_registers(0, unit=2)[0] == 200, "a call's unit beats the view's"
        assert [view.stats.requests for view in (client, *views)] == [5] * 4
        assert simulator.connections == 1
        assert {(view.host, view.port) for view in views} == {(client.host, client.port)}


def test_a_view_connects_for_all() -> None:
    with fm.Simulator() as simulator, fm.Client("127.0.0.1", simulator.port) as client:
        view = client.at(1)
        assert not client.connected
        view.read_coils(0)
        assert client.connected
        assert view.connected
        client.at(1).read_coils(0)
        assert simulator.connections == 1


def test_options_of_views() -> None:
    with fm.Simulator(units=(1, 2)) as simulator, fm.connect(simulator.url, max_registers=50, timeout=9) as client:
        small = client.at(2, max_registers=20, read_only=True, name="meter", write_single="fc16")
        large = client.at(2, max_registers=100)
        small.read_holding_registers(0, 40)
        large.read_holding_registers(0, 100)
        client.read_holding_registers(0, 100)
        assert [request.span for request in simulator.log] == [
            ("hr", 0, 20), ("hr", 20, 40), ("hr", 0, 50), ("hr", 50, 100), ("hr", 0, 50), ("hr", 50, 100),
        ]  # fmt: skip
        with pytest.raises(fm.ModbusError, match=r"meter .*read_only"):
            small.write_register(0, 1)
        nested = small.at(1, max_registers=30)
        nested.read_holding_registers(0, 20)
        assert len(simulator.log) == 7, "a view of a view has its limits"
        with pytest.raises(fm.ModbusError, match="read_only"):
            nested.write_register(0, 1)
        client.at(2, write_single="fc16").write_register(0, 1)
        assert simulator.log[-1].function == 16


def test_a_view_without_a_unit_is_one_of_the_same() -> None:
    with fm.Simulator(units=(4,)) as simulator, fm.connect(simulator.url, unit=4) as client:
        view = client.at(None, in_flight=2, max_bits=8)  # type: ignore[arg-type]
        assert view.unit == 4
        assert view.read_coils(0, 16).tolist() == [False] * 16
        assert simulator.requests == 2


@pytest.mark.parametrize(
    "option", ["connect_timeout", "coalesce", "request_gap", "connect_delay", "idle_close", "pipeline_writes", "quirks"]
)
def test_options_of_the_connection_are_not_a_views(option: str) -> None:
    value = {"coalesce": True, "pipeline_writes": True, "quirks": ("tid_zero",)}.get(option, 1)
    with (
        fm.Simulator() as simulator,
        fm.connect(simulator.url) as client,
        refused(TypeError, option, "belong to the connection"),
    ):
        client.at(1, **{option: value})


def test_a_unit_has_its_own_window() -> None:
    """With 1 in flight at unit 7 and 5 on the connection, one request to unit 7 leaves room for four others."""
    first = threading.Event()

    def count(connection: Connection) -> None:
        requests = [connection.receive()]
        first.set()
        requests += connection.receive_many(4)
        assert [request.unit for request in requests] == [7, 1, 1, 1, 1]
        for request in requests:
            connection.answer(request)
        connection.serve()

    with ScriptedServer(count) as server, fm.connect(server.url, in_flight=5, max_registers=1, timeout=20) as client:
        slow = client.at(7, in_flight=1)
        threads = [threading.Thread(target=each.read_holding_registers, args=(0, 8)) for each in (slow, client)]
        threads[0].start()
        assert first.wait(20)
        threads[1].start()
        for thread in threads:
            thread.join(20)
    assert len(server.requests) == 16


# ------------------------------------------------------------------------------------------------ the end


def test_closing_twice_is_nothing() -> None:
    with fm.Simulator() as simulator:
        client = fm.connect(simulator.url)
        client.close()
        client.close()
        with client:
            pass
        assert not client.connected
        assert "closed" in repr(client)


def test_a_closed_client_refuses_everything() -> None:
    with fm.Simulator() as simulator:
        client = fm.connect(simulator.url)
        client.read_coils(0)
        view = client.at(2)
        client.close()
        for call in (
            lambda: client.read_coils(0),
            lambda: client.write_register(0, 1),
            lambda: client.write_registers(0, [1]),
            client.report_server_id,
            client.connect,
            lambda: view.read_coils(0),
            view.connect,
        ):
            with pytest.raises(fm.ClientClosed, match="closed") as caught:
                call()
            assert (caught.value.host, caught.value.port) == ("127.0.0.1", simulator.port)
            assert isinstance(caught.value, ConnectionError)
        assert simulator.requests == simulator.connections == 1
        assert not view.connected


def test_a_client_that_never_connected_can_be_closed() -> None:
    client = fm.Client("127.0.0.1")
    assert not client.connected
    client.close()
    with pytest.raises(fm.ClientClosed):
        client.read_coils(0)


def test_a_closed_view_leaves_the_others_alone() -> None:
    with fm.Simulator(units=(1, 2)) as simulator, fm.connect(simulator.url) as client:
        with client.at(2) as view:
            view.read_coils(0)
        assert not view.connected
        assert "closed" in repr(view)
        with pytest.raises(fm.ClientClosed):
            view.read_coils(0)
        client.read_coils(0)
        client.at(2).read_coils(0)
        assert simulator.connections == 1


@pytest.mark.blocking
def test_a_view_keeps_its_client_alive() -> None:
    with fm.Simulator(units=(2,)) as simulator:
        client = fm.connect(simulator.url)
        alive = weakref.ref(client)
        view = client.at(2)
        del client
        gc.collect()
        view.read_coils(0)
        client = alive()
        assert client is not None
        client.close()


def test_closing_ends_calls_in_progress() -> None:
    errors: list[fm.ModbusError] = []

    def never(connection: Connection) -> None:
        connection.drain()

    def read(client: fm.Client) -> None:
        try:
            client.read_holding_registers(0, 500)
        except fm.ModbusError as error:
            errors.append(error)

    def write(client: fm.Client) -> None:
        try:
            client.write_register(0, 5)
        except fm.ModbusError as error:
            errors.append(error)

    with ScriptedServer(never) as server:
        client = fm.connect(server.url, timeout=60, in_flight=4, retries=0)
        threads = [threading.Thread(target=read, args=(client,)), threading.Thread(target=write, args=(client,))]
        for thread in threads:
            thread.start()
        server.wait_for_requests(4)
        client.close()
        for thread in threads:
            thread.join(20)
        server.wait_for_gone(1)
        sent = len(server.requests)
        written = sum(pdu[0] == 6 for pdu in server.pdus)
    assert {error.function: error.outcome_unknown for error in errors} == {3: False, 6: written == 1}
    assert [type(error) for error in errors] == [fm.ClientClosed] * 2
    assert sent == client.stats.requests


def test_closing_ends_a_call_that_waits_for_a_server() -> None:
    errors: list[fm.ModbusError] = []
    with closing(fm.Client("127.0.0.1", 1)) as client:

        def read() -> None:
            try:
                client.read_coils(0, deadline=60)
            except fm.ModbusError as error:
                errors.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        with pytest.raises(fm.ConnectionFailed):
            client.read_coils(0)
        client.close()
        thread.join(20)
        assert not thread.is_alive()
    assert [type(error) for error in errors] == [fm.ClientClosed]


def test_leaving_the_block_closes_also_after_an_error() -> None:
    with fm.Simulator() as simulator:
        with pytest.raises(KeyError), fm.connect(simulator.url) as client:
            raise KeyError("of the block")
        assert "closed" in repr(client)


def test_repr() -> None:
    with fm.Simulator() as simulator:
        client = fm.Client("127.0.0.1", simulator.port, unit=9, name="pump")
        assert repr(client) == f"<Client pump (127.0.0.1:{simulator.port}) unit 9, not connected>"
        client.connect()
        assert repr(client).endswith("unit 9, connected>")
        assert repr(client.at(3)).endswith("unit 3, connected>")
        client.close()
        assert repr(client).endswith("unit 9, closed>")


# ------------------------------------------------------------------------------------------------ warnings


@pytest.mark.blocking
def test_a_client_left_open_is_warned_about_and_closed() -> None:
    with ScriptedServer() as server:
        client = fm.connect(server.url, name="forgotten")
        with pytest.warns(ResourceWarning, match=r"unclosed <Client forgotten .*connected>"):
            del client
        server.wait_for_gone(1)


def test_no_warning_where_nothing_is_open() -> None:
    with warnings.catch_warnings(), fm.Simulator() as simulator:
        warnings.simplefilter("error")
        closed = fm.connect(simulator.url)
        closed.close()
        never = fm.Client("127.0.0.1", simulator.port)
        view = never.at(3)
        with pytest.raises(ValueError, match="unit"):
            fm.Client("127.0.0.1", unit=999)
        del closed, never, view
        gc.collect()


def test_in_development_mode_the_warning_is_shown() -> None:
    out, err = run_python(
        """
        import fastmodbus as fm

        with fm.Simulator() as simulator:
            client = fm.connect(simulator.url)
            client.read_coils(0)
            del client
            print("done")
        """,
        flags=("-X", "dev"),
    )
    assert out == "done\n"
    assert "ResourceWarning: unclosed <Client 127.0.0.1:" in err
    assert "Traceback" not in err
