"""A process that records made-up rows until it is killed; for tests of what is there afterwards.

The processes are forked from a server that has imported everything, so that one is there at once.
"""

import multiprocessing
import os
import time

import fastmodbus as fm
from fastmodbus.recorder import Recorder
from made_rows import made

ROWS = 5

_FORKED = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
_FORKED.set_forkserver_preload(["recording_child", "pyarrow.parquet"])


def record(confirmed, folder, first, rotate):
    """Record, and send the number of the next row after each chunk."""
    with Recorder(folder, sync=0.01, rotate=rotate) as recorder:
        while True:
            recorder.write(made(ROWS, first=first))
            first += ROWS
            confirmed.send(first)
            time.sleep(0.001)


def poll(confirmed, folder, port, rotate):
    """Record what a device says, and send the newest count of each chunk."""
    with fm.Client("127.0.0.1", port, name="plc") as client:
        fm.record(
            client, folder, tags={"count": "hr0:u32"}, every=0.005, flush=0.02, sync=0.05, rotate=rotate,
            on_chunk=lambda chunk: confirmed.send((chunk.rows, int(chunk.raw["count"].max()))),
        )  # fmt: skip


def killed_after(chunks, target, *arguments):
    """Run one of the above in another process, and kill it after so many chunks: all that it sent."""
    receiver, sender = _FORKED.Pipe(duplex=False)
    child = _FORKED.Process(target=target, args=(sender, *arguments))
    with receiver:
        with sender:
            child.start()
        sent = [receiver.recv() for _ in range(chunks)]
        child.kill()
        try:
            while True:
                sent.append(receiver.recv())
        except (EOFError, OSError):
            pass  # the pipe ends with the child, in the middle of a message perhaps
    child.join()
    child.close()
    return sent
