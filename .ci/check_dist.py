"""Checks dist/: a source distribution with everything to build from, wheels with everything to run and no more.

check_dist.py FOLDER [--release [TAG]]

A release has the wheels listed in wheels.txt, neither fewer nor others, and the version of its tag.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
SOURCES_ONLY = {".c", ".h", ".html", ".pxd", ".pyx"}
COMPILED = {".pyd", ".so"}
DEBUG_SECTION = b".debug_info"


def tracked(*paths: str) -> set[str]:
    """The files under version control, which the source distribution has to hold."""
    listed = subprocess.run(["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if ROOT.joinpath(name).exists()}


def sdist_faults(path: Path) -> Iterator[str]:
    with tarfile.open(path) as archive:
        names = {str(PurePosixPath(*PurePosixPath(member.name).parts[1:])) for member in archive if member.isfile()}
    for name in sorted(tracked() - names):
        yield f"lacks {name}"
    for name in sorted(names - tracked()):
        if PurePosixPath(name).suffix in SOURCES_ONLY | COMPILED:
            yield f"has {name}, which is made and not written"


def wheel_faults(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        for name in sorted(name for name in names if PurePosixPath(name).suffix in COMPILED):
            if DEBUG_SECTION in archive.read(name):
                yield f"has debug information in {name}"
    package = {name.removeprefix("src/") for name in tracked("src/fastmodbus")}
    for name in sorted({name for name in package if name.endswith((".py", ".pyi", "py.typed"))} - names):
        yield f"lacks {name}"
    for name in sorted(names):
        if PurePosixPath(name).suffix in SOURCES_ONLY:
            yield f"has {name}"
        if not name.startswith(("fastmodbus/", "fastmodbus-")):
            yield f"has {name} outside of the package"
    compiled = {name.split(".")[0] for name in names if PurePosixPath(name).suffix in COMPILED}
    for name in sorted(name for name in package if name.endswith(".pyx")):
        module = name.removesuffix(".pyx")
        if module not in compiled:
            yield f"lacks the compiled {module}"
        if f"{module}.pyi" not in names:
            yield f"lacks the stub of {module}"


def identifier(wheel: Path) -> str:
    """What cibuildwheel calls the build of this wheel: "cp314t-manylinux_x86_64"."""
    abi, platform = wheel.stem.split("-")[3:5]
    family = re.sub(r"(linux|macosx)(?:[0-9]+|_[0-9]+_[0-9]+)_", r"\1_", platform.split(".")[0])
    return f"{abi}-{family}"


def release_faults(tag: str, sdists: list[Path], wheels: list[Path]) -> Iterator[str]:
    listed, built = set((ROOT / ".ci/wheels.txt").read_text().split()), {identifier(wheel) for wheel in wheels}
    for name in sorted(listed - built):
        yield f"lacks the wheel {name}"
    for name in sorted(built - listed):
        yield f"has the wheel {name}, which is not listed"
    versions = {path.name.removesuffix(".tar.gz").split("-")[1] for path in (*sdists, *wheels)}
    if len(versions) != 1 or (tag and {tag.removeprefix("v")} != versions):
        yield f"is tagged {tag or 'with nothing'} and holds {', '.join(sorted(versions))}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--release", nargs="?", const="", metavar="TAG")
    options = parser.parse_args()
    folder = options.folder
    sdists, wheels = sorted(folder.glob("*.tar.gz")), sorted(folder.glob("*.whl"))
    faults = [f"{path.name} {fault}" for path in sdists for fault in sdist_faults(path)]
    faults += [f"{path.name} {fault}" for path in wheels for fault in wheel_faults(path)]
    if len(sdists) != 1 or not wheels:
        faults.append(f"{folder} has {len(sdists)} source distributions and {len(wheels)} wheels")
    if options.release is not None:
        faults += [f"{folder} {fault}" for fault in release_faults(options.release, sdists, wheels)]
    if faults:
        sys.exit("\n".join(faults))
    for path in (*sdists, *wheels):
        print(f"{path.name}: complete, {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
