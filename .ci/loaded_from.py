"""Fails unless the compiled core comes from the folder given, or else from this environment.

A test of the wrong build proves nothing. Nor does one with the GIL on, on an interpreter that can do without.
"""

import importlib
import sys
import sysconfig
from pathlib import Path

import fastmodbus._core as core

folder = Path(sys.argv[1] if len(sys.argv) > 1 else sys.prefix).resolve()
here = Path(core.__file__).resolve().parent
names = sorted({path.name.split(".")[0] for path in here.iterdir() if path.suffix in (".so", ".pyd")})
modules = [importlib.import_module(f"fastmodbus._core.{name}") for name in names]
strays = [module.__name__ for module in (core, *modules) if folder not in Path(module.__file__ or "").resolve().parents]
if strays or not modules:
    sys.exit(f"not from {folder}: {', '.join(strays) or 'no compiled module in ' + str(here)}")
if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():
    sys.exit("a module of the core does not declare that it can do without the GIL, and has switched it on")
print(f"testing {', '.join(names)} from {here}")
