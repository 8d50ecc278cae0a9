"""Builds the fuzzer's targets, and with clang the fuzzer itself, beside a core that has been built before.

``python tests/fuzz/build.py FOLDER`` makes the extension modules of the targets in FOLDER; ``--fuzzer`` also the
program ``FOLDER/fuzz``, and everything instrumented. Used by the Makefile and by test_corpus.py; it knows nothing of
inputs.
"""

import argparse
import os
import subprocess
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src"
TARGETS = ("codec", "responder", "schedule", "session")
SANITIZE = "address,undefined"
# The inline functions of the core mean here what they mean there: setup.py has the same.
DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "freethreading_compatible": True,
}


def build_targets(folder: Path, fuzzer: bool) -> None:
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    sanitize = [f"-fsanitize=fuzzer-no-link,{SANITIZE}", "-fno-sanitize-recover=undefined"] if fuzzer else []
    effort = (
        ["-O1", "-g"] if fuzzer else ["-O0", "-g0"]
    )  # the kept inputs run in less time than compilers take to optimise
    extensions = [
        Extension(
            f"{target}_target",
            [str(HERE / f"{target}_target.pyx")],
            extra_compile_args=[*effort, "-Wno-unused-function", *sanitize],
            extra_link_args=sanitize,
        )
        for target in TARGETS
    ]
    made = cythonize(
        extensions,
        build_dir=str(folder / "c"),
        include_path=[str(HERE), str(SOURCES)],
        compiler_directives=DIRECTIVES,
        quiet=True,
    )
    command = Distribution({"ext_modules": made}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(folder), str(folder / "objects")
    command.ensure_finalized()
    command.run()


def build_fuzzer(folder: Path) -> None:
    """The program: libFuzzer, main.c and an interpreter. It exports the sanitizers' functions to the modules."""
    get = sysconfig.get_config_var
    command = [
        *[os.environ.get("CC", "clang"), "-g", "-O1", f"-fsanitize=fuzzer,{SANITIZE}", f"-I{get('INCLUDEPY')}"],
        *[str(HERE / "main.c"), "-o", str(folder / "fuzz"), "-Wl,--export-dynamic"],
        *[f"-L{get('LIBDIR')}", f"-Wl,-rpath,{get('LIBDIR')}", f"-lpython{get('LDVERSION')}"],
    ]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fuzzer", action="store_true", help="instrument the targets and build the program too")
    given = parser.parse_args()
    build_targets(given.folder.resolve(), given.fuzzer)
    if given.fuzzer:
        build_fuzzer(given.folder.resolve())


if __name__ == "__main__":
    main()
