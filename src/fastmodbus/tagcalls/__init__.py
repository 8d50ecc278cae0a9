"""What a client's ``read`` and ``write`` of named values do, without saying how it is run: see `calls`."""

from .reading import plan_of, read
from .writing import assigned, write

__all__ = ["assigned", "plan_of", "read", "write"]
