"""Polling for tests: waiting for rows, and what every run of rows has to be. Tests wait for conditions."""

import threading
import time
from collections.abc import Callable

import numpy as np

import fastmodbus as fm

PATIENCE_SECONDS = 60.0


def wait_for(condition: Callable[[], bool], what: str = "a condition") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        threading.Event().wait(0.002)


def rows_of(poller: fm.Poller, device: str) -> int:
    return poller.stats[device].polls


def wait_for_rows(poller: fm.Poller, device: str, more: int) -> None:
    """Wait until a device has so many more rows than now."""
    wanted = rows_of(poller, device) + more
    wait_for(lambda: rows_of(poller, device) >= wanted, f"{more} rows of {device}")


def check_grid(run: fm.Samples) -> None:
    """One row for every instant from the first to the last."""
    period = round(run.period * 1e9)
    assert (np.diff(run.row) == 1).all()
    assert (np.diff(run["time"].view(np.int64)) == period).all()


def collected(poller: fm.Poller, device: str, group: str | None = None) -> fm.Samples:
    """All rows of a poller that was stopped."""
    return fm.concat(list(poller.chunks(device=device, group=group)))
