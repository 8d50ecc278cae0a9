"""A recording of hours needs no more memory, descriptors and threads than one of minutes."""

import json
import os
import sys

import numpy as np
import pytest

import fastmodbus as fm
from children import start_python

pytest.importorskip("pyarrow")

DEVICES = 40
MINUTES = int(os.environ.get("RECORDING_MINUTES", "60"))
WARM_UP = 10  # minutes: the buffers of the poller fill in one, and every journal is rotated a few times
GROWTH = 8 << 20  # bytes: what the allocators of Arrow and Python keep or give back from one rotation to the next

SERVER = """
    import sys, threading, time
    import fastmodbus as fm

    with fm.Simulator(units=range(1, 41)) as sim:
        for unit in range(1, 41):
            sim.unit(unit).holding[:] = 100 * unit
        print(sim.port, flush=True)
        sys.stdin.read()
"""

PROGRAM = """
    import json, os, sys, threading
    import fastmodbus as fm

    port, minutes, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    tags = {"voltage": "hr0:f32", "energy": "hr2:u32", "state": "hr10", "phases": "hr20:i16[3]"}

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def now(recording):
        stats = recording.stats
        return {
            "resident": resident(),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
            "rows": stats.rows, "dropped": stats.dropped, "files": stats.files, "error": stats.error,
        }

    clients = [fm.Client("127.0.0.1", port, unit=unit, name=f"d{unit:02}") for unit in range(1, 41)]
    with fm.Poller() as poller:
        for number, client in enumerate(clients):
            poller.add(client, tags, every=(0.1, 0.2, 0.5, 1.0)[number % 4])
        with fm.Recording(poller, folder, rotate="150s") as recording:
            for _ in range(minutes):
                recording.wait(60)
                print(json.dumps(now(recording)), flush=True)
    print(json.dumps({"rows": recording.stats.rows, "dropped": recording.stats.dropped}), flush=True)
"""


@pytest.mark.nightly
def test_memory_stays_flat(tmp_path):
    """Forty devices at 1 to 10 Hz, every journal rotated after 150 s, for RECORDING_MINUTES (60)."""
    if sys.platform != "linux":
        pytest.skip("platform: memory is read from /proc")
    folder = tmp_path / "data"
    with start_python(SERVER) as server, start_python(PROGRAM, server.stdout.readline(), MINUTES, folder) as process:
        try:
            seen = [told(json.loads(line)) for line in process.stdout]
            assert process.wait() == 0, process.stderr.read()
        finally:
            process.kill()
            server.communicate("")
    *minutes, last = seen
    assert len(minutes) == MINUTES
    assert last["dropped"] == 0
    check_flat(minutes)
    check_complete(folder, last["rows"])


def told(what):
    """Printed, for whoever looks on."""
    print(json.dumps(what), flush=True)
    return what


def check_flat(minutes):
    """After the warm-up no quarter of the time has more at its peak than the first one, but for what allocators do."""
    steady = minutes[min(WARM_UP, len(minutes) // 2) :]
    quarter = max(1, len(steady) // 4)
    for what, more in {"resident": GROWTH, "descriptors": 8, "threads": 4}.items():
        values = [minute[what] for minute in steady]
        assert max(values) <= max(values[:quarter]) + more, (what, [minute[what] for minute in minutes])
    assert not any(minute["error"] for minute in minutes)


def check_complete(folder, rows):
    """Each row is there, once, with the values that its device has."""
    found = fm.load(folder)
    assert len(found) == DEVICES
    assert sum(run.rows for run in found.values()) == rows
    for (device, _), run in found.items():
        assert (np.diff(run.row) == 1).all()
        assert set(run.raw["state"][run.ok["state"]].tolist()) == {100 * int(device[1:])}
