"""The simulator over TLS, and the client for it: what stands in where tests of the blocking client run over TLS."""

from typing import Any

import pytest

import fastmodbus as fm
from fastmodbus.client import connect as connect_blocking
from fastmodbus.simulator import Simulator
from pki import pki

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
LONG = 60.0


class SecureSimulator(Simulator):
    """A device that shows the certificate of tests/pki.py and wants one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, ssl_context=pki().server())


def connect_over_tls(url: str, **options: Any) -> fm.Client:
    return connect_blocking(url, **pki().wanted, **options)


def device(**options: Any) -> fm.Simulator:
    """For tests of TLS itself: the value of a register is its address."""
    options.setdefault("ssl_context", pki().server())
    return fm.Simulator(registers={"hr": range(65536)}, **options)


def connect(url: str, **options: Any) -> fm.Client:
    """The kind of client that the test runs with."""
    return fm.connect(url, **{**pki().wanted, "timeout": LONG, **options})
