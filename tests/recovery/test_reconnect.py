"""Connections lost and made again, hundreds of times: nothing is left behind, and every value is right."""

import pytest

from children import PATIENCE_SECONDS, run_python

PROGRAM = """
    import os, sys
    import numpy as np
    import fastmodbus as fm

    total = int(sys.argv[1])

    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def round(client, i):
        how = i % 4
        if how == 0:
            simulator.disconnect()
        elif how == 1:
            simulator.disconnect(reset=True)
        elif how == 2:
            simulator.fault("close", times=1, sent=i % 9)
        else:
            simulator.fault("reset", times=1, sent=i % 9)
        assert client.read_holding_registers(i % 1000, 300).tolist() == list(range(i % 1000, i % 1000 + 300))
        simulator.clear_faults()

    simulator = fm.Simulator(registers={"hr": np.arange(65536)}).start()
    with fm.connect(simulator.url, in_flight=16 if sys.argv[2] == "16" else sys.argv[2]) as client:
        for i in range(200):
            round(client, i)
        simulator.clear_log()
        before = descriptors(), resident()
        for i in range(total):
            round(client, i)
        simulator.clear_log()
        after = descriptors(), resident()
        made = client.stats.connections - 1
    assert abs(after[0] - before[0]) <= 2, (before, after)      # one connection may be closing, and one be coming
    keeps_freed_memory = "libasan" in os.environ.get("LD_PRELOAD", "")
    assert after[1] - before[1] < 4 << 20 or keeps_freed_memory, (before, after)
    assert made >= 200 + total, made
    simulator.close()
"""
quietly = {"PYTHONWARNINGS": "error"}


@pytest.mark.parametrize("in_flight", ["16", "auto"])
def test_reconnecting_leaves_nothing_behind(in_flight: str) -> None:
    run_python(PROGRAM, 400, in_flight, **quietly)


@pytest.mark.nightly
def test_reconnecting_ten_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("children.PATIENCE_SECONDS", 20 * PATIENCE_SECONDS)
    run_python(PROGRAM, 10000, "auto", **quietly)


def test_a_server_that_starts_again_between_calls() -> None:
    """Reads and writes go on with the new one; while it is away calls fail at once, and the next one finds it."""
    run_python(
        """
        import numpy as np
        import fastmodbus as fm

        simulator = fm.Simulator(registers={"hr": np.arange(65536)}).start()
        client = fm.connect(simulator.url)
        for i in range(20):
            client.write_register(100, i)
            simulator.close()
            if i % 2:
                try:
                    client.read_coils(0)
                except fm.ConnectionFailed:
                    pass
                else:
                    raise AssertionError("nobody is there")
            simulator.start()
            client.write_register(101, i)
            assert client.read_holding_registers(100, 2).tolist() == [i, i]
            assert client.read_holding_registers(200, 4000).tolist() == list(range(200, 4200))
        assert sum(request.pdu[0] == 6 for request in simulator.log) == 40
        simulator.close()
        """
    )
