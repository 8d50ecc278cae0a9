"""A process that records made-up rows until it is killed; for tests of what is there afterwards.

The processes are forked from a server that has imported everything, so that one is there at once.
"""

import multiprocessing
import time

from fastmodbus.recorder import Recorder
from made_rows import made

ROWS = 5

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["recording_child", "pyarrow.parquet"])


def record(confirmed, folder, first, rotate):
    """Record, and send the number of the next row after each chunk."""
    with Recorder(folder, sync=0.01, rotate=rotate) as recorder:
        while True:
            recorder.write(made(ROWS, first=first))
            first += ROWS
            confirmed.send(first)
            time.sleep(0.001)


def record_and_kill(folder, first, rotate, chunks):
    """Record in another process and kill it after so many chunks: the row after the last that it wrote."""
    receiver, sender = _FORKED.Pipe(duplex=False)
    child = _FORKED.Process(target=record, args=(sender, str(folder), first, rotate))
    with receiver:
        with sender:
            child.start()
        for _ in range(chunks):
            first = receiver.recv()
        child.kill()
        try:
            while True:
                first = receiver.recv()
        except (EOFError, OSError):
            pass  # the pipe ends with the child, in the middle of a message perhaps
    child.join()
    child.close()
    return first
