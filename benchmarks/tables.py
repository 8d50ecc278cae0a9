"""The tables in Markdown, one function for each block that ``render`` puts into a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from .contestants import CEILING, CONTESTANTS, PYTHON_PEERS
from .engine import spread
from .figures import (
    Results,
    busy_milliseconds,
    contestants,
    cpu_us,
    fastest_peer,
    key,
    poll_ratio,
    rate,
    ratio,
    verdicts,
)

MISSING = "n/a"


def machine(results: Results) -> str:
    """Where and with what it was measured."""
    here = results["machine"]
    lines = [
        f"Measured on {here['date']}: {here['processor']}, {here['cores']} cores, Linux {here['kernel']}, "
        f"{here['compiler']}, "
        f"CPython {here['python']}, numpy {here['numpy']}, fastmodbus {here['fastmodbus']}; "
        f"load average of the machine when it began: {here['load']}.",
        "Peers: " + ", ".join(sorted(set(results["versions"].values()) - {_own(results)}, key=str.lower)) + ".",
    ]
    lines += [f"Not measured: {CONTESTANTS[name].title} ({reason})." for name, reason in results["missing"].items()]
    for row, measured in results["rows"].items():
        lines += [f"Failed in {row}: {reason}." for reason in measured["failed"].values()]
    return "\n".join(lines)


def _own(results: Results) -> str:
    own: str = results["versions"].get("fastmodbus", "")
    return own


def targets(results: Results) -> str:
    """The numbers that must hold."""
    rows = [(v.what, v.required, v.measured, "yes" if v.holds else "**no**") for v in verdicts(results)]
    return _table(("what", "must be", "measured (median, quartiles)", "holds"), rows)


def single(results: Results) -> str:
    """One transaction at a time."""
    rows = []
    for name, entry in CONTESTANTS.items():
        rates = [_rate(rate(results, key("single", registers), name)) for registers in (1, 10, 125)]
        if any(cell != MISSING for cell in rates):
            share = ratio(results, key("single", 10), name)
            cpu = cpu_us(results, key("single", 10), name)
            rows.append((entry.title, *rates, f"{share.median:.2f}" if share else MISSING, _number(cpu, "{:.1f}")))
    head = ("client", "1 register", "10 registers", "125 registers", "of bare C (10)", "CPU µs per request (10)")
    return _table(head, rows)


def bulk(results: Results) -> str:
    """Several in flight: rates by window."""
    return _by_window(results, "bulk", (4, 16, 64, 256), (False, True), 0)


def cpu(results: Results) -> str:
    """CPU time of the client for one request of 125 registers."""
    loads = [key("single", 125)]
    loads += [key("bulk", 125, n, coalesce) for n, coalesce in ((16, False), (16, True), (256, False), (256, True))]
    rows = []
    for name, entry in CONTESTANTS.items():
        cells = [_number(cpu_us(results, load, name), "{:.2f}") for load in loads]
        if any(cell != MISSING for cell in cells):
            rows.append((entry.title, *cells))
    head = ("client", "1 in flight", "16", "16, coalesced", "256", "256, coalesced")
    return _table(head, rows)


def delay_1ms(results: Results) -> str:
    """The same from a device that takes 1 ms."""
    return _by_window(results, "delay", (1, 4, 16, 64), (False, True), 1000)


def delay_5ms(results: Results) -> str:
    """The same from a device that takes 5 ms."""
    return _by_window(results, "delay", (1, 4, 16, 64), (False,), 5000)


def _by_window(results: Results, group: str, windows: Sequence[int], ways: Sequence[bool], delay_us: int) -> str:
    rows = []
    for coalesce in ways:
        for name, entry in CONTESTANTS.items():
            cells = [_with_share(results, key(group, 125, n, coalesce, delay_us), name) for n in windows]
            if any(cell != MISSING for cell in cells):
                rows.append((entry.title + (", coalesced" if coalesce else ""), *cells))
    return _table(("client", *(f"{n} in flight" for n in windows)), rows)


def small(results: Results) -> str:
    """Few registers a request: the cost of a transaction, not of its data."""
    rows = []
    for coalesce in (False, True):
        for name, entry in CONTESTANTS.items():
            loads = [key("bulk", registers, 16, coalesce) for registers in (1, 10, 125)]
            cells = [_with_share(results, load, name) for load in loads]
            if any(cell != MISSING for cell in cells):
                cpu = [_number(cpu_us(results, load, name), "{:.2f}") for load in loads]
                rows.append((entry.title + (", coalesced" if coalesce else ""), *cells, *cpu))
    head = ("client", "1 register", "10 registers", "125 registers", "CPU µs (1)", "CPU µs (10)", "CPU µs (125)")
    return _table(head, rows)


def busy(results: Results) -> str:
    """Beside a thread that computes in Python."""
    rows = []
    for in_flight, requests in ((1, 50), (16, 500)):
        for name, entry in CONTESTANTS.items():
            if times := busy_milliseconds(results, name, in_flight, requests):
                idle, beside = times
                how = f"{requests} reads, {in_flight} in flight"
                rows.append((entry.title, how, f"{idle:.1f}", f"{beside:.1f}", f"{beside / idle:.1f}"))
    return _table(("client", "what", "idle, ms", "beside a busy thread, ms", "times slower"), rows)


def scattered(results: Results) -> str:
    """600 scattered values."""
    rows = []
    for name, found in results.get("scattered", {}).items():
        if "failed" in found:
            rows.append((CONTESTANTS[name].title, MISSING, found["failed"]))
        else:
            rows.append((CONTESTANTS[name].title, f"{found['requests']:.0f}", f"{found['ms']:,.0f}"))
    return _table(("client", "requests per poll", "ms per poll"), rows)


def resources(results: Results) -> str:
    """Memory and import time."""
    rows = []
    for name, used in results.get("memory", {}).items():
        taken = results["import"].get(name)
        rows.append(
            (CONTESTANTS[name].title, f"{used / 1024:.1f}", f"{taken['median'] * 1e3:.1f}" if taken else MISSING)
        )
    return _table(("client", "KiB per idle connection", "ms to import beyond numpy"), rows)


def start(results: Results) -> str:
    """Whole processes, from start to end."""
    titles = {
        "python": "`python -c pass`",
        "numpy": '`python -c "import numpy"`',
        "import": '`python -c "import fastmodbus; fastmodbus.Client"`',
        "help": "`python -m fastmodbus --help`",
    }
    rows = []
    for name, taken in results.get("start", {}).items():
        low, median, high = (f"{taken[which] * 1e3:.0f}" for which in ("low", "median", "high"))
        rows.append((titles[name], median, f"{low} to {high}"))
    return _table(("process", "ms", "quartiles"), rows)


def decoding(results: Results) -> str:
    """Decoding alone."""
    return _table(
        ("125 registers from wire order to a native array", "ns"),
        [(name, f"{ns:,.0f}") for name, ns in results.get("decoding", {}).items()],
    )


def values(results: Results) -> str:
    """Registers to values."""
    return _table(
        ("registers to values", "ns"), [(name, f"{ns:,.1f}") for name, ns in results.get("values", {}).items()]
    )


def named(results: Results) -> str:
    """Reading by name; maps and plans."""
    titles = {
        "raw": "the requests of 600 tags, as one batch without names",
        "read": "`client.read` of these 600 tags, again and again",
        "load a map": "`load_map` of 1000 tags, CPU time",
        "plan its reads": "the plan of 1000 tags, CPU time",
    }
    rows = []
    for name, taken in results.get("named", {}).items():
        low, median, high = (f"{one:,.0f}" for one in sorted(spread(taken)))
        rows.append((titles[name], median, f"{low} to {high}"))
    return _table(("what", "µs", "quartiles"), rows)


def recording(results: Results) -> str:
    """What recording takes."""
    return _table(
        ("recording, CPU time of one core", ""),
        [(name, f"{value:,.3g}") for name, value in results.get("recording", {}).items()],
    )


def polling(results: Results) -> str:
    """Many devices, over and over."""
    rows, both = [], ("bare_c", "fastmodbus")
    for load, measured in results.get("polling", {}).get("connections", {}).items():
        devices, in_flight = load.removesuffix("f").split("-")
        if "failed" in measured:
            rows.append((devices, in_flight, *[MISSING] * 5))
            continue
        share = poll_ratio(measured, "rates")
        rates, cpu = ([median(measured[name][kind]) for name in both] for kind in ("rates", "cpu_us"))
        rows.append((devices, in_flight, *map(_rate, rates), f"{share.median:.2f}", *(f"{one:.2f}" for one in cpu)))
    head = ("devices", "in flight, each", "bare C", "fastmodbus", "share", "CPU µs per request, bare C", "fastmodbus")
    return _table(head, rows)


def lateness(results: Results) -> str:
    """How late polls are."""
    titles = {"bare_c": "bare C, a timer alone", "fastmodbus": "fastmodbus, to the request"}
    rows = []
    for name, found in results.get("polling", {}).get("lateness", {}).items():
        who, _, how = name.partition(", ")
        late = [f"{median(found[kind]) / 1e3:,.0f}" for kind in ("median", "p99", "max")]
        rows.append((titles[who], how, *late, f"{sum(found['not_good']):.0f}" if found["not_good"] else MISSING))
    return _table(("500 a second", "thread beside it", "median µs", "99 %", "worst", "rows not good"), rows)


def plant(results: Results) -> str:
    """A plant at a steady rate."""
    found = results.get("polling", {}).get("plant")
    if not found:
        return ""
    return (
        f"40 devices of 600 scattered tags, 10 polls a second each: {found['requests']:,.0f} requests a second, "
        f"{found['cpu']:.0%} of one core, {found['not_good']:.0f} of {found['polls']:,.0f} polls not good."
    )


def asynchronous(results: Results) -> str:
    """The asyncio client: the median of the rounds."""
    rows = results.get("asynchronous", {}).items()
    return _table(("asyncio", "µs a request"), [(name, f"{median(taken):,.2f}") for name, taken in rows])


def secure(results: Results) -> str:
    """Long reads over TLS: the median of the rounds."""
    rows = results.get("secure", {}).items()
    return _table(("TLS", "µs a request"), [(name, f"{median(taken):,.2f}") for name, taken in rows])


def headline(results: Results) -> str:
    """The few figures of the README."""
    rows = []
    for how, row in (
        ("one read of 10 registers at a time, default settings", key("single", 10)),
        ("`in_flight=16`", key("bulk", 125, 16)),
        ("`in_flight=16, coalesce=True`", key("bulk", 125, 16, True)),
        ("`in_flight=256, coalesce=True`", key("bulk", 125, 256, True)),
        ("`in_flight=16`, device takes 1 ms", key("delay", 125, 16, False, 1000)),
    ):
        share = ratio(results, row, "fastmodbus")
        cells = [_rate(rate(results, row, name)) for name in ("fastmodbus", CEILING)]
        rows.append((how, *cells, f"{share.median:.2f}" if share else MISSING, _best_peer_of(results, row)))
    table = _table(("requests/s", "fastmodbus", "bare C client", "share", "fastest Python peer so"), rows)
    return table + _fastest(results)


def _fastest(results: Results) -> str:
    if not (peer := fastest_peer(results)):
        return ""
    name, row, best = peer
    in_flight = results["rows"][row]["load"]["in_flight"]
    return (
        f"\n\nThe fastest Python peer at its best: {CONTESTANTS[name].title}, {in_flight} in flight, "
        f"{_rate(best)} requests/s of 125 registers."
    )


def _best_peer_of(results: Results, row: str) -> str:
    rates = [
        (value, name)
        for name in contestants(results, row)
        if name in PYTHON_PEERS and (value := rate(results, row, name))
    ]
    if not rates:
        return MISSING
    value, name = max(rates)
    return f"{_rate(value)} ({CONTESTANTS[name].title})"


def _with_share(results: Results, row: str, name: str) -> str:
    value = rate(results, row, name)
    share = ratio(results, row, name)
    if value is None:
        return MISSING
    if name == CEILING or share is None:
        return _rate(value)
    return f"{_rate(value)} ({share.median:.2f})"


def _rate(value: float | None) -> str:
    """Three significant digits: more would pretend."""
    if value is None:
        return MISSING
    return f"{float(f'{value:.3g}'):,.0f}"


def _number(value: float | None, form: str) -> str:
    return MISSING if value is None else form.format(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


BLOCKS = {
    "machine": machine,
    "targets": targets,
    "single": single,
    "bulk": bulk,
    "small": small,
    "cpu": cpu,
    "delay-1ms": delay_1ms,
    "delay-5ms": delay_5ms,
    "busy": busy,
    "scattered": scattered,
    "resources": resources,
    "start": start,
    "decoding": decoding,
    "values": values,
    "named": named,
    "asynchronous": asynchronous,
    "secure": secure,
    "recording": recording,
    "polling": polling,
    "lateness": lateness,
    "plant": plant,
    "headline": headline,
}
