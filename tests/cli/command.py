"""Runs the command line as its users do: in a process of its own, its output caught."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

COMMAND = (sys.executable, "-m", "fastmodbus")
PATIENCE_SECONDS = 150.0  # a demo reads a slow device for 80
ENVIRONMENT = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
ROOT = Path(__file__).parents[2]


def fastmodbus(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def output_of(*arguments: str) -> str:
    """What a command that succeeds in silence writes to its standard output."""
    done = fastmodbus(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr)
    return done.stdout


def complaint_of(code: int, *arguments: str) -> str:
    """The one line on stderr of a command that ends with `code`."""
    done = fastmodbus(*arguments)
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("fastmodbus: ")
    return line


class Terminal:
    """A command on a terminal of its own, and what it has written there."""

    def __init__(self, process: subprocess.Popen[bytes], screen: IO[bytes]) -> None:
        self.process, self._screen = process, screen
        self.seen = ""

    def see(self, text: str) -> None:
        """Read until this was written; OSError when the command has ended without it."""
        while text not in self.seen:
            assert select.select([self._screen], [], [], PATIENCE_SECONDS)[0], f"{text!r} is not in {self.seen!r}"
            self.seen += self._screen.read(4096).decode(errors="replace")


@contextmanager
def on_terminal(*arguments: str) -> Iterator[Terminal]:
    """A command whose output goes to a pseudo-terminal, 100 columns wide."""
    ours, theirs = os.openpty()
    with (
        open(ours, "rb", buffering=0) as screen,
        subprocess.Popen([*COMMAND, *arguments], stdout=theirs, env={**ENVIRONMENT, "TERM": "xterm"}) as process,
    ):
        os.close(theirs)
        try:
            yield Terminal(process, screen)
        finally:
            process.kill()


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on until it is told to end, or the test is over."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
