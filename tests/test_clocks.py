"""Time as the client keeps it: gaps between requests, and a wall clock that jumps while a call waits."""

from itertools import pairwise
from pathlib import Path

import pytest

import faketime
import fastmodbus as fm
from children import run_python
from fastmodbus._core.reactor import now
from scripted import Connection, ScriptedServer, silent

NANOSECONDS = 1_000_000_000


def sending_times(client: fm.Client) -> list[int]:
    records, _ = client.drain_trace()
    return [time for time, received, _ in records if not received]


@pytest.mark.parametrize("in_flight", [1, 8])
@pytest.mark.parametrize("coalesce", [False, True], ids=["apart", "coalesced"])
def test_request_gap_is_kept_between_all_requests(in_flight: int, coalesce: bool) -> None:
    """A lower bound, so that a slow machine cannot fail it."""
    with (
        fm.Simulator() as simulator,
        fm.connect(simulator.url, request_gap="5ms", in_flight=in_flight, coalesce=coalesce) as client,
    ):
        client.trace()
        client.read_holding_registers(0, 1000)
        client.write_register(0, 1)
        sent = sending_times(client)
    assert len(sent) == simulator.requests == 9
    assert min(later - earlier for earlier, later in pairwise(sent)) >= 0.005 * NANOSECONDS


def test_connect_delay_is_kept_after_every_connection() -> None:
    def serve_one(connection: Connection) -> None:
        connection.serve(1)
        connection.close()

    with ScriptedServer(serve_one) as server, fm.Client(server.host, server.port, connect_delay=0.03) as client:
        client.trace()
        for i in (1, 2):
            before = now()
            client.read_coils(0)
            [sent] = sending_times(client)
            assert sent - before >= 0.03 * NANOSECONDS
            server.wait_for_gone(i)
        assert server.connections == 2


@pytest.mark.parametrize("jump", ["+1d", "-1d"])
def test_row_30_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, jump: str) -> None:
    clock = tmp_path / "clock"
    clocks = faketime.set_by(clock)
    with fm.Simulator(answer_delay=0.2) as simulator, ScriptedServer(silent) as server:
        out, err = run_python(
            """
            import sys, threading, time
            from pathlib import Path
            import fastmodbus as fm

            def jump(client):
                while client.stats.requests == 0:
                    pass
                Path(sys.argv[3]).write_text(sys.argv[4] + "\\n")

            before = time.time()
            with fm.connect(sys.argv[1], timeout=20, retries=0) as client:
                threading.Thread(target=jump, args=(client,)).start()
                print(client.read_coils(0).tolist(), client.stats.timeouts)
                print("jumped", abs(time.time() - before) > 80000)
            Path(sys.argv[3]).write_text("+0\\n")
            with fm.connect(sys.argv[2], timeout=0.3, retries=0) as client:
                threading.Thread(target=jump, args=(client,)).start()
                try:
                    client.read_coils(0)
                except fm.RequestTimeout:
                    print("timed out")
            """,
            simulator.url,
            server.url,
            clock,
            jump,
            **clocks,
        )
    assert out.splitlines() == ["[False] 0", "jumped True", "timed out"], err
