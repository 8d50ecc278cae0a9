"""What README and docs say about speed is what was measured: every figure comes from benchmarks/results.json."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/benchmarks.md"]


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.render")


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_of_a_page_are_those_of_the_results(render: ModuleType, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert render.BLOCK.search(text), f"{page} has no figures"
    assert render.fill(text, render.load_results()) == text, "make them anew: python -m benchmarks --from-results"


def test_every_table_is_shown(render: ModuleType) -> None:
    shown = {found["name"] for page in PAGES for found in render.BLOCK.finditer((ROOT / page).read_text("utf-8"))}
    assert shown == set(render.BLOCKS)


def test_every_row_was_measured_with_all_its_contestants(render: ModuleType) -> None:
    rows = importlib.import_module("benchmarks.rows").ROWS
    results = render.load_results()
    missing = {
        (row.key, name)
        for row in rows
        for name in row.contestants
        if name not in results["rows"].get(row.key, {}).get("contestants", {})
        and name not in results["rows"].get(row.key, {}).get("failed", {})
    }
    assert not missing
    assert not results["missing"]


def test_every_plot_is_shown_and_there(render: ModuleType) -> None:
    shown = set(re.findall(r"\]\(benchmarks/([\w-]+\.png)\)", (ROOT / PAGES[1]).read_text("utf-8")))
    assert shown == {path.name for path in render.PLOTS.glob("*.png")}
