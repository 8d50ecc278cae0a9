"""A device that fails at random, polled 100 times a second: every row is there, and right or with the right reason."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from children import environment

PROGRAM = Path(__file__).parents[1] / "faulty_run.py"
MINUTES = float(os.environ.get("POLLING_MINUTES", "60"))


def started(seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, str(seconds)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check(process: subprocess.Popen[str], seconds: float) -> None:
    """What it found is as it has to be; the program itself has judged every row."""
    with process:
        out, _ = process.communicate()
    print(out)
    assert process.returncode == 0, out
    found = json.loads(out.splitlines()[-1])
    assert found["rows"] >= 100 * seconds
    assert set(found["values"]) >= {"GOOD", "TIMEOUT", "LINK", "PROTOCOL", "EXCEPTION_0A"}


@pytest.mark.beside(lambda: started(60))
def test_a_minute(begun: subprocess.Popen[str]) -> None:
    """It goes on beside the other tests, so that it costs them no minute."""
    check(begun, 60)


@pytest.mark.nightly
def test_an_hour() -> None:
    """POLLING_MINUTES (60) of it."""
    check(started(60 * MINUTES), 60 * MINUTES)
