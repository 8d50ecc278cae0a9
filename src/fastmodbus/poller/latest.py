"""The newest value of each tag, and what is known of it. Plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .._core.reactor import now
from ..samples import Samples


class Latest(Mapping[str, Any]):
    """Name -> value of a device's newest rows: NaN, None, False or empty where the newest row has none.

    Attributes
    ----------
    ok : dict of str to bool
        Whether the value is good.
    quality : dict of str to int
        The `Quality` of each.
    time : dict of str to numpy.datetime64
        The instant of the row, UTC.
    age : dict of str to float
        Seconds since that instant when this was made.
    """

    def __init__(self, newest: list[Samples]) -> None:
        self._values: dict[str, Any] = {}
        self.ok: dict[str, bool] = {}
        self.quality: dict[str, int] = {}
        self.time: dict[str, np.datetime64] = {}
        self.age: dict[str, float] = {}
        at = now() / 1e9
        for samples in newest:
            for name in samples:
                if name != "time":
                    self._note(samples, name, at)

    def _note(self, samples: Samples, name: str, at: float) -> None:
        value = samples[name][-1]
        quality = np.max(samples.quality[name][-1])
        self._values[name] = value.item() if isinstance(value, np.generic) else value
        self.quality[name] = int(quality)
        self.ok[name] = not quality
        self.time[name] = samples["time"][-1]
        self.age[name] = at - float(samples.t[-1])

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Latest {self._values!r}>"
