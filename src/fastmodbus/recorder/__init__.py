"""Recording: Samples to disk for weeks, so that nothing is lost that was there; and reading it back.

`recorder` writes, `journal` and `rotation` are what it writes to, `loading` reads, `recording` is ``fm.record``.
"""

from .loading import load
from .recorder import Recorder
from .recording import Recording, record
from .stats import RecordStats

__all__ = ["RecordStats", "Recorder", "Recording", "load", "record"]
