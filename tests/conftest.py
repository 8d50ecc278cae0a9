"""Runs the tests of a module with several kinds of clients: with those that its `CLIENTS` names.

A test gets them as `fm.Client` and `fm.connect`. What is about threads, signals or the collector carries the marker
`blocking` and runs with the blocking client alone; what carries `tls` runs over TLS, too.
"""

import pytest

import fastmodbus as fm
from loops import STAND_INS
from secured import SecureSimulator, connect_over_tls


@pytest.fixture(autouse=True)
def client_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = STAND_INS[getattr(request, "param", "blocking")]
    if stand_in is not None:
        monkeypatch.setattr(fm, "Client", stand_in)
        monkeypatch.setattr(fm, "connect", stand_in.opened)
    if getattr(request, "param", "") == "tls":
        monkeypatch.setattr(fm, "connect", connect_over_tls)
        monkeypatch.setattr("faults.harness.Simulator", SecureSimulator)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kinds = getattr(metafunc.module, "CLIENTS", None)
    if kinds is not None and not metafunc.definition.get_closest_marker("blocking"):
        over_tls = ("tls",) if metafunc.definition.get_closest_marker("tls") else ()
        metafunc.parametrize("client_kind", (*kinds, *over_tls), indirect=True)
