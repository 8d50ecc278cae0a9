"""Fixtures that give tests a running server of another project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from peers import mbpoll
from peers.catalogue import SERVERS, Server
from peers.harness import Peer, Pool, running


def require(server: Server) -> None:
    missing = server.missing()
    if missing:
        pytest.skip(f"{missing} is missing")


@pytest.fixture(scope="session")
def build_cache(pytestconfig: pytest.Config) -> Path:
    """Where compiled servers stay between runs."""
    return Path(pytestconfig.cache.mkdir("peers"))


@pytest.fixture(scope="session")
def peer_pool(build_cache: Path) -> Iterator[Pool]:
    with Pool(build_cache) as pool:
        yield pool


@pytest.fixture(params=SERVERS, ids=lambda server: server.name)
def peer(request: pytest.FixtureRequest, peer_pool: Pool) -> Iterator[Peer]:
    """Every peer in turn, with its known contents. The process may be shared: leave the contents as they were.

    `@that(...)` of peers.selection takes the peers that can do something.
    """
    require(request.param)
    with peer_pool.borrow(request.param) as borrowed:
        yield borrowed


@pytest.fixture(params=SERVERS, ids=lambda server: server.name)
def fresh_peer(request: pytest.FixtureRequest, build_cache: Path) -> Iterator[Peer]:
    """Every peer in turn, in a process of its own: write what you like."""
    require(request.param)
    with running(request.param, build_cache) as started:
        yield started


@pytest.fixture(scope="session")
def mbpoll_installed() -> None:
    if not mbpoll.installed():
        pytest.skip("mbpoll is missing")
