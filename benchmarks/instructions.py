"""Counts instructions by callgrind: regressions are caught without a clock, on a busy machine too.

python -m benchmarks.instructions            count and print, beside the baseline
python -m benchmarks.instructions --check    fail if a count is more than 10 % above the baseline (3: cannot be told)
python -m benchmarks.instructions --write    make these counts the baseline

Two things are counted for each piece of work in ``counted``: the instructions inside the compiled core (not those of
the interpreter, numpy or libc, which differ from build to build), and the bytecodes of the package's Python code. Both
still depend on the compiler and on CPython, so the baseline has an entry for each pair of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .native import BuildFailed, Server, compiler, library
from .process import ROOT

BASELINE = Path(__file__).with_name("instructions.json")
TOLERANCE = 0.10
CANNOT_TELL = 3
"""Exit status where nothing can be counted, or where there is nothing to compare with."""
CORE = "/fastmodbus/_core/"
TRIGGER = re.compile(r"desc: Trigger: Client Request: (\d+) (.+)")


class Count(NamedTuple):
    """For one piece of work, done once."""

    core: float
    """Instructions inside the compiled core."""
    all: float
    """Instructions of the whole process outside the kernel; not compared, since most are the interpreter's."""
    bytecodes: int = 0
    """Of the package's Python code."""


class Difference(NamedTuple):
    """A count that is more than it may be."""

    name: str
    what: str
    before: float
    now: float

    def __str__(self) -> str:
        return f"{self.name}: {self.what} {self.before:,.0f} -> {self.now:,.0f}"


def unavailable() -> str:
    """Why nothing can be counted here, or an empty text."""
    if sys.platform != "linux":
        return "callgrind's requests are known to work on Linux only"
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    try:
        library("marks")
    except BuildFailed as error:
        return str(error)
    return "" if not _instrumented() else "the core is built with instrumentation or checks of its own"


def _instrumented() -> bool:
    from fastmodbus._core import codec

    if any(os.environ.get(f"FASTMODBUS_{switch}") for switch in ("CHECKS", "GCOV", "SANITIZE")):
        return True
    built = Path(codec.__file__ or "").read_bytes()
    return b"__gcov" in built or b"__asan" in built


def environment() -> str:
    """What counts depend on: architecture, CPython, compiler."""
    said = subprocess.run([compiler(), "--version"], check=True, capture_output=True, text=True).stdout
    name = "clang" if "clang" in said else "gcc"
    number = re.search(r"(\d+)\.\d+", said)
    python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.machine()}, {python}, {name} {number[1] if number else '?'}"


def count() -> dict[str, Count]:
    """Count everything: some 10 seconds, most of them valgrind's."""
    with Server(lifetime=600) as server, tempfile.TemporaryDirectory() as folder:
        counted = [sys.executable, "-m", "benchmarks.counted", str(server.port)]
        codes: dict[str, int] = json.loads(_run(counted))
        out = Path(folder) / "out"
        _run(
            [
                *("valgrind", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no"),
                *(f"--callgrind-out-file={out}", *counted, str(library("marks"))),
            ]
        )
        parts = sorted(Path(folder).glob("out.*"), key=lambda part: int(part.suffix[1:]))
        found = dict(read_part(part.read_text().splitlines()) for part in parts)
    return {name: counts._replace(bytecodes=codes.get(name, 0)) for name, counts in found.items()}


def _run(command: list[str]) -> str:
    # The order of sets and dicts of text must be the same each time.
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environ)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return done.stdout


def read_part(lines: Iterable[str]) -> tuple[str, Count]:
    """One dump: the name of the work, and what one repetition cost. Costs of callees are not costs of their callers."""
    name, repeats, core, everything = "", 1, 0, 0
    inside = called = False
    for line in lines:
        if found := TRIGGER.match(line):
            repeats, name = int(found[1]), found[2]
        elif line.startswith("ob="):
            inside = CORE in line
        elif line.startswith("calls="):
            called = True
        elif line[:1].isdigit():
            cost = 0 if called else int(line.split()[1])
            core += cost if inside else 0
            everything += cost
            called = False
    return name, Count(round(core / repeats, 1), round(everything / repeats, 1))


def baseline() -> dict[str, Count] | None:
    """The counts that were committed for this compiler and CPython."""
    found = _committed().get(environment())
    return found and {name: Count(**counts) for name, counts in found.items()}


def _committed() -> dict[str, dict[str, Any]]:
    committed: dict[str, dict[str, Any]] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    return committed


def write(counts: dict[str, Count]) -> None:
    """Make these counts the baseline for this compiler and CPython."""
    entry = {name: found._asdict() for name, found in counts.items()}
    everything = {**_committed(), environment(): entry}
    BASELINE.write_text(json.dumps(dict(sorted(everything.items())), indent=1) + "\n")


def regressions(before: dict[str, Count], now: dict[str, Count]) -> list[Difference]:
    """What costs more than the tolerance allows, and work that the baseline does not know."""
    found = []
    for name, counts in now.items():
        old = before.get(name, Count(0, 0, 0))
        for what in ("core", "bytecodes"):
            was, is_now = getattr(old, what), getattr(counts, what)
            if is_now > was * (1 + TOLERANCE):
                found.append(Difference(name, "instructions" if what == "core" else what, was, is_now))
    return found


def table(before: dict[str, Count] | None, now: dict[str, Count]) -> str:
    """All counts in lines for the terminal."""
    lines = [f"{'core':>12} {'baseline':>12} {'bytecodes':>10} {'baseline':>10} {'all':>12}"]
    for name, counts in now.items():
        old = (before or {}).get(name)
        core, codes = (f"{old.core:,.0f}", f"{old.bytecodes:,}") if old else ("-", "-")
        lines.append(
            f"{counts.core:>12,.0f} {core:>12} {counts.bytecodes:>10,} {codes:>10} {counts.all:>12,.0f}  {name}"
        )
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="counts by callgrind")
    parser.add_argument("--check", action="store_true", help="fail when a count is above the baseline's")
    parser.add_argument("--write", action="store_true", help="make these counts the baseline")
    options = parser.parse_args()
    if reason := unavailable() or (_no_baseline() if options.check else ""):
        print(reason, file=sys.stderr)
        sys.exit(CANNOT_TELL)
    before, now = baseline(), count()
    print(environment(), table(before, now), sep="\n")
    if options.write:
        write(now)
    elif options.check and (found := regressions(before or {}, now)):
        sys.exit("\n".join(["more than the baseline allows:", *map(str, found)]))


def _no_baseline() -> str:
    """What is missing for a comparison, or an empty text."""
    if baseline():
        return ""
    return f"there is no baseline for {environment()}; `python -m benchmarks.instructions --write` makes one"


if __name__ == "__main__":
    main()
