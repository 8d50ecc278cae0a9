"""Runs small Python programs in processes of their own: for signals, forks, exits and fresh interpreters.

Used by tests only. A program finds the package under test and the helpers of the tests; it is killed when it hangs.
"""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fastmodbus

PATIENCE_SECONDS = 60.0
_PATHS = [str(Path(fastmodbus.__file__).parents[1]), str(Path(__file__).parent)]


def environment(**more: str) -> dict[str, str]:
    """The environment of a program that can import what its parent can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS), **more}


@contextmanager
def interruptible() -> Iterator[None]:
    """Programs started in here take SIGINT, also where these tests run in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start_python(program: str, *arguments: object, flags: tuple[str, ...] = (), **more: str) -> subprocess.Popen[str]:
    """Start a program; its output and errors are pipes."""
    command = [sys.executable, *flags, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment(**more),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run_python(program: str, *arguments: object, flags: tuple[str, ...] = (), **more: str) -> tuple[str, str]:
    """What a program wrote to its output and to its errors; it must end well."""
    with start_python(program, *arguments, flags=flags, **more) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"the program hangs\n{out}\n{err}") from None
    assert process.returncode == 0, f"ended with {process.returncode}\n{out}\n{err}"
    return out, err
