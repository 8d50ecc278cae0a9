"""The rings, where import-linter cannot look: inside the Cython sources, and outside the package."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "fastmodbus"
CORE = sorted(path for path in PACKAGE.joinpath("_core").iterdir() if path.suffix in {".py", ".pyx", ".pxd"})
HEADERS = sorted(PACKAGE.joinpath("_core").glob("*.h"))
MODEL = (
    "address",
    "checks",
    "errors",
    "explain",
    "files",
    "maps",
    "naming",
    "options",
    "plan",
    "quality",
    "samples",
    "spec",
    "statistics",
    "tags",
    "values",
)

IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<source>[\w.]+)[ \t]+c?import|c?import[ \t]+(?P<modules>[\w., \t]+))", re.MULTILINE
)
EXTERNAL = re.compile(r'^[ \t]*cdef extern from "(?P<header>[^"]+)"', re.MULTILINE)
COMPILED_AGAINST = {"cython", "cpython", "libc", "posix"}


def imported(path: Path) -> set[str]:
    """Every module that a Python or Cython file names in an import or cimport."""
    names: set[str] = set()
    for match in IMPORT.finditer(path.read_text(encoding="utf-8")):
        listed = match["source"] or match["modules"]
        names.update(re.split(r"[ \t]+as[ \t]+", name.strip())[0] for name in listed.split(","))
    return names


def test_imports_are_found_in_cython_and_python(tmp_path: Path) -> None:
    source = tmp_path / "a.pyx"
    source.write_text("import os, sys as s\nfrom a.b cimport (c)\ncimport numpy as np\n  from . import d\n# import e\n")
    assert imported(source) == {"os", "sys", "a.b", "numpy", "."}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_nothing_from_further_out(path: Path) -> None:
    for name in imported(path):
        inside = name.startswith(".") or (name + ".").startswith("fastmodbus._core.")
        assert inside or name.split(".")[0] in COMPILED_AGAINST, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_system_calls_are_made_by_the_drivers_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headers = {match["header"] for match in EXTERNAL.finditer(text)}
    assert not headers & {"sys/socket.h", "sys/epoll.h", "poll.h", "unistd.h", "winsock2.h"}, "net.h wraps these"
    if path.stem not in {"net", "bell", "connection", "loop", "pump", "reactor", "visits"}:
        assert "net.h" not in headers
        assert not re.search(r"\b_core(?:\.net| cimport (?:\w+, )*net)\b", text)


@pytest.mark.parametrize("path", CORE + HEADERS, ids=lambda path: path.name)
def test_a_file_of_the_core_opens_by_saying_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not lines or lines[0].startswith(('"""', "#", "/*", "//")), f"{path.name} says nothing"


def test_the_model_does_no_network_io() -> None:
    for path in (path for path in PACKAGE.glob("*.py") if path.stem in MODEL):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"asyncio", "select", "selectors", "socket", "ssl", "subprocess"}, path.name


def test_the_groups_to_build_with_are_the_build_requirements() -> None:
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]
