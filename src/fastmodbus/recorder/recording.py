"""``fm.record``: from a client, a poller, a plant or any chunks of Samples to a folder, until it is told to end.

The recording runs in a thread of its own: a signal ends it between two chunks and never within one. It never delays
polling, which keeps rows for a while by itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from os import PathLike
from typing import Any, Self

from ..errors import RecorderError
from ..options import seconds
from ..samples import Samples
from .recorder import Recorder
from .sources import poller_of
from .stats import RecordStats

PATIENCE = 1.0  # seconds until what the disk refused is tried again
TICK = 0.5  # seconds; Windows lets no Ctrl-C through during one wait

OnChunk = Callable[[Samples], object]


class Recording:
    """A recording in the background; `record` is one that is waited for.

    Parameters are those of `record`. It begins with `start`, or as a context manager.

    Attributes
    ----------
    poller : Poller or None
        What is polled; None for other sources.
    """

    def __init__(
        self,
        source: Any,
        path: str | PathLike[str],
        *,
        tags: Any = None,
        every: float | str | None = None,
        flush: float | str = "1s",
        sync: float | str = "10s",
        rotate: float | str = "1h",
        duration: float | str | None = None,
        compression: str = "zstd",
        on_chunk: OnChunk | None = None,
        metrics: int | None = None,
    ) -> None:
        self._duration = None if duration is None else seconds("duration", duration)
        self._on_chunk, self._metrics = on_chunk, metrics
        flush, sync, rotate = seconds("flush", flush), seconds("sync", sync), seconds("rotate", rotate)
        self._held = ExitStack()
        self._ending = threading.Event()
        self._over = threading.Event()  # waited for instead of the thread, whose join Ctrl-C can spoil
        self._started = False
        self._error: BaseException | None = None
        self.poller, self._own = poller_of(source, tags, every, self._held)
        self._chunks = None if self.poller is None else self.poller.chunks(every=flush)
        self._source: Iterable[Samples] = source if self._chunks is None else self._chunks
        try:
            self._recorder = Recorder(path, sync=sync, rotate=rotate, compression=compression)
        except BaseException:
            self._held.close()
            raise

    @property
    def stats(self) -> RecordStats:
        """What was done so far."""
        return self._recorder.stats

    def start(self) -> Self:
        """Begin."""
        if self._metrics is not None:
            from .metrics import serve

            self._held.enter_context(serve(self._metrics, self.stats, self.poller))
        if self.poller is not None:
            self.poller.start()
        self._started = True
        threading.Thread(target=self._run, name="fastmodbus recording", daemon=True).start()
        return self

    def stop(self) -> None:
        """End it soon; may be called from anywhere. What was polled until now is still written.

        A poller that was running before goes on.
        """
        self._ending.set()
        if self.poller is not None and self._own:
            self.poller.stop()
        elif self._chunks is not None:
            self._chunks.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end, so many seconds at most; whether it has come.

        Raises
        ------
        Exception
            What ``on_chunk`` or the source raised.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._over.is_set():
            left = TICK if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            self._over.wait(min(TICK, left))
        if self._error is not None:
            raise self._error
        return True

    def close(self) -> None:
        """End it, and wait until all is in its place."""
        self.stop()
        if self._started:
            self._over.wait()
        self._recorder.close()
        self._held.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    # In the recording's thread

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._duration is not None:
                timer = threading.Timer(self._duration, self.stop)
                timer.daemon = True
                stack.callback(timer.cancel)
                timer.start()
            try:
                self._consume()
            except BaseException as error:  # noqa: BLE001  # raised again by wait
                self._error = error
        self._over.set()

    def _consume(self) -> None:
        for chunk in self._source:
            self._write(chunk)
            if self._on_chunk is not None:
                self._on_chunk(chunk)
            if self._ending.is_set() and self._chunks is None:
                return

    def _write(self, chunk: Samples) -> None:
        """Write a chunk, as soon as the disk takes it; while it does not, what polls keeps the next ones."""
        write: Callable[[], None] = lambda: self._recorder.write(chunk)  # noqa: E731
        while True:
            try:
                return write()
            except RecorderError:
                if self._ending.wait(PATIENCE):
                    return  # close counts what is lost
                write = self._recorder.retry


def record(
    source: Any,
    path: str | PathLike[str],
    *,
    tags: Any = None,
    every: float | str | None = None,
    flush: float | str = "1s",
    sync: float | str = "10s",
    rotate: float | str = "1h",
    duration: float | str | None = None,
    compression: str = "zstd",
    on_chunk: OnChunk | None = None,
    metrics: int | None = None,
) -> RecordStats:
    """Record until Ctrl-C, for some time, or until the source ends.

    Parameters
    ----------
    source : Client, Poller, OpenPlant, or iterable of Samples
        What is recorded. A client's map says what and how often, or `tags` and `every`; a poller is started if nobody
        has yet.
    path : str or path
        A folder. It can be read while it is written: `fastmodbus.load`, or the Parquet files in it.
    tags, every
        For a client: what is read, as for `Client.read`, and its period.
    flush : float or str
        Seconds between two writes: the most that is lost when the process is killed.
    sync : float or str
        Seconds between two syncs: the most that is lost when the power fails.
    rotate : float or str
        Seconds after which rows go into a Parquet file; they also do at 128 MB and at midnight UTC.
    duration : float or str, optional
        Seconds until it ends.
    compression : str
        Of the Parquet files.
    on_chunk : callable, optional
        Called with each `Samples` after it was written, in the thread of the recording. What it raises ends that.
    metrics : int, optional
        A port on loopback for Prometheus.

    Returns
    -------
    RecordStats

    Raises
    ------
    RecorderError
        The folder cannot be made, or another recorder is at work there. A disk that refuses later only pauses the
        recording; the log and the result say so.
    KeyboardInterrupt
        Ctrl-C, after what was polled has been written.
    """
    recording = Recording(
        source, path, tags=tags, every=every, flush=flush, sync=sync, rotate=rotate, duration=duration,
        compression=compression, on_chunk=on_chunk, metrics=metrics,
    )  # fmt: skip
    with recording:
        recording.wait()
    return recording.stats
