"""What leaves instead of an answer: the words in which faults say it and the server carries it out."""

from collections.abc import Callable
from typing import Literal, NamedTuple

#: Closed (FIN), reset (RST), or left open and silent for good.
Ending = Literal["close", "reset", "hang"]


class Effect(NamedTuple):
    """What leaves instead of an answer.

    Attributes
    ----------
    pieces : tuple of bytes
        Sent one after the other; none: nothing is sent.
    delay : float
        Seconds later than the answer would have left. Answers after it are not held up.
    gap : float
        Seconds between two pieces. Other answers wait until the last piece is out.
    ending : {"close", "reset", "hang"}, optional
        What then happens to the connection: FIN, RST, or nothing any more: it stays open and no answer leaves.
    """

    pieces: tuple[bytes, ...]
    delay: float = 0.0
    gap: float = 0.0
    ending: Ending | None = None


Alteration = Callable[[bytes], bytes | Effect]
