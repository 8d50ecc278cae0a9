"""Two Python programs in network namespaces of their own, joined by a virtual cable that a test can unplug.

Used by tests only, as root on Linux. Nothing outside the two namespaces is touched, and both end with their programs.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from children import environment

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
PATIENCE_SECONDS = 60.0


def missing() -> str | None:
    """What keeps the tests from making namespaces; begins with "platform:" where no install could help."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "platform: network namespaces need Linux and root"
    for tool, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
        if not shutil.which(tool):
            return f"{tool} (Debian package {package}) is missing"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "platform: this system does not allow network namespaces"
    return None


class Program:
    """A running program; it is told to go on by a line, and says how far it is by lines."""

    def __init__(self, text: str, *arguments: object) -> None:
        command = ["unshare", "--net", sys.executable, "-u", "-c", textwrap.dedent(text), *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            env=environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def says(self) -> str:
        """The next line of its output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def inside(self, *command: object) -> None:
        """Run a command in its namespace."""
        enter = ["nsenter", "--net", f"--target={self.process.pid}"]
        subprocess.run([*enter, *map(str, command)], check=True, capture_output=True, timeout=PATIENCE_SECONDS)

    def end(self) -> str:
        """What else it says until it ends."""
        try:
            out, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
            raise AssertionError(f"the program hangs\n{out}") from None
        return out


class Cable:
    """Joins two programs: 10.77.0.1 at the server's end, 10.77.0.2 at the client's."""

    def __init__(self, server: Program, client: Program) -> None:
        self.server, self.client = server, client
        server.inside("ip", "link", "add", "plug", "type", "veth", "peer", "name", "plug", "netns", client.process.pid)
        for program, address in ((server, SERVER), (client, CLIENT)):
            program.inside("ip", "address", "add", f"{address}/24", "dev", "plug")
            program.inside("ip", "link", "set", "plug", "up")

    def unplug(self) -> None:
        """From now on nothing arrives on either side, and nobody is told."""
        self.server.inside("ip", "link", "set", "plug", "down")

    def plug_in(self) -> None:
        self.server.inside("ip", "link", "set", "plug", "up")


@contextmanager
def joined(server: str, client: str) -> Iterator[tuple[Program, Program, Cable]]:
    """Both programs, started and joined. Each has said its first line and waits to be told to go on."""
    programs: list[Program] = []
    try:
        for text in (server, client):
            programs.append(Program(text, SERVER))
            assert programs[-1].says() == "here"
        yield programs[0], programs[1], Cable(*programs)
    finally:
        for program in programs:
            program.process.kill()
            program.process.communicate()
