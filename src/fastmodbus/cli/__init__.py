"""The command line ``fastmodbus``. Ring 3: it uses what the package offers to everybody, and nothing else of it.

`main` is its only name for others. To start fast nothing heavy is imported here or in `app`; each command is a module
of its own, imported when it is called.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Sequence

from .outcome import INTERRUPTED, PIPE_CLOSED, USAGE, complain

__all__ = ["main"]

_EXTRAS = {
    "cyclopts": ("the command line", "cli"),
    "rich": ("the command line", "cli"),
    "pyarrow": ("recording", "parquet"),
    "prometheus_client": ("--metrics", "metrics"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0: done. 1: the device, the connection or a file failed; stderr says in one line why. 2: the command was
        not understood, and nothing was sent. 130: Ctrl-C. 141: the reader of the output has gone.
    """
    warnings.showwarning = _warn
    try:
        code = _app()(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        what, extra = _EXTRAS[missing]
        return complain(f"{what} needs {missing}: pip install 'fastmodbus[{extra}]'", USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _leave_pipe()
        return PIPE_CLOSED


def _app() -> Callable[[Sequence[str]], int]:
    """The commands. Looking for garbage while they are imported would find none, and take a tenth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        from .app import run
    finally:
        if collecting:
            gc.enable()
    return run


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """A warning in one line, without the place in the program that it came from."""
    print(f"fastmodbus: {message}", file=sys.stderr)


def _leave_pipe() -> None:
    """Keep the interpreter from flushing into a closed pipe once more when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
