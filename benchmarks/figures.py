"""Reads figures out of the results: rates, ratios with their spread, and the numbers that must hold.

Everything published (tables, plots, README) is computed here from ``results.json`` and from nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from .contestants import CEILING, PYTHON_PEERS
from .engine import Spread, spread
from .process import Load
from .rows import Row

Results = dict[str, Any]


class Verdict(NamedTuple):
    """A number that must hold, and what was measured."""

    what: str
    required: str
    measured: str
    holds: bool


def key(group: str, *load: Any, **more: Any) -> str:
    """Name of a row in the results."""
    return Row(group, Load(*load, **more), ()).key


def contestants(results: Results, row: str) -> dict[str, Any]:
    """What was measured in a row, by contestant; empty when the row was not run."""
    found: dict[str, Any] = results["rows"].get(row, {}).get("contestants", {})
    return found


def rate(results: Results, row: str, name: str) -> float | None:
    """Median requests a second."""
    found = contestants(results, row).get(name)
    return statistics.median(found["rates"]) if found else None


def cpu_us(results: Results, row: str, name: str) -> float | None:
    """Median microseconds of CPU time for one request."""
    found = contestants(results, row).get(name)
    return statistics.median(found["cpu_us"]) if found else None


def ratio(results: Results, row: str, name: str, other: str = CEILING) -> Spread | None:
    """Rate of one over the rate of the other, round by round."""
    found = contestants(results, row)
    if name not in found or other not in found:
        return None
    return spread(a / b for a, b in zip(found[name]["rates"], found[other]["rates"], strict=True))


def fastest_peer(results: Results) -> tuple[str, str, float] | None:
    """The Python peer with the highest rate of all idle rows of 125 registers without delay: name, row, rate."""
    rates = [
        (median, name, row)
        for row, measured in results["rows"].items()
        if measured["load"]["registers"] == 125 and not measured["load"]["delay_us"] and not measured["load"]["busy"]
        for name in PYTHON_PEERS
        if (median := rate(results, row, name))
    ]
    if not rates:
        return None
    best, name, row = max(rates)
    return name, row, best


def verdicts(results: Results) -> list[Verdict]:
    """All numbers that must hold and could be measured."""
    return [
        *_against_c(results),
        *_against_peers(results),
        *_busy(results),
        *_values(results),
        *_polling(results),
        *_resources(results),
    ]


def _against_c(results: Results) -> Iterator[Verdict]:
    bulk = "bulk reads, {} in flight, {}: rate over the bare C client's"
    rows = [(key("bulk", 125, n, True), bulk.format(n, "coalesced"), 0.90) for n in (16, 64, 256)]
    rows.append((key("bulk", 125, 16), bulk.format(16, "one request per segment"), 0.90))
    rows.append((key("delay", 125, 16, False, 1000), bulk.format(16, "device takes 1 ms"), 0.95))
    for row, what, least in rows:
        if found := ratio(results, row, "fastmodbus"):
            yield Verdict(what, f"≥ {least:.2f}", _spread(found), found.median >= least)
    if found := ratio(results, key("single", 10), "libmodbus_client", "fastmodbus"):
        what = "one read of 10 registers: time over libmodbus's, called from C"
        yield Verdict(what, "≤ 1.10", _spread(found), found.median <= 1.10)


def _against_peers(results: Results) -> Iterator[Verdict]:
    if not (peer := fastest_peer(results)):
        return
    for in_flight, coalesce, least in ((16, True, 5), (16, False, 4), (256, True, 30)):
        mine = rate(results, key("bulk", 125, in_flight, coalesce), "fastmodbus")
        if mine:
            how = ", coalesce=True" if coalesce else ", else default settings"
            what = f"bulk reads, in_flight={in_flight}{how}: rate over the fastest Python peer's best"
            yield Verdict(what, f"≥ {least}", f"{mine / peer[2]:.1f}", mine / peer[2] >= least)
    mine, theirs = (results.get("scattered", {}).get(name, {}).get("ms") for name in ("fastmodbus", "pymodbus"))
    if mine and theirs:
        what = "600 scattered values, device takes 5 ms: times faster than pymodbus"
        yield Verdict(what, "≥ 10", f"{theirs / mine:.0f}", theirs / mine >= 10)


def busy_milliseconds(results: Results, name: str, in_flight: int, requests: int) -> tuple[float, float] | None:
    """Time of so many reads, idle and beside a thread that computes."""
    idle, busy = (rate(results, key("thread", 125, in_flight, busy=on), name) for on in (False, True))
    return (requests / idle * 1e3, requests / busy * 1e3) if idle and busy else None


def _busy(results: Results) -> Iterator[Verdict]:
    for name, how in (("fastmodbus", "in_flight=16"), ("fastmodbus_default", "default settings")):
        if times := busy_milliseconds(results, name, 16, 500):
            added = times[1] - times[0]
            what = f"500 reads in one batch beside a busy Python thread, {how}: more than idle"
            yield Verdict(what, "≤ 10 ms", f"{added:.1f} ms", added <= 10)


def _values(results: Results) -> Iterator[Verdict]:
    taken: dict[str, float] = results.get("values", {})
    for name, ns in taken.items():
        if "scattered tags" in name and ", f32 @" in name:
            yield Verdict(name, "≤ 5 ns", f"{ns:.1f} ns", ns <= 5)
    for what, mine, theirs, least in (
        (
            "contiguous f32@CDAB[1000]: times faster than numpy",
            "f32@CDAB[1000], fastmodbus",
            "f32@CDAB[1000], numpy: r",
            5,
        ),
        ("SunSpec inverter into columns: times faster than pymodbus", "into columns", "pymodbus: convert", 50),
    ):
        own, other = (next((ns for name, ns in taken.items() if part in name and "tags" not in name), 0.0)
                      for part in (mine, theirs))  # fmt: skip
        if own and other:
            yield Verdict(what, f"≥ {least}", f"{other / own:.1f}", other / own >= least)
    yield from _named(results.get("named", {}))


def _named(taken: dict[str, list[float]]) -> Iterator[Verdict]:
    if not taken:
        return
    over = spread(read / raw for read, raw in zip(taken["read"], taken["raw"], strict=True))
    what = "`client.read` of 600 tags: time over that of its raw reads"
    yield Verdict(what, "≤ 1.3", _spread(over), over.median <= 1.3)
    for name, what, most in (("load a map", "loading a map of 1000 tags", 60), ("plan its reads", "planning them", 30)):
        ms = spread(taken[name]).median / 1e3
        yield Verdict(what, f"≤ {most} ms", f"{ms:.1f} ms", ms <= most)


def poll_ratio(measured: dict[str, Any], kind: str) -> Spread:
    """Of two pollers of the same devices, fastmodbus's figure over bare C's, round by round."""
    pairs = zip(measured["fastmodbus"][kind], measured["bare_c"][kind], strict=True)
    return spread(mine / theirs for mine, theirs in pairs)


def _polling(results: Results) -> Iterator[Verdict]:
    found = results.get("polling", {})
    for in_flight in (1, 10):
        measured = found.get("connections", {}).get(f"1000-{in_flight}f", {})
        if measured and "failed" not in measured:
            over = poll_ratio(measured, "rates")
            what = f"polling 1000 devices, 10 reads each, {in_flight} in flight: rate over a bare C epoll client's"
            yield Verdict(what, "≥ 0.80", _spread(over), over.median >= 0.80)
    if late := found.get("lateness"):
        mine, theirs = (statistics.median(late[f"{name}, busy"]["p99"]) / 1e6 for name in ("fastmodbus", "bare_c"))
        most = max(2 * theirs, 1.0)
        what = "500 polls a second beside a busy thread: 99 of 100 at most so late (twice a bare C timer's, or 1 ms)"
        yield Verdict(what, f"≤ {most:.2f} ms", f"{mine:.2f} ms", mine <= most)
    if plant := found.get("plant"):
        what = "40 devices of 600 scattered tags at 10 Hz: share of one core"
        yield Verdict(what, "< 25 %", f"{plant['cpu']:.0%}", plant["cpu"] < 0.25)


def _resources(results: Results) -> Iterator[Verdict]:
    for name, how in (("fastmodbus", "in_flight=16"), ("fastmodbus_default", "default settings")):
        if (used := results.get("memory", {}).get(name)) is not None:
            what = f"memory of an idle connection, {how}"
            yield Verdict(what, "≤ 16 KiB", f"{used / 1024:.1f} KiB", used <= 16384)
    if taken := results.get("import", {}).get("fastmodbus"):
        ms = taken["median"] * 1e3
        yield Verdict("import of the client, beyond numpy", "≤ 20 ms", f"{ms:.1f} ms", ms <= 20)
    if taken := results.get("start", {}).get("help"):
        ms = taken["median"] * 1e3
        yield Verdict("`fastmodbus --help`, the whole process", "≤ 200 ms", f"{ms:.0f} ms", ms <= 200)


def _spread(found: Spread) -> str:
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
