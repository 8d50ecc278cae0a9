"""The server and the contestants for pytest-benchmark: each contestant is started when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .engine import Session
from .process import Missing, Runner


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """The C server, and no contestant yet."""
    with Session(names=()) as opened:
        yield opened


@pytest.fixture(scope="session")
def runner(session: Session) -> Callable[[str], Runner]:
    """A contestant's process by name; skips, naming what is missing."""

    def find(name: str) -> Runner:
        if name in session.missing:
            pytest.skip(session.missing[name])
        if name not in session.runners:
            try:
                session.runners[name] = session.start(name)
            except Missing as reason:
                session.missing[name] = str(reason)
                pytest.skip(str(reason))
        return session.runners[name]

    return find
