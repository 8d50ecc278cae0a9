"""Runs the benchmarks: measure, write ``results.json``, make the tables and plots from it.

python -m benchmarks            everything, a few minutes
python -m benchmarks --quick    the headline rows only, about a minute; prints, and writes nothing
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from . import extras, machine, polling, render
from .contestants import PYTHON
from .engine import Effort, Session, measure
from .rows import QUICK, ROWS, SCATTERED_QUICK, Row

FULL = Effort(rounds=15, seconds=0.05)
SHORT = Effort(rounds=7, seconds=0.02)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="fastmodbus beside its peers")
    parser.add_argument("--quick", action="store_true", help="headline rows only; write nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains TEXT; write nothing")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--from-results", action="store_true", help="make tables and plots anew from results.json")
    options = parser.parse_args()
    if options.from_results:
        render.write_all(render.load_results())
        return
    effort = SHORT if options.quick else FULL
    if options.rounds:
        effort = effort._replace(rounds=options.rounds)
    rows = [row for row in (QUICK if options.quick else ROWS) if options.only in row.key]
    whole = not options.quick and not options.only
    polled = () if options.only else SCATTERED_QUICK if options.quick else PYTHON
    results = run(rows, effort, polled)
    if whole:
        render.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        render.write_all(results)
    print(render.page(results))


def run(rows: list[Row], effort: Effort, polled: tuple[str, ...]) -> dict[str, Any]:
    """Measure the rows, then what is not a row, with a poll of scattered values for each of ``polled``."""
    with Session() as session:
        for name, reason in session.missing.items():
            _say(f"without {name}: {reason}")
        results: dict[str, Any] = {
            "machine": machine.describe(),
            "versions": session.versions,
            "missing": session.missing,
            "effort": effort._asdict(),
            "rows": {},
        }
        for row in rows:
            _say(row.key)
            results["rows"][row.key] = measure(session, row, effort)
        if polled:
            _say("scattered values, memory, import, decoding, names, recording")
            results["scattered"] = extras.scattered(session, effort, polled)
            results["memory"] = extras.memory(session, 500)
            results["import"] = extras.import_times(session, effort.rounds)
            results["start"] = extras.start_times(effort.rounds)
            results["decoding"] = extras.codec()
            results["values"] = extras.values()
            results["named"] = extras.named(session, effort.rounds)
            results["asynchronous"] = extras.asynchronous(session, effort.rounds)
            results["secure"] = extras.secure(session, effort.rounds)
            results["recording"] = extras.recording()
            _say("polling")
            results["polling"] = polling.everything(session, effort, whole=len(rows) == len(ROWS))
    return results


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
