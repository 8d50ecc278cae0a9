"""Read plans: the fewest requests for a set of tags, and where each value lies in the answers. Pure values."""

from .readplan import ReadPlan
from .reads import Apart, Learnt, Member, Read

__all__ = ["Apart", "Learnt", "Member", "Read", "ReadPlan"]
