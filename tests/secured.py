"""The simulator over TLS, and the client for it: what stands in where tests of the blocking client run over TLS."""

from typing import Any

import fastmodbus as fm
from fastmodbus.client import connect
from fastmodbus.simulator import Simulator
from pki import pki


class SecureSimulator(Simulator):
    """A device that shows the certificate of tests/pki.py and wants one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options, ssl_context=pki().server())


def connect_over_tls(url: str, **options: Any) -> fm.Client:
    return connect(url, **pki().wanted, **options)
