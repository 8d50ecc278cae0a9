"""Starts the peers of the catalogue, compiling what is C, and keeps those that can serve more than one test.

Fixtures are in conftest.py; tests get a `Peer` and never see a process.
"""

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from peers.catalogue import Capabilities, LibmodbusServer, Server
from peers.contents import Table, TableName
from peers.process import PeerFailed, ServerProcess

HOST = "127.0.0.1"
ANNOUNCE = Path(__file__).parent / "libmodbus" / "announce.h"


@dataclass(frozen=True)
class Peer:
    """A running server of another project."""

    name: str
    port: int
    capabilities: Capabilities
    process: ServerProcess
    host: str = HOST
    unit: int = 1

    @property
    def url(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def table(self, name: TableName) -> Table:
        return self.capabilities.tables[name]

    def implements(self, *functions: int) -> bool:
        return self.capabilities.functions.issuperset(functions)


def compiled(server: LibmodbusServer, cache: Path) -> Path:
    """The server's program, built unless the cache has it."""
    content = server.source.read_bytes() + ANNOUNCE.read_bytes()
    program = cache / f"{server.name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if program.exists():
        return program
    unfinished = program.with_suffix(".new")
    command = ["cc", "-O2", "-include", str(ANNOUNCE), str(server.source), "-o", str(unfinished), *libmodbus_flags()]
    build = subprocess.run(command, capture_output=True, text=True, check=False)
    if build.returncode:
        raise PeerFailed(f"{' '.join(command)}\n{build.stderr}")
    unfinished.replace(program)
    return program


def libmodbus_flags() -> list[str]:
    command = ["pkg-config", "--cflags", "--libs", "libmodbus"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def launch(server: Server, cache: Path) -> ServerProcess:
    if isinstance(server, LibmodbusServer):
        return ServerProcess([compiled(server, cache)], server.name)
    return ServerProcess.of_module(server.module, server.name)


@contextmanager
def running(server: Server, cache: Path) -> Iterator[Peer]:
    """A peer of one's own."""
    with launch(server, cache) as process:
        yield Peer(server.name, process.port, server.capabilities, process)


class Pool:
    """Peers that live as long as the test session. Those that serve one connection only are never shared."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._stack = ExitStack()
        self._peers: dict[str, Peer] = {}

    @contextmanager
    def borrow(self, server: Server) -> Iterator[Peer]:
        """A peer whose contents are the known ones: whoever writes must write back, or take one of its own."""
        if server.capabilities.connections == "one":
            with running(server, self._cache) as peer:
                yield peer
            return
        if server.name not in self._peers or not self._peers[server.name].process.running():
            self._peers[server.name] = self._stack.enter_context(running(server, self._cache))
        yield self._peers[server.name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
