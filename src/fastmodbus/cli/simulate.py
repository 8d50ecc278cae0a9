"""``fastmodbus simulate``: a simulated device as a process of its own, until it is told to end."""

from __future__ import annotations

import signal
import threading

from fastmodbus import options
from fastmodbus.simulator import Simulator

from . import pattern, terminal
from .outcome import UsageError, reading_the_command


def simulate(
    *,
    host: str,
    port: int,
    units: str,
    fill: str,
    answer_delay: str,
    service_time: str,
    max_in_flight: int | None,
    one_answer_per_receive: bool,
    illegal: str,
) -> None:
    """Serve until SIGTERM, or Ctrl-C, which is raised."""
    numbers = _units(units)
    with reading_the_command():
        simulator = Simulator(
            host=host,
            port=port,
            units=numbers,
            answer_delay=options.seconds("answer-delay", answer_delay, zero=True),
            service_time=options.seconds("service-time", service_time, zero=True),
            max_in_flight=max_in_flight,
            one_answer_per_receive=one_answer_per_receive,
            illegal=[text for text in illegal.split(",") if text],
        )
    if fill == "pattern":
        for number in numbers:
            pattern.fill(simulator.unit(number), number)
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: told_to_end.set())
    with simulator:
        print(f"{simulator.url} units {','.join(map(str, numbers))}", flush=True)
        _serve(simulator, told_to_end)


def _units(text: str) -> list[int]:
    """The unit identifiers of ``1,2`` or ``1-10``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise UsageError(f"units is {text!r}; write numbers from 0 to 255, such as 1,2 or 1-10")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _serve(simulator: Simulator, told_to_end: threading.Event) -> None:
    """Wait for the end; on a terminal, show how much is asked meanwhile."""
    rate = terminal.Rate(simulator.requests)

    def line() -> str:
        count = simulator.requests
        return f"{rate.of(count):,.0f} requests/s, {count:,} in all"

    terminal.wait(told_to_end.wait, line)
