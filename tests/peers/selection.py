"""Chooses the peers that a test is for, so that no test has to begin by finding out that it does not apply."""

from collections.abc import Callable

import pytest

from peers.catalogue import BY_NAME, SERVERS, Capabilities, Server


def that(holds: Callable[[Capabilities], bool], *, fixture: str = "peer") -> pytest.MarkDecorator:
    """Run the test with the peers whose capabilities pass `holds`."""
    return chosen(fixture, [each for each in SERVERS if holds(each.capabilities)])


def only(name: str, *, fixture: str = "peer") -> pytest.MarkDecorator:
    """Run the test with this peer alone."""
    return chosen(fixture, [BY_NAME[name]])


def chosen(fixture: str, servers: list[Server]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(fixture, servers, indirect=True, ids=[each.name for each in servers])
