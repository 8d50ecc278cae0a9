"""Processes that record until they are killed; for tests of what is there afterwards.

They are forked from a server, this file run as a program, which has imported everything, so that one is there at once.
Each writes a line for each chunk, as JSON, to a file of its own.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import fastmodbus as fm
from fastmodbus.recorder import Recorder
from made_rows import made

ROWS = 5
PATIENCE = 60.0


def record(confirm, folder, first, rotate):
    """Record made-up rows; confirms the number of the next row."""
    with Recorder(folder, sync=0.01, rotate=rotate) as recorder:
        while True:
            recorder.write(made(ROWS, first=first))
            first += ROWS
            confirm(first)
            time.sleep(0.001)


def poll(confirm, folder, port, rotate):
    """Record what a device says; confirms how many rows there are, and the newest count."""
    with fm.Client("127.0.0.1", port, name="plc") as client:
        fm.record(
            client, folder, tags={"count": "hr0:u32"}, every=0.005, flush=0.02, sync=0.05, rotate=rotate,
            on_chunk=lambda chunk: confirm((chunk.rows, int(chunk.raw["count"].max()))),
        )  # fmt: skip


def killed_after(chunks, how, *arguments):
    """Run one of the above in another process, and kill it after so many chunks: all that it confirmed."""
    server = _server()
    with tempfile.TemporaryDirectory() as place:
        confirmed = Path(place) / "confirmed"
        confirmed.touch()
        print(json.dumps([str(confirmed), how.__name__, *arguments]), file=server.stdin, flush=True)
        process = int(server.stdout.readline())
        deadline = time.monotonic() + PATIENCE
        while confirmed.read_bytes().count(b"\n") < chunks:
            assert time.monotonic() < deadline, "the process confirms nothing"
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
        assert server.stdout.readline() == "over\n"
        return [json.loads(line) for line in confirmed.read_text().splitlines(keepends=True) if line.endswith("\n")]


@cache
def _server():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    atexit.register(_end, server)
    return server


def _end(server):
    server.stdin.close()
    server.wait(PATIENCE)
    server.stdout.close()


def run(confirmed, how, *arguments):
    """Do what one line says."""
    file = os.open(confirmed, os.O_WRONLY | os.O_APPEND)
    globals()[how](lambda what: os.write(file, json.dumps(what).encode() + b"\n"), *arguments)


def serve():
    """Fork a process for each line, say its number, and when it is over."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            run(*json.loads(line))
            os._exit(0)
        print(process, flush=True)
        os.waitpid(process, 0)
        print("over", flush=True)


def warm_up():
    """Import what recording imports when it first needs it."""
    with tempfile.TemporaryDirectory() as place:
        fm.record([made(1)], place)


if __name__ == "__main__":
    warm_up()
    serve()
