"""The steady state: no interpreter, no allocation. The server is in another process, so that nothing here serves it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from children import run_python

COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static atomic_long calls;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t size) { calls++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { calls++; return __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { calls++; return __libc_realloc(at, size); }

/* Allocations of all threads within so many milliseconds. The caller holds the GIL: no thread runs that needs it. */
long allocations_within(long ms) {
    long before = calls;
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time)) {}
    return calls - before;
}
"""

PROGRAM = """
    import ctypes, json, sys, threading
    import fastmodbus as fm
    from polling import wait_for

    tags = {"a": "hr0:f32", "b": "hr100", "c": "hr200[10]", "d": "co5"}
    counting = ctypes.PyDLL(None).allocations_within      # PyDLL keeps the GIL
    with fm.Client("127.0.0.1", int(sys.argv[1]), name="plc") as plc, fm.Poller(buffer="5s") as poller:
        poller.add(plc, tags, every=0, group="free")
        poller.add(plc, tags, every=0.002, group="timed")
        wait_for(lambda: poller.stats["plc"].good > 100)
        before, found, allocations = poller.stats["plc"].good, 0, 0
        for _ in range(100):
            allocations += counting(500)
            found = poller.stats["plc"].good - before
            if found >= 10_000:
                break
        print(json.dumps([found, allocations, poller.last(10**6, group="free").rows]))
"""

SERVER = """
    import sys
    import fastmodbus as fm
    with fm.Simulator() as sim:
        print(sim.port, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"):
        pytest.skip("platform: allocations are counted with glibc only")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("a C compiler (cc) is missing")
    folder = tmp_path_factory.mktemp("counter")
    source, library = folder / "counter.c", folder / "counter.so"
    source.write_text(COUNTER)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def test_ten_thousand_polls_without_the_interpreter_and_without_an_allocation(counter: Path) -> None:
    """The GIL is held all the while by a thread that sleeps with it; rows come in nevertheless."""
    import json

    from children import start_python

    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("platform: AddressSanitizer has its own malloc")
    with start_python(SERVER) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            out, err = run_python(PROGRAM, port, LD_PRELOAD=str(counter))
        finally:
            server.communicate("")
    polls, allocations, kept = json.loads(out)
    assert polls >= 10_000, err
    assert allocations == 0
    assert kept > 0


def test_a_thread_that_computes_does_not_disturb_the_grid() -> None:
    """A busy loop in Python: no row is lost, and the rows that could be asked for are the same."""
    program = """
        import sys, threading
        import numpy as np
        import fastmodbus as fm

        with fm.Client("127.0.0.1", int(sys.argv[1]), name="plc") as plc, fm.Poller() as poller:
            poller.add(plc, "hr0", every=0.005)
            x = 0
            while not poller.stats or poller.stats["plc"].polls < 400:
                for n in range(10_000):
                    x += n * n
        run = fm.concat(list(poller.chunks()))
        assert (np.diff(run["time"].view(np.int64)) == 5_000_000).all()
        assert run.ok["hr0"].any(), run.stats
    """
    from children import start_python

    with start_python(SERVER) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            run_python(program, port)
        finally:
            server.communicate("")
