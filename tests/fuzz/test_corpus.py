"""The fuzzer's inputs once more, on the core as it is installed and without the fuzzer's compiler.

Each input that ever reached something new, or found something wrong, is run; so is a search of its own, by hypothesis
and blind, in case nobody has fuzzed a change yet.
"""

import faulthandler
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.build import TARGETS
from fuzz.corpus import inputs

if sys.platform == "win32":
    pytest.skip("platform: the targets are built as on POSIX", allow_module_level=True)

BUILD = Path(__file__).with_name("build.py")
PATIENCE_SECONDS = 900.0


@pytest.fixture(scope="session")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder = tmp_path_factory.mktemp("targets")
    # On a busy machine a compiler may take longer than a test is given.
    faulthandler.cancel_dump_traceback_later()
    made = subprocess.run(
        [sys.executable, BUILD, folder], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return {target: load(f"{target}_target", folder) for target in TARGETS}


def load(name: str, folder: Path) -> ModuleType:
    (path,) = folder.glob(f"{name}.*")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("target", TARGETS)
def test_kept_inputs(target: str, targets: dict[str, ModuleType]) -> None:
    kept = inputs(target)
    assert len(kept) > 50
    wrong = {name: targets[target].run(data) for name, data in kept}
    assert {name: what for name, what in wrong.items() if what} == {}


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_any_input(data: bytes, target: str, targets: dict[str, ModuleType]) -> None:
    assert targets[target].run(data) is None
