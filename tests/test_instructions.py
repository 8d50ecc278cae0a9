"""The instructions and bytecodes of what is done most often stay where they were. No clock: any machine may test it.

Counts depend on compiler and interpreter. Where the baseline has none for this pair there is nothing to compare with.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
CANNOT_TELL = 3


def test_nothing_costs_more_than_its_baseline() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.instructions", "--check"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=110,
    )
    if done.returncode == CANNOT_TELL:
        pytest.skip(f"platform: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def instructions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.instructions")


@pytest.mark.parametrize(
    ("core", "bytecodes", "seen"),
    [(1000, 100, []), (1099, 109, []), (900, 50, []), (1101, 100, ["instructions"]), (1000, 111, ["bytecodes"])],
)
def test_what_counts_as_a_regression(instructions: ModuleType, core: int, bytecodes: int, seen: list[str]) -> None:
    before = {"one read": instructions.Count(1000.0, 9000.0, 100)}
    now = {"one read": instructions.Count(float(core), 99999.0, bytecodes)}
    assert [found.what for found in instructions.regressions(before, now)] == seen


def test_work_without_a_baseline_is_seen(instructions: ModuleType) -> None:
    found = instructions.regressions({}, {"one read": instructions.Count(1.0, 1.0, 0)})
    assert [difference.name for difference in found] == ["one read"]


def test_costs_of_callees_are_their_own(instructions: ModuleType) -> None:
    dump = """desc: Trigger: Client Request: 2 a piece of work
ob=/usr/lib/libc.so.6
fn=memcpy
0 10
ob=/somewhere/fastmodbus/_core/codec.so
fn=decode
0 100
cob=/usr/lib/libc.so.6
cfn=memcpy
calls=3 0
0 10
0 6
"""
    name, count = instructions.read_part(dump.splitlines())
    assert name == "a piece of work"
    assert count == instructions.Count(core=53.0, all=58.0)
