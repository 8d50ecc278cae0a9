"""Builds the compiled core: every ``_core/*.pyx`` is one extension module.

Switches, all off by default, read from the environment:

FASTMODBUS_CHECKS=1      bounds, None and overflow checks back on, C assertions on
FASTMODBUS_GCOV=1        instrument the C code for gcov, with Cython's line numbers
FASTMODBUS_SANITIZE=...  passed to ``-fsanitize=``, for instance ``address,undefined``
FASTMODBUS_ANNOTATE=1    write the annotated HTML beside each source
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = Path("src/fastmodbus/_core")
CHECKS, GCOV, SANITIZE, ANNOTATE = (
    os.environ.get(f"FASTMODBUS_{switch}", "") for switch in ("CHECKS", "GCOV", "SANITIZE", "ANNOTATE")
)

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": bool(CHECKS),
    "wraparound": False,
    "initializedcheck": bool(CHECKS),
    "nonecheck": bool(CHECKS),
    "overflowcheck": False,
    "cdivision": True,
    "embedsignature": False,
    "freethreading_compatible": True,
}

compile_args, link_args, libraries = [], [], []
if sys.platform == "win32":
    compile_args += ["/O2"]
    libraries += ["ws2_32"]
else:
    compile_args += ["-O3", "-fvisibility=hidden", "-Wno-unused-function"]
    if CHECKS or GCOV or SANITIZE:
        compile_args += ["-O1", "-g", "-UNDEBUG"]
    if GCOV:
        compile_args += ["--coverage"]
        link_args += ["--coverage"]
    if SANITIZE:
        compile_args += [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
        link_args += [f"-fsanitize={SANITIZE}"]

extensions = [
    Extension(
        f"fastmodbus._core.{source.stem}",
        [source.as_posix()],
        depends=[header.as_posix() for header in sorted(CORE.glob("*.h"))],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        libraries=libraries,
    )
    for source in sorted(CORE.glob("*.pyx"))
]

setup(
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
    ext_modules=cythonize(
        extensions,
        compiler_directives=DIRECTIVES,
        emit_linenums=bool(GCOV),
        annotate=bool(ANNOTATE),
        force=bool(CHECKS or GCOV or SANITIZE or ANNOTATE),
    ),
)
