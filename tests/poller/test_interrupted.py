"""Ctrl-C while polling begins, goes on or ends: it comes out, nothing goes on behind it, and polling can begin anew."""

import sys
import threading
from typing import Any

import pytest

import fastmodbus as fm
from children import run_python
from polling import wait_for

pytestmark = pytest.mark.thread_unsafe(reason="counts the threads of the process")

PROGRAM = """
    import signal, threading, time, traceback
    import numpy as np
    import fastmodbus as fm

    main = threading.main_thread().ident
    random = np.random.default_rng(3)
    interrupted = partial = 0

    def interrupt(after):
        time.sleep(after)
        signal.pthread_kill(main, signal.SIGINT)

    with fm.Simulator() as sim, fm.connect(sim.url, timeout=60) as plc:
        plc.poll("hr0", every=0.001, count=1)
        before = threading.active_count()
        for _ in range(60):
            killer = threading.Thread(target=interrupt, args=(random.uniform(0, 0.02),))
            try:
                killer.start()
                plc.poll("hr0", every=0.001, count=3000)
            except KeyboardInterrupt as pressed:
                interrupted += 1
                places = traceback.extract_tb(pressed.__traceback__)
                inside = any(place.filename.endswith("polled.py") for place in places[:-1])
                if inside and pressed.partial is not None:
                    partial += 1
                    assert (np.diff(pressed.partial.row) == 1).all()
            killer.join()
            assert plc.read_holding_registers(0).tolist() == [0]
        assert threading.active_count() == before, threading.enumerate()
        print(interrupted, partial > 0, plc.stats.connections)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="platform: signals")
def test_ctrl_c_at_any_moment_of_a_poll() -> None:
    out, err = run_python(PROGRAM)
    interrupted, partial, connections = out.split()
    assert (partial, connections) == ("True", "1"), err
    assert int(interrupted) > 50, "Python drops what a handler raises in a finalizer: seldom"


@pytest.mark.parametrize("thread", ["fastmodbus poller", "fastmodbus supervisor"])
@pytest.mark.parametrize("started", [False, True], ids=["before", "after"])
def test_ctrl_c_while_a_thread_is_started(thread: str, started: bool) -> None:
    begin = threading.Thread.start

    def pressed(self: threading.Thread, *given: Any) -> None:
        if self.name != thread or started:
            begin(self, *given)
        if self.name == thread:
            raise KeyboardInterrupt

    with fm.Simulator() as sim, fm.connect(sim.url, name="plc", timeout=60) as plc:
        poller = fm.Poller()
        poller.add(plc, "hr0", every=0.01)
        threads = threading.active_count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", pressed)
            with pytest.raises(KeyboardInterrupt):
                poller.start()
        assert not poller.running
        assert threading.active_count() == threads
        with poller:
            wait_for(lambda: poller.stats["plc"].good >= 3)
        assert threading.active_count() == threads


def test_ctrl_c_while_a_device_is_added() -> None:
    """The connection is not left to a loop that does not know it."""
    with fm.Simulator() as sim, fm.connect(sim.url, name="plc", timeout=60) as plc, fm.Poller() as poller:
        loop = poller._loop

        class Interrupted:
            ring = loop.ring

            def add(self, *given: Any) -> None:
                loop.add(*given)
                raise KeyboardInterrupt

            def remove(self, *given: Any) -> None:
                loop.remove(*given)

        poller._loop = Interrupted()  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            poller.add(plc, "hr0", every=0.01)
        poller._loop = loop
        with fm.Poller() as other:
            other.add(plc, "hr0", every=0.01)
            wait_for(lambda: other.stats["plc"].good >= 3)
