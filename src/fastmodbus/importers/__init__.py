"""Maps from what others have written down: SunSpec models, modpoll and Telegraf configurations, plain tables.

Each importer reads files and yields a ``Map``; none talks to a device.
"""

from .modpoll import load_modpoll
from .sunspec import SunSpecModel, load_sunspec, sunspec_map
from .table import load_csv
from .telegraf import load_telegraf

__all__ = ["SunSpecModel", "load_csv", "load_modpoll", "load_sunspec", "load_telegraf", "sunspec_map"]
