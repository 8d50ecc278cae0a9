"""mbpoll (a command line client on libmodbus) as a client of whatever server a test has running."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from peers.contents import TableName

TABLE_OPTION: dict[TableName, str] = {"coils": "0", "discrete": "1", "input": "3", "holding": "4"}
LARGEST_READ = 125
RUN_SECONDS = 60.0
VALUE = re.compile(r"^\[(\d+)\]:\s+(\S+)", re.MULTILINE)
WRITTEN = re.compile(r"^Written (\d+) references", re.MULTILINE)
FAILURE = re.compile(r"failed: (.+)")


class MbpollError(RuntimeError):
    """mbpoll reports a failure; the text is libmodbus's, "Illegal data address" for instance."""


def installed() -> bool:
    return shutil.which("mbpoll") is not None


@dataclass(frozen=True)
class Mbpoll:
    """One server to talk to. Every call is one run of the program, one connection and at most 125 values."""

    port: int
    host: str = "127.0.0.1"
    unit: int = 1
    timeout: float = 10.0

    def read(self, table: TableName, address: int, count: int = 1) -> list[int]:
        """Bits or unsigned registers."""
        return [int(value) for value in self._read(TABLE_OPTION[table], address, count)]

    def read_floats(self, table: TableName, address: int, count: int = 1, *, big_endian: bool = False) -> list[float]:
        """32-bit floats, two registers each, the word of the lower address being the low one unless `big_endian`."""
        order = ["-B"] if big_endian else []
        return [float(value) for value in self._read(f"{TABLE_OPTION[table]}:float", address, count, *order)]

    def write(self, table: TableName, address: int, values: Sequence[int]) -> None:
        """One value goes out as function 05 or 06, several as 0F or 10."""
        output = self._run("-t", TABLE_OPTION[table], "-r", str(address), self.host, *map(str, values))
        written = WRITTEN.search(output)
        if written is None or int(written[1]) != len(values):
            raise MbpollError(output)

    def _read(self, kind: str, address: int, count: int, *options: str) -> list[str]:
        if not 1 <= count <= LARGEST_READ:
            raise ValueError(f"mbpoll reads 1 to {LARGEST_READ} values, not {count}")
        output = self._run("-1", "-t", kind, "-r", str(address), "-c", str(count), *options, self.host)
        found = VALUE.findall(output)
        if len(found) != count or int(found[0][0]) != address:
            raise MbpollError(output)
        return [value for _, value in found]

    def _run(self, *arguments: str) -> str:
        command = ["mbpoll", "-0", "-p", str(self.port), "-a", str(self.unit), "-o", str(self.timeout), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        if run.returncode:
            reason = FAILURE.search(run.stdout + run.stderr)
            raise MbpollError(reason[1].strip() if reason else run.stdout + run.stderr)
        return run.stdout
