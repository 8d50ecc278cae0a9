"""Importing the package: what it loads, and which names it has."""

import importlib
import inspect
from pathlib import Path

import pytest

import fastmodbus as fm
from children import run_python

NOT_LOADED = [
    "asyncio", "ssl", "http", "xml", "email", "multiprocessing", "concurrent", "unittest", "numpy.testing", "pandas",
    "pyarrow", "xarray", "rich", "cyclopts", "pytest", "hypothesis", "msgspec", "sqlite3", "tomli", "tomllib",
    "selectors",
]  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    out, _ = run_python(f"import sys\n{statement}\nprint(*sys.modules)")
    return set(out.split())


def test_importing_the_package_loads_next_to_nothing() -> None:
    beyond = loaded_by("import fastmodbus") - loaded_by("pass")
    assert {name for name in beyond if name.startswith("fastmodbus")} == {"fastmodbus"}
    assert not any(name.partition(".")[0] == "numpy" for name in beyond)


def test_a_client_loads_numpy_and_nothing_heavy() -> None:
    """Beyond what numpy itself loads."""
    beyond = loaded_by("import fastmodbus; fastmodbus.Client") - loaded_by("import numpy, socket, logging")
    assert beyond.isdisjoint(NOT_LOADED), beyond & set(NOT_LOADED)
    assert "fastmodbus.simulator" not in beyond
    assert "fastmodbus.cli" not in beyond
    assert {name for name in beyond if name.startswith("numpy")} <= {"numpy.typing", "numpy._typing._add_docstring"}


@pytest.mark.parametrize("name", fm.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(fm, name)
    assert value is getattr(fm, name)
    assert name in dir(fm)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__module__.startswith("fastmodbus.")
        assert inspect.getdoc(value), "a public name says what it is"


def test_all_is_sorted_and_complete() -> None:
    assert list(fm.__all__) == sorted(set(fm.__all__))
    errors = importlib.import_module("fastmodbus.errors")
    for name in set(errors.__all__) - {"MapError", "RecorderError"}:
        assert getattr(fm, name) is getattr(errors, name)


def test_star_import_and_unknown_names() -> None:
    names: dict[str, object] = {}
    exec("from fastmodbus import *", names)
    assert names.keys() - {"__builtins__"} == set(fm.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        fm.Cleint  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(fm, "__wrapped__")


def test_every_public_method_of_a_client_is_described() -> None:
    for name, member in inspect.getmembers(fm.Client):
        if not name.startswith("_") and name not in ("host", "port", "unit"):
            assert inspect.getdoc(member), name


@pytest.mark.parametrize("name", [name for name, _ in inspect.getmembers(fm.Client, inspect.isfunction)])
def test_every_call_takes_unit_timeout_and_deadline(name: str) -> None:
    asks = name.startswith(("read_", "write_", "mask_", "get_", "report_")) and name != "read_plan"
    if asks or name in ("read", "write", "diagnostics", "execute"):
        parameters = inspect.signature(getattr(fm.Client, name)).parameters
        for common in ("unit", "timeout", "deadline"):
            assert parameters[common].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[common].default is None


def test_the_version_is_the_distributions() -> None:
    import tomllib

    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == fm.__version__
