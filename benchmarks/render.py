"""Puts the generated blocks into the pages that want them, docs/benchmarks.md and README.md, and makes the plots.

A page says ``<!-- benchmarks: NAME -->`` ... ``<!-- benchmarks: end -->``; what stands between is replaced. Text
outside is by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from .figures import Results
from .tables import BLOCKS

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "docs" / "benchmarks.md", ROOT / "README.md")
PLOTS = ROOT / "docs" / "benchmarks"
RESULTS = Path(__file__).parent / "results.json"
BLOCK = re.compile(r"<!-- benchmarks: (?P<name>[\w-]+) -->\n.*?<!-- benchmarks: end -->", re.DOTALL)


def load_results() -> Results:
    """The published results."""
    results: Results = json.loads(RESULTS.read_text())
    return results


def fill(text: str, results: Results) -> str:
    """The page with all its blocks made anew."""

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- benchmarks: {name} -->\n{BLOCKS[name](results)}\n<!-- benchmarks: end -->"

    return BLOCK.sub(block, text)


def write_all(results: Results) -> None:
    """Pages and plots from the results."""
    from . import plots

    for page_path in PAGES:
        text = page_path.read_text()
        page_path.write_text(fill(text, results))
    plots.write(results, PLOTS)


def page(results: Results) -> str:
    """All tables, for the terminal."""
    return "\n\n".join(f"## {name}\n{block(results)}" for name, block in BLOCKS.items())
