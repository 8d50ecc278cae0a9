"""What a device does with many requests in flight: late, in another order, some only, to the end of the ids."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.errors import ModbusError, RequestTimeout
from faults.harness import LONG, SHORT, SIXTEEN, Watched
from faults.verdicts import Verdicts
from loops import BOTH
from reference import Bank, Frame
from scripted import Connection, Script, ScriptedServer

CLIENTS = BOTH

HOLDING = [(7 * address + 3) & 0xFFFF for address in range(65536)]
POSITIONS = [0, 7, 15]
BASE = 100


def bank() -> Bank:
    return Bank(holding=HOLDING.copy())


def client(url: str, **given: Any) -> fm.Client:
    """One register a request, so that sixteen are one call."""
    options = {"timeout": LONG, "retries": 0, "in_flight": SIXTEEN, "max_registers": 1, "pipeline_writes": True}
    return fm.connect(url, **options | given)


def read(plc: fm.Client) -> None:
    """Sixteen requests; whatever was read is right."""
    try:
        check(plc.read_holding_registers(BASE, SIXTEEN), np.ones(SIXTEEN, np.bool_))
    except ModbusError as error:
        check(error.partial, error.ok)
        raise


def check(found: Any, ok: Any) -> None:
    assert np.array_equal(found[ok], np.array(HOLDING[BASE : BASE + SIXTEEN], np.uint16)[ok]), "wrong data"


def write(plc: fm.Client) -> None:
    plc.write_registers(BASE, list(range(SIXTEEN)))


CALLS = pytest.mark.parametrize("call", [read, write], ids=["reads", "writes"])


def good_calls(plc: fm.Client) -> None:
    for address in (1000, 2000, 3000):
        assert plc.read_holding_registers(address, 3, timeout=LONG).tolist() == HOLDING[address : address + 3]


def each_once(server: ScriptedServer, first: int = 0) -> None:
    """The device saw every request of the call once."""
    asked = [seen.frame.pdu[1:3] for seen in server.requests[first : first + SIXTEEN]]
    assert sorted(asked) == [address.to_bytes(2, "big") for address in range(BASE, BASE + SIXTEEN)]


def fails_at(plc: fm.Client, call: Callable[[fm.Client], None], positions: list[int], kind: type[ModbusError]) -> None:
    """The call fails for these requests, and for no other."""
    watched = Watched(plc)
    with pytest.raises(kind):
        call(plc)
    outcomes = watched.outcomes()
    assert [index for index, error in enumerate(outcomes) if error is not None] == positions
    assert all(isinstance(outcomes[index], kind) for index in positions)


# ------------------------------------------------------------------------------------------------ late, reverse, some


@CALLS
@pytest.mark.parametrize("position", POSITIONS)
def test_late(call: Callable[[fm.Client], None], position: int, verdicts: Verdicts) -> None:
    """One answer comes after its timeout, in front of the next call's."""
    timed_out = threading.Event()

    def script(connection: Connection) -> None:
        requests = connection.receive_many(SIXTEEN)
        for index, request in enumerate(requests):
            if index != position:
                connection.answer(request)
        connection.wait(timed_out)
        following = connection.receive()
        connection.send(connection.honest(requests[position]) + connection.honest(following))
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url, timeout=SHORT) as plc:
        fails_at(plc, call, [position], RequestTimeout)
        timed_out.set()
        good_calls(plc)
        assert plc.stats.stale == 1
        each_once(server)
    assert server.connections == 1
    verdicts.note("late", "read" if call is read else "write", "RequestTimeout at the timeout, connection kept")


def test_late_with_one_in_flight() -> None:
    timed_out = threading.Event()

    def script(connection: Connection) -> None:
        request = connection.receive()
        connection.wait(timed_out)
        following = connection.receive()
        connection.send(connection.honest(request) + connection.honest(following))
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url, timeout=SHORT, in_flight=1) as plc:
        with pytest.raises(RequestTimeout):
            plc.read_holding_registers(5, 1)
        timed_out.set()
        good_calls(plc)
        assert plc.stats.stale == 1
    assert server.connections == 1


@CALLS
def test_reverse(call: Callable[[fm.Client], None], verdicts: Verdicts) -> None:
    def script(connection: Connection) -> None:
        for request in reversed(connection.receive_many(SIXTEEN)):
            connection.answer(request)
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url) as plc:
        call(plc)
        good_calls(plc)
        each_once(server)
    assert server.connections == 1
    verdicts.note("reverse", "read" if call is read else "write", "right data, connection kept")


@CALLS
def test_dropall_but_first(call: Callable[[fm.Client], None], verdicts: Verdicts) -> None:
    """The others time out, all together."""

    def script(connection: Connection) -> None:
        connection.answer(connection.receive_many(SIXTEEN)[0])
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url, timeout=SHORT) as plc:
        fails_at(plc, call, list(range(1, SIXTEEN)), RequestTimeout)
        good_calls(plc)
        each_once(server)
        assert plc.stats.timeouts == SIXTEEN - 1
    assert server.connections == 1
    told = "RequestTimeout at the timeout for 15 of 16, connection kept"
    verdicts.note("dropall_but_first", "read" if call is read else "write", told)


@pytest.mark.parametrize("window", [SIXTEEN, "auto"])
def test_dropall_but_first_with_default_retries(window: Any) -> None:
    """A device that answers only the first of each receive: with retries all values are there."""

    def script(connection: Connection) -> None:
        connection.answer(connection.receive_many(SIXTEEN if window == SIXTEEN else 1)[0])
        connection.serve()

    with (
        ScriptedServer(script, bank=bank()) as server,
        client(server.url, timeout=SHORT, retries=2, in_flight=window) as plc,
    ):
        read(plc)
        good_calls(plc)
    assert server.connections == 1


@pytest.mark.parametrize("busy", [1, 8, 15])
def test_busy_above_a_window(busy: int, verdicts: Verdicts) -> None:
    """Some get exception 6: the others are kept; with retries they are asked again."""

    def script(connection: Connection) -> None:
        for index, request in enumerate(connection.receive_many(SIXTEEN)):
            connection.answer(request, b"\x83\x06" if index >= SIXTEEN - busy else None)
        connection.serve()

    with ScriptedServer(script, script, bank=bank()) as server:
        with client(server.url) as plc:
            fails_at(plc, read, list(range(SIXTEEN - busy, SIXTEEN)), fm.errors.DeviceBusy)
            good_calls(plc)
        with client(server.url, retries=2) as plc:
            read(plc)
            good_calls(plc)
    assert server.connections == 2
    verdicts.note("busy", "with retries", "right data, connection kept")


# ------------------------------------------------------------------------------------------------ ids


@CALLS
def test_ids_wrap(call: Callable[[fm.Client], None], verdicts: Verdicts) -> None:
    """Past 65535 comes 0; an id whose answer is still out is passed over."""
    left_out = threading.Event()

    def script(connection: Connection) -> None:
        late = connection.receive()
        left_out.wait(LONG)
        for request in reversed(connection.receive_many(SIXTEEN)):
            connection.answer(request)
        connection.answer(late)
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url) as plc:
        plc._link.core.next_id = 3
        with pytest.raises(RequestTimeout):
            plc.read_holding_registers(5, timeout=SHORT)
        left_out.set()
        plc._link.core.next_id = 65530
        call(plc)
        good_calls(plc)
        each_once(server, first=1)
        ids = [seen.frame.transaction_id for seen in server.requests]
        assert ids[1 : 1 + SIXTEEN] == [*range(65530, 65536), *range(3), *range(4, 11)]
        assert plc.stats.stale == 1
    assert server.connections == 1
    verdicts.note("TID wrap", "read" if call is read else "write", "right data, connection kept")


# ------------------------------------------------------------------------------------------------ interruption


@pytest.mark.blocking
@pytest.mark.skipif(sys.platform == "win32", reason="platform: POSIX signals")
@pytest.mark.parametrize("answered", [0, 1, 8, 15])
def test_interrupted(answered: int, verdicts: Verdicts) -> None:
    """Ctrl-C in mid-batch: what is answered afterwards is dropped by its id."""
    interrupted = threading.Event()

    def script(connection: Connection) -> None:
        requests = connection.receive_many(SIXTEEN)
        for request in requests[:answered]:
            connection.answer(request)
        os.kill(os.getpid(), signal.SIGINT)
        connection.wait(interrupted)
        for request in requests[answered:]:
            connection.answer(request)
        connection.serve()

    with ScriptedServer(script, bank=bank()) as server, client(server.url) as plc:
        with pytest.raises(KeyboardInterrupt):
            read(plc)
        interrupted.set()
        good_calls(plc)
        assert plc.stats.stale == SIXTEEN - answered
        each_once(server)
    assert server.connections == 1
    verdicts.note("cancel", "read", "KeyboardInterrupt at once, connection kept")


# ------------------------------------------------------------------------------------------------ crafted data


@pytest.mark.parametrize("position", [0, 7, 14])
@pytest.mark.parametrize("head", [3, 9, 30])
def test_register_values_that_look_like_an_answer(position: int, head: int) -> None:
    """A frame's length is too short, and its values hold an answer to a request in flight: it is not taken for one."""

    def script(connection: Connection) -> None:
        requests = connection.receive_many(SIXTEEN)
        for request in requests[:position]:
            connection.answer(request)
        honest = connection.honest(requests[position])
        crafted = crafted_answer(requests[position + 1])
        connection.send(honest[:4] + (head).to_bytes(2, "big") + honest[6 : 6 + head] + crafted)
        for request in requests[position + 1 :]:
            connection.answer(request)

    def serve(connection: Connection) -> None:
        connection.serve()

    scripts: list[Script] = [script, serve]
    with ScriptedServer(*scripts, bank=bank()) as server, client(server.url, max_registers=100) as plc:
        with pytest.raises(fm.ProtocolError) as caught:
            plc.read_holding_registers(0, SIXTEEN * 100)
        truth = np.array(HOLDING[: SIXTEEN * 100], np.uint16)
        assert np.array_equal(caught.value.partial[caught.value.ok], truth[caught.value.ok])
        assert caught.value.ok.sum() == 100 * position
        good_calls(plc)
    assert server.connections == 2


def crafted_answer(request: Frame) -> bytes:
    pdu = b"\x03\xc8" + b"\xde\xad\xbe\xef" * 50
    return request.transaction_id.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + b"\1" + pdu
