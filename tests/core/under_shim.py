"""What a connection makes of system calls that return short, or fail: run in a process that shim.c is preloaded into.

Reads cases as JSON, one a line, and writes what became of each. Started by test_system_calls.py.
"""

import ctypes
import fcntl
import itertools
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from core.line import HOLDING, expected, read, statuses, write
from fastmodbus._core.batch import Batch
from fastmodbus._core.reactor import CONNECT, Connection
from reference import Bank
from scripted import Connection as Device
from scripted import Script, ScriptedServer

SHIM = ctypes.CDLL(None)
PATIENCE_SECONDS = 30.0
# Descriptors of the connection under test get numbers that no other socket of this process has.
_numbers = itertools.count(500)


def connect(link: Connection, server: ScriptedServer) -> None:
    made = socket.create_connection((server.host, server.port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, next(_numbers))
    made.close()
    SHIM.shim_watch(number, 1)
    link.attach(number)


def drive(link: Connection, batch: Batch, server: ScriptedServer, errors: list[int], *, main: bool = True) -> None:
    try:
        while link.run(batch, main) == CONNECT:
            errors.append(link.error)
            connect(link, server)
    finally:
        link.detach(batch)


def counted(server: ScriptedServer, errors: list[int], calls: str) -> dict[str, Any]:
    names = {rule.split(":")[0] for rule in calls.split(",")}
    return {
        "connections": server.connections,
        "errors": errors[1:],  # the first is the state of a connection never made
        "requests": len(server.pdus),
        "hit": all(SHIM.shim_hits(name.encode()) > 0 for name in names),
    }


def reads(calls: str, repeats: int, coalesce: bool) -> dict[str, Any]:
    with ScriptedServer(bank=Bank(holding=HOLDING.copy())) as server:
        link = Connection(4, coalesce=coalesce)
        errors: list[int] = []
        batch, out = read(20, each=5, repeats=repeats, timeout=10**12)
        SHIM.shim_rules(calls.encode())
        drive(link, batch, server, errors)
        result = counted(server, errors, calls)
        SHIM.shim_rules(b"")
        result["statuses"] = [status.name for status in statuses(batch)]
        result["right"] = [out[5 * i : 5 * i + 5].tolist() == expected(5 * i, 5) for i in range(20)]
        again, values = read(3)
        drive(link, again, server, errors)
        assert values.tolist() == expected(0, 3)
        link.close()
    return result


def writes(calls: str, repeats: int, coalesce: bool) -> dict[str, Any]:
    with ScriptedServer() as server:
        link = Connection(4, coalesce=coalesce)
        errors: list[int] = []
        batch = write(4, address=100, repeats=repeats, timeout=10**12)
        SHIM.shim_rules(calls.encode())
        drive(link, batch, server, errors)
        result = counted(server, errors, calls)
        SHIM.shim_rules(b"")
        result["statuses"] = [status.name for status in statuses(batch)]
        result["left"] = [batch.result(i)[7] for i in range(4)]
        result["written"] = server.bank.holding[100:104]
        link.close()
    return result


def answer_two_at_once(device: Device) -> None:
    """Nothing is answered before the second request is there: only who wakes the sleeping driver gets it sent."""
    for request in device.receive_many(2):
        device.answer(request)
    device.serve()


def wakes(calls: str, repeats: int, coalesce: bool) -> dict[str, Any]:
    """One thread sleeps on its request; another one's request has to wake it."""
    return two_threads(answer_two_at_once, None, calls, coalesce)


def cannot_wake(calls: str, repeats: int, coalesce: bool) -> dict[str, Any]:
    """The same, but waking fails: the second request has to wait for the next thing to happen."""
    gate = threading.Event()

    def answer_at_the_gate(device: Device) -> None:
        first = device.receive()
        device.wait(gate)
        device.answer(first)
        device.serve()

    return two_threads(answer_at_the_gate, gate, calls, coalesce)


def two_threads(script: Script, gate: threading.Event | None, calls: str, coalesce: bool) -> dict[str, Any]:
    with ScriptedServer(script, bank=Bank(holding=HOLDING.copy())) as server:
        link = Connection(4, coalesce=coalesce)
        errors: list[int] = []
        slow, slow_out = read(1, timeout=10**12)
        other, out = read(1, address=9, timeout=10**12)
        sleeper, waiter = (
            threading.Thread(target=drive, args=[link, batch, server, errors], kwargs={"main": False}, daemon=True)
            for batch in (slow, other)
        )
        SHIM.shim_rules(calls.encode())
        sleeper.start()
        server.wait_for_requests(1)
        wait_until_asleep(sleeper)
        waiter.start()
        if gate:
            wait_until_asleep(waiter)
            gate.set()
        for thread in (sleeper, waiter):
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
        result = counted(server, errors, calls)
        SHIM.shim_rules(b"")
        result["right"] = [slow_out.tolist() == expected(0, 1), out.tolist() == expected(9, 1)]
        link.close()
    return result


def submits_during_recv(calls: str, repeats: int, coalesce: bool) -> dict[str, Any]:
    """Another thread submits while the driver is inside recv: the driver must not go to sleep without sending it."""
    with ScriptedServer(answer_two_at_once, bank=Bank(holding=HOLDING.copy())) as server:
        link = Connection(4, coalesce=coalesce)
        errors: list[int] = []
        slow, slow_out = read(1, timeout=10**12)
        other, out = read(1, address=9, timeout=10**12)
        driver, waiter = (
            threading.Thread(target=drive, args=[link, batch, server, errors], kwargs={"main": False}, daemon=True)
            for batch in (slow, other)
        )

        def in_recv() -> None:
            if link.connected and not waiter.ident:
                server.wait_for_requests(1)
                waiter.start()
                wait_until_asleep(waiter)

        hook = ctypes.CFUNCTYPE(None)(in_recv)
        # The driver's first sleep is interrupted; it looks at the socket before it goes to sleep again.
        SHIM.shim_rules(calls.encode())
        SHIM.shim_hook(hook)
        driver.start()
        for thread in (driver, waiter):
            wait_for(lambda: waiter.ident is not None)
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a thread hangs"
        SHIM.shim_hook(None)
        result = {"connections": server.connections}
        result["right"] = [slow_out.tolist() == expected(0, 1), out.tolist() == expected(9, 1)]
        link.close()
    return result


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.001)


def wait_until_asleep(thread: threading.Thread) -> None:
    """Until the kernel says several times that a thread sleeps: it is in a wait, and not merely on its way there."""
    seen = 0
    pause = threading.Event()
    while seen < 20:
        assert thread.is_alive()
        stat = open(f"/proc/self/task/{thread.native_id}/stat").read()  # noqa: SIM115
        seen = seen + 1 if stat.rsplit(")", 1)[1].split()[0] == "S" else 0
        pause.wait(0.001)


KINDS = {
    "reads": reads,
    "writes": writes,
    "wakes": wakes,
    "cannot wake": cannot_wake,
    "submits during recv": submits_during_recv,
}


def main() -> None:
    for line in sys.stdin:
        kind, calls, repeats, coalesce = json.loads(line)
        try:
            result = KINDS[kind](calls, repeats, coalesce)
        except BaseException:  # noqa: BLE001 - whatever it is, the test is told
            result = {"failed": traceback.format_exc()}
        print(json.dumps(result), flush=True)
    os._exit(0)
