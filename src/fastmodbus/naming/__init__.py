"""What a client's ``read`` and ``write`` are asked for, as tags and plans. Its public names; no logic."""

from .names import REST, Names
from .selection import Request, Selection, requests_of

__all__ = ["REST", "Names", "Request", "Selection", "requests_of"]
