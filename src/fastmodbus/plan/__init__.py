"""Read plans: the fewest requests for a set of tags, and where each value lies in the answers. Pure values."""

from .planner import DEFAULT_REQUEST_COST
from .readplan import ReadPlan
from .reads import Apart, Learnt, Member, Read

__all__ = ["DEFAULT_REQUEST_COST", "Apart", "Learnt", "Member", "Read", "ReadPlan"]
