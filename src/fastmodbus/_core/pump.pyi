from typing import Self

from typing_extensions import disjoint_base

from .state import SessionState

LOST: int
QUIET: int
NEWS: int

@disjoint_base
class Pump:
    due: int
    def __new__(cls, session: SessionState, socket: int, coalesce: bool) -> Self: ...
    def turn(self, readable: bool) -> int: ...
    @property
    def blocked(self) -> bool: ...
    @property
    def error(self) -> int: ...
