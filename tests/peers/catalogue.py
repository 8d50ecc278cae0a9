"""Which servers of other projects the tests know, what each holds and what it can do. harness.py starts them.

What is said here of a peer is checked against the running server by test_peers.py.
"""

import importlib.util
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from peers.contents import READ_FUNCTION, Table, TableName, computed

EXAMPLES = Path("/usr/share/doc/libmodbus-dev/examples")  # where Debian's package puts the examples
OWN_C_SERVER = Path(__file__).parent / "libmodbus" / "server.c"

READS_AND_WRITES = frozenset((1, 2, 3, 4, 5, 6, 15, 16))
OF_LIBMODBUS = READS_AND_WRITES | {0x11, 0x16, 0x17}

WHOLE_SPACE: dict[TableName, Table] = {name: Table(name, computed(name)) for name in READ_FUNCTION}


@dataclass(frozen=True)
class Capabilities:
    """What a peer can do.

    tables: what it holds, by table.
    functions: the function codes that it implements.
    answers: "all" requests that arrive at once, or only the "first" of what one receive brings.
    connections: it serves "many", or "one" and then ends.
    silent: function codes that it neither answers nor refuses.
    closing: function codes at which it closes the connection.
    writes_first: function 17 writes before it reads, as it must.
    unknown_unit: what it does about a unit that it does not have: an exception code, "silent", or answer as "any" unit.
    """

    functions: frozenset[int] = READS_AND_WRITES
    tables: Mapping[TableName, Table] = field(default_factory=lambda: WHOLE_SPACE, repr=False)
    answers: Literal["all", "first"] = "all"
    connections: Literal["many", "one"] = "many"
    silent: frozenset[int] = frozenset()
    closing: frozenset[int] = frozenset()
    writes_first: bool = True
    unknown_unit: int | Literal["silent", "any"] = "any"

    @property
    def is_whole_space(self) -> bool:
        return self.tables is WHOLE_SPACE


@dataclass(frozen=True)
class PythonServer:
    """A server in a Python package: the distribution it needs, and the module in `peers.servers` that runs it."""

    name: str
    package: str
    distribution: str
    capabilities: Capabilities

    @property
    def module(self) -> str:
        return f"peers.servers.serve_{self.name}"

    def missing(self) -> str | None:
        """What has to be installed before it runs."""
        return None if importlib.util.find_spec(self.package) else f"Python package {self.distribution}"


@dataclass(frozen=True)
class LibmodbusServer:
    """A server in C on libmodbus, compiled by the tests."""

    name: str
    source: Path
    capabilities: Capabilities

    def missing(self) -> str | None:
        if not shutil.which("cc") or not shutil.which("pkg-config"):
            return "a C compiler and pkg-config"
        if subprocess.run(["pkg-config", "--exists", "libmodbus"], check=False).returncode:
            return "libmodbus and its headers (Debian package libmodbus-dev)"
        return None if self.source.exists() else f"{self.source} (Debian package libmodbus-dev)"


Server = PythonServer | LibmodbusServer

# The unit test server answers some requests of holding registers wrongly, on purpose: two registers at any address, and
# any that start at one of these. Its header unit-test.h says how.
UNIT_TEST_TABLES: dict[TableName, Table] = {
    "coils": Table("coils", [0] * 37, start=0x130),
    "discrete": Table("discrete", [0x35DBAC >> i & 1 for i in range(22)], start=0x1C4),
    "holding": Table("holding", [0] * 32, start=0x160),
    "input": Table("input", [0x000A], start=0x108),
}
UNIT_TEST_WRONG_COUNT = 2
UNIT_TEST_BUSY, UNIT_TEST_WRONG_ID, UNIT_TEST_SLOW, UNIT_TEST_BYTE_BY_BYTE = 0x170, 0x171, 0x172, 0x173

RANDOM_TEST_TABLES: dict[TableName, Table] = {name: Table(name, [0] * 500) for name in READ_FUNCTION}

SERVERS: tuple[Server, ...] = (
    LibmodbusServer("libmodbus", OWN_C_SERVER, Capabilities(OF_LIBMODBUS, silent=frozenset({0x07}))),
    LibmodbusServer(
        "libmodbus_unit_test",
        EXAMPLES / "unit-test-server.c",
        Capabilities(OF_LIBMODBUS, UNIT_TEST_TABLES, connections="one", closing=frozenset({0x07})),
    ),
    LibmodbusServer(
        "libmodbus_random_test",
        EXAMPLES / "random-test-server.c",
        Capabilities(OF_LIBMODBUS, RANDOM_TEST_TABLES, connections="one", silent=frozenset({0x07})),
    ),
    PythonServer(
        "pymodbustcp",
        "pyModbusTCP",
        "pyModbusTCP",
        Capabilities(READS_AND_WRITES | {0x17, 0x2B}, closing=frozenset({0x07, 0x0B})),
    ),
    PythonServer(
        "modbus_tk",
        "modbus_tk",
        "modbus_tk",
        Capabilities(READS_AND_WRITES | {0x07, 0x16, 0x17}, writes_first=False, unknown_unit="silent"),
    ),
    PythonServer("umodbus", "umodbus", "uModbus", Capabilities(unknown_unit=2)),
    PythonServer("modbuslink", "modbuslink", "modbuslink", Capabilities(unknown_unit="silent")),
    PythonServer(
        "pymodbus",
        "pymodbus",
        "pymodbus",
        Capabilities(
            READS_AND_WRITES | {0x07, 0x08, 0x0B, 0x0C, 0x11, 0x14, 0x15, 0x16, 0x17, 0x18, 0x2B},
            answers="first",
            unknown_unit=4,
        ),
    ),
)
BY_NAME = {server.name: server for server in SERVERS}
