"""What commands show on a terminal: text as it is, and one line that says how it goes.

Names, values and errors of devices may look like rich's markup or emoji; none of it is taken for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_REFRESH = 0.5  # seconds between two looks at how it goes
_SPINNER = 2  # columns before the text


def console() -> Console:
    """The standard output. A terminal gets colours and lines that change; anything else gets plain text."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def printable(text: str) -> str:
    """A text without characters that make a terminal do something: a device's text may hold any."""
    return "".join(each if each.isprintable() else " " for each in text)


def wait(over: Callable[[float], object], line: Callable[[], str]) -> None:
    """Wait for an end; on a terminal, show how it goes meanwhile.

    Parameters
    ----------
    over : callable
        Called with seconds to wait at most, again and again until it says that the end has come.
    line : callable
        How it goes. What the terminal is too narrow for is cut off.
    """
    from rich.text import Text

    shown = console()
    if not shown.is_terminal:
        while not over(_REFRESH):
            pass
        return
    with shown.status("") as status:
        while not over(_REFRESH):
            text = Text(printable(line()))
            text.truncate(shown.width - _SPINNER, overflow="ellipsis")
            status.update(text)


class Rate:
    """How much a count grows in a second, from one look at it to the next."""

    def __init__(self, count: int) -> None:
        self._count, self._since = count, time.monotonic()

    def of(self, count: int) -> float:
        """Since the last look, in 1/s."""
        before, since = self._count, self._since
        self._count, self._since = count, time.monotonic()
        return (count - before) / max(self._since - since, 1e-9)
