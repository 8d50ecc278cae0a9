"""Compiles the C programs of the benchmarks and runs the C server.

Nothing else here knows the compiler. The programs land in ``benchmarks/.build`` and are rebuilt when a source is newer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parent
SOURCES = HERE / "c"
BUILD = HERE / ".build"
COMPILE = ["-std=gnu11", "-O3", "-Wall", "-Wextra"]


class BuildFailed(RuntimeError):
    """A C program of the benchmarks could not be compiled: no compiler, or a library's headers are missing."""


def compiler() -> str:
    """The C compiler: ``$CC``, else ``cc``."""
    return os.environ.get("CC") or shutil.which("cc") or "cc"


def program(name: str) -> Path:
    """Path of the compiled program, built anew if its sources are newer."""
    return _built(name, BUILD / name, [])


def library(name: str) -> Path:
    """Path of a shared library, for ctypes."""
    return _built(name, BUILD / f"{name}.so", ["-shared", "-fPIC"])


def _built(name: str, target: Path, flags: list[str]) -> Path:
    source = SOURCES / f"{name}.c"
    newest = max(path.stat().st_mtime for path in (source, *SOURCES.glob("*.h")))
    if not target.exists() or target.stat().st_mtime < newest:
        _compile(source, target, flags)
    return target


def _compile(source: Path, target: Path, flags: list[str]) -> None:
    BUILD.mkdir(exist_ok=True)
    libraries = _libmodbus_flags() if "modbus.h" in source.read_text() else []
    command = [compiler(), *COMPILE, *flags, "-o", str(target), str(source), *libraries, "-lpthread"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise BuildFailed(f"no C compiler: {error.filename}") from error
    except subprocess.CalledProcessError as error:
        raise BuildFailed(f"{source.name}: {error.stderr.strip()}") from error


def _libmodbus_flags() -> list[str]:
    try:
        found = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmodbus"], check=True, capture_output=True, text=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise BuildFailed("libmodbus and its headers are not installed (Debian: libmodbus-dev, pkg-config)") from error
    return found.stdout.split()


class Server:
    """The C server in a process of its own, pinned to one core; ends with the context or with this process."""

    def __init__(self, cpu: int | None = None, lifetime: int = 3600) -> None:
        self._process = subprocess.Popen(
            [program("server"), "--lifetime", str(lifetime)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if cpu is not None:
            os.sched_setaffinity(self._process.pid, {cpu})
        self.host = "127.0.0.1"
        self.port = int(self._reply().removeprefix("port "))

    def set_delay(self, delay_us: int, service_us: int = 0) -> None:
        """From now on each answer leaves ``delay_us`` after its request came, after ``service_us`` of serial work."""
        self._ask(f"delay {delay_us} {service_us}")

    def requests(self) -> int:
        """Requests answered since the start, on all connections."""
        return int(self._ask("count"))

    def close(self) -> None:
        """Stop the server and wait for its end."""
        self._process.communicate(timeout=10)

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        status, _, answer = self._reply().partition(" ")
        if status != "ok":
            raise RuntimeError(f"server refused {command!r}: {status} {answer}")
        return answer

    def _reply(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("the benchmark server ended unexpectedly")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
