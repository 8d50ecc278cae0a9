"""How a user says which device is meant and how to talk to it: what the options of several commands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

Duration = str
Url = Annotated[str, Parameter(name="URL", help="tcp://HOST[:PORT][?OPTION=VALUE&...], HOST[:PORT], or sim:")]


@Parameter(name="*")
@dataclass(frozen=True)
class Line:
    """How to talk to the device; given here, an option beats the URL's."""

    unit: Annotated[int | None, Parameter(help="Unit identifier, 0 to 255. [default: 1]")] = None
    timeout: Annotated[Duration | None, Parameter(help="For one answer: 500ms, 3s. [default: 3s]")] = None
    retries: Annotated[int | None, Parameter(help="How often a read is repeated. [default: 2]")] = None
    trace: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Log the connection and every frame on stderr.")
    ] = False

    def options(self) -> dict[str, int | str | None]:
        """Options of `fastmodbus.connect`."""
        return {"unit": self.unit, "timeout": self.timeout, "retries": self.retries}


DEFAULTS = Line()
IN_FLIGHT = Parameter(help="Requests in flight at once, 1 to 4096, or auto: what is found to pay.")
MAP = Parameter(name=["--map", "-m"], help="A map of the device, TOML: its names may be used.")
InFlight = int | Literal["auto"]
