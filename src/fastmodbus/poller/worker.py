"""A thread of a poller. Poller and supervisor alone use it; what is done in it is theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable

_BEGUN_BY_THEN = 1.0  # s; a thread that has not begun by then was never started


class Worker:
    """A thread that can be waited for even if Ctrl-C comes while it is started or waited for.

    An interrupted `Thread.join` takes the thread for one that is over, and a start that was interrupted may not have
    been one.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._asked = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._asked = True
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._over.set()

    @property
    def going(self) -> bool:
        """Whether it was started, as far as is known, and is not over."""
        return self._asked and not self._over.is_set()

    def wait(self) -> None:
        """Until it is over; it was told to end. What was never started ends here, so that it can be begun anew."""
        if not self._asked:
            return
        while not self._over.wait(_BEGUN_BY_THEN):
            if self._thread.ident is None:
                self._run()
                return
        self._thread.join()
