"""Collects what the cases came to; with ``--write-verdicts`` the page about reliability is made from it anew."""

from collections.abc import Iterator

import pytest

from faults.verdicts import Verdicts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-verdicts", action="store_true", help="write tests/faults/verdicts.json and the page anew")


@pytest.fixture(scope="session")
def verdicts(pytestconfig: pytest.Config) -> Iterator[Verdicts]:
    found = Verdicts(writing=bool(pytestconfig.getoption("--write-verdicts", default=False)))
    yield found
    found.finish()
