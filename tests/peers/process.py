"""One server process of another project: started on a port the system picks, ready when it says so, always ended.

A server announces itself by a line `ready PORT` on its standard output, after it has begun to listen. What it writes is
kept for error messages.
"""

import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TESTS = Path(__file__).parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 5.0
KEPT_LINES = 200


class PeerFailed(RuntimeError):
    """A peer did not come up, or died; carries what it wrote."""


class ServerProcess:
    """A running server. Use as a context manager."""

    def __init__(self, command: Sequence[str | Path], name: str) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.output: deque[str] = deque(maxlen=KEPT_LINES)
        self._ready: queue.Queue[int | None] = queue.Queue()
        self._process = subprocess.Popen(
            self.command,
            cwd=TESTS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_output, name=f"output of {name}", daemon=True)
        self._reader.start()
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @classmethod
    def of_module(cls, module: str, name: str) -> Self:
        """A Python server, a module of this directory's, run by the interpreter that runs the tests."""
        return cls([sys.executable, "-u", "-m", module], name)

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def ended_by_itself(self) -> bool:
        """Wait until it ends of its own accord; False when it does not."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it and wait until it is gone."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_SECONDS)
        if self._process.stdout:
            self._process.stdout.close()

    def story(self) -> str:
        """What to tell when it disappoints."""
        state = "is running" if self.running() else f"ended with {self._process.returncode}"
        return f"{self.name} {state}; its output:\n" + "".join(self.output)

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            word, _, port = line.partition(" ")
            if word == "ready":
                self._ready.put(int(port))
        self._ready.put(None)

    def _wait_until_ready(self) -> int:
        try:
            port = self._ready.get(timeout=START_SECONDS)
        except queue.Empty:
            raise PeerFailed(f"not ready within {START_SECONDS} s: {self.story()}") from None
        if port is None:
            self._process.wait(STOP_SECONDS)
            raise PeerFailed(self.story())
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
