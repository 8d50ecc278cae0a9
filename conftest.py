"""What holds for every test of the project, wherever it stands: tests/, README.md and docs/.

* Examples run. Each ```python block of README.md and docs/*.md is a test; the blocks of one page share their names, and
  each page starts in an empty folder of its own. The convention is that examples connect to ``"sim:"``, a simulated
  device made on the spot, so that a reader can run them too. What a reader need not see goes into a comment,
  ``<!--- invisible-code-block: python ... --->``. A block that is not to be run names another language, ``text`` say.
* Where each test runs in several threads at once (pytest-run-parallel), those that use a fixture run alone.
* Nothing is skipped in CI, where everything that a test may ask for has been installed. With ``CI=true`` a skip is a
  failure unless its reason begins with ``platform:``, that is, unless no install could help.
"""

import contextlib
import inspect
import os
import tempfile
from collections.abc import Generator
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import ClearNamespaceParser, PythonCodeBlockParser, SkipParser

pytest_plugins = ["pytester"]


def _enter_empty_folder(namespace: dict[str, Any]) -> None:
    stack = namespace["_folder"] = contextlib.ExitStack()
    stack.enter_context(contextlib.chdir(stack.enter_context(tempfile.TemporaryDirectory())))


def _leave_folder(namespace: dict[str, Any]) -> None:
    namespace["_folder"].close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser(), ClearNamespaceParser()],
    patterns=["README.md", "docs/*.md"],
    setup=_enter_empty_folder,
    teardown=_leave_folder,
).pytest()


def _fail_if_something_is_missing(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where nothing may be missing."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    assert isinstance(report.longrepr, tuple), "a skip carries where and why"
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not reason.startswith("platform:"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """The copies of a test in several threads share its fixtures, a server for instance and what it has seen."""
    if not item.config.pluginmanager.hasplugin("run-parallel") or not isinstance(item, pytest.Function):
        return
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if set(inspect.signature(item.function).parameters) - set(parameters) - {"self"}:
        item.add_marker(pytest.mark.thread_unsafe(reason="its copies would share fixtures"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_something_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_something_is_missing(report)
    return report
