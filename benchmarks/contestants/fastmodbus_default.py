"""fastmodbus with no option given, ``fm.Client(host)``: a bulk read learns how many in flight pay, 16 at most."""

from __future__ import annotations

from typing import Any

from . import fastmodbus_


class Client(fastmodbus_.Client):
    most_in_flight = 16

    def wishes(self, registers: int, in_flight: int, coalesce: bool) -> dict[str, Any]:
        return {}
