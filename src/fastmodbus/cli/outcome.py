"""How a command ends: exit codes, and the two ways of ending badly that are the command line's own.

Imported by everything here before anything heavy, so it imports nothing heavy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the number of the signal, as a shell says it


class UsageError(Exception):
    """The command cannot be meant like this; nothing was sent."""


class Disagreement(Exception):
    """The device answered, but not what was expected of it."""


@contextmanager
def reading_the_command() -> Iterator[None]:
    """What the library refuses in here was the user's to say right: a URL, an option, a value."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def complain(message: object, code: int) -> int:
    """Say in one line why it ends with `code`, which is returned."""
    print("fastmodbus:", " ".join(str(message).split()), file=sys.stderr)
    return code
