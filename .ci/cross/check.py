"""Compiles the core for a system that is not at hand, and links it: check.py SYSTEM...

SYSTEM is "here", "windows", "macos" or "armv7l". For each of its architectures:

- net_check.c, which calls every function of net.h, is compiled with all warnings as errors and linked; it is run where
  something can run it (here, and on Windows AMD64 through Wine).
- The C file of every module of the core is compiled with the headers of the CPython that runs this script, whose
  pyconfig.h is replaced by the one in the system's folder, and linked without leaving a symbol open: those of Python
  are the ones that this CPython exports, all others have to be the system's.

What it cannot tell: whether Microsoft's compiler agrees, and whether the modules work. The tests on those systems do.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORE = HERE.parents[1] / "src/fastmodbus/_core"
STRICT = ("-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror")
# What C forbids and older compilers let pass.
LAWFUL = tuple(
    f"-Werror={name}" for name in ("implicit-function-declaration", "incompatible-pointer-types", "int-conversion")
)
ZIG = (
    sys.executable,
    "-m",
    "ziglang",
    "cc",
    "-Wno-unused-command-line-argument",
    "-fno-sanitize=all",
    "-g0",
    "-target",
)
WINE = Path("/usr/lib/wine/wine64")  # Debian and Ubuntu keep it off the path
PATIENCE = 600


@dataclass(frozen=True)
class Target:
    name: str
    compiler: Sequence[str]
    libraries: Sequence[str] = ()
    runner: Sequence[str] | None = None
    library: str = "lib{}.so"


TARGETS = {
    "here": [Target("this machine", ("cc", "-D_GNU_SOURCE"), ("-pthread",), ())],
    "windows": [
        Target("Windows AMD64, gcc", ("x86_64-w64-mingw32-gcc",), ("-lws2_32",), (str(WINE),), "{}.dll"),
        Target("Windows ARM64, clang", (*ZIG, "aarch64-windows-gnu"), ("-lws2_32",), library="{}.dll"),
    ],
    "macos": [
        Target("macOS x86_64, clang", (*ZIG, "x86_64-macos"), library="lib{}.dylib"),
        Target("macOS arm64, clang", (*ZIG, "aarch64-macos"), library="lib{}.dylib"),
    ],
    "armv7l": [Target("Linux armv7l, clang", (*ZIG, "arm-linux-gnueabihf", "-D_GNU_SOURCE"), ("-lpthread",))],
}


def run(*command: str | Path, folder: Path) -> None:
    said = " ".join(map(str, command))
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{said}: not over after {PATIENCE} s")
    if done.returncode:
        sys.exit(f"{said}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}


def stop_wine(folder: Path) -> None:
    """End what Wine leaves running; it reports a failure where there is nothing left to end."""
    subprocess.run((WINE.with_name("wineserver"), "-k"), env=environment(folder), check=False)


def check_net(target: Target, folder: Path) -> str:
    """Build net_check.c and run it if possible; what was done."""
    program = folder / "net_check.exe"
    source = HERE / "net_check.c"
    run(*target.compiler, *STRICT, f"-I{CORE}", source, "-o", program, *target.libraries, folder=folder)
    if target.runner is None:
        return "net.h compiled and linked"
    try:
        run(*target.runner, program, folder=folder)
    finally:
        if str(WINE) in target.runner:
            stop_wine(folder)
    return "net.h compiled, linked and run"


def exported() -> list[str]:
    """The names of Python's C interface in the CPython at hand."""
    shared = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDLIBRARY"))
    binary = shared if sysconfig.get_config_var("Py_ENABLE_SHARED") else Path(sys.executable).resolve()
    listed = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", binary], capture_output=True, text=True, check=True
    )
    names = {line.split()[0].split("@")[0] for line in listed.stdout.splitlines()}
    return sorted(name for name in names if name.startswith(("Py", "_Py")))


def stand_in_library(target: Target, folder: Path) -> Path:
    """A library that exports the same names as Python's, to link with."""
    source, library = folder / "python.c", folder / target.library.format("python")
    export = "__declspec(dllexport) " if library.suffix == ".dll" else ""
    source.write_text("".join(f"{export}int {name};\n" for name in exported()))
    run(*target.compiler, "-w", "-shared", source, "-o", library, folder=folder)
    return library


def stand_in_headers(system: str, folder: Path) -> Path:
    headers = folder / "include"
    shutil.copytree(sysconfig.get_path("include"), headers)
    for stand_in in (HERE / system / "pyconfig.h", HERE / "posix.h"):
        shutil.copyfile(stand_in, headers / stand_in.name)
    return headers


def check_modules(system: str, target: Target, folder: Path) -> str:
    """Compile and link every module of the core; what was done."""
    modules = sorted(CORE.glob("*.pyx"))
    missing = [module.stem for module in modules if not module.with_suffix(".c").exists()]
    if missing or not modules:
        sys.exit(f"build the package first; there is no C of: {', '.join(missing)}")
    headers, library = stand_in_headers(system, folder), stand_in_library(target, folder)
    for module in modules:
        built = folder / f"{module.stem}.o"
        run(
            *target.compiler,
            *LAWFUL,
            f"-I{headers}",
            f"-I{CORE}",
            "-c",
            module.with_suffix(".c"),
            "-o",
            built,
            folder=folder,
        )
        linked = folder / target.library.format(module.stem)
        run(*target.compiler, "-shared", built, library, "-o", linked, *target.libraries, folder=folder)
    return f"{len(modules)} modules compiled and linked"


def main(systems: Sequence[str]) -> None:
    for system in systems:
        for target in TARGETS[system]:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                done = [check_net(target, folder)]
                if system != "here":
                    done.append(check_modules(system, target, folder))
            print(f"{target.name}: {', '.join(done)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
