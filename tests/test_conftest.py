"""The rules of the test suite itself: what a skip means in CI, and that examples in Markdown run."""

from pathlib import Path

import pytest

RULES = Path(__file__).parents[1].joinpath("conftest.py").read_text(encoding="utf-8")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty project under the same rules, without the package's own plugin."""
    pytester.makeconftest(RULES)
    pytester.makeini("[pytest]\naddopts = -p no:fastmodbus")
    return pytester


SKIPS = {
    "in a test": "import pytest\ndef test_a(): pytest.skip({reason!r})",
    "by a mark": "import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_a(): pass",
    "of a file": "import pytest\npytest.skip({reason!r}, allow_module_level=True)",
}


@pytest.mark.parametrize("code", SKIPS.values(), ids=SKIPS)
@pytest.mark.parametrize(
    ("ci", "reason", "fails"),
    [("true", "needs mbpoll", True), ("true", "platform: epoll is Linux's", False), ("false", "needs mbpoll", False)],
)
def test_a_skip_for_want_of_an_install_fails_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str, ci: str, reason: str, fails: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    project.makepyfile(code.format(reason=reason))
    result = project.runpytest()
    if fails:
        result.stdout.fnmatch_lines(["*skipped in CI, where nothing may be missing: needs mbpoll*"])
    outcomes = result.parseoutcomes()
    outcomes.pop("warnings", None)  # of modules that the tests outside have imported
    assert outcomes in ([{"failed": 1}, {"errors": 1}] if fails else [{"skipped": 1}])


def test_an_expected_failure_is_not_a_skip(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert False")
    project.runpytest().assert_outcomes(xfailed=1)


PAGE = """
A page.

<!--- invisible-code-block: python
from pathlib import Path
--->

```python
Path("written").touch()
```

```text
not Python
```

```python
assert list(Path().iterdir()) == [Path("written")]
```
"""


def test_the_examples_of_a_page_run_in_an_empty_folder_of_their_own(project: pytest.Pytester) -> None:
    project.makefile(".md", README=PAGE, OTHER="```python\nassert False\n```")
    project.mkdir("docs").joinpath("page.md").write_text(PAGE, encoding="utf-8")
    project.runpytest().assert_outcomes(passed=6)
    assert not project.path.joinpath("written").exists()


def test_an_example_that_is_wrong_fails(project: pytest.Pytester) -> None:
    project.makefile(".md", README="```python\nassert 1 + 1 == 3\n```")
    project.runpytest().assert_outcomes(failed=1)
