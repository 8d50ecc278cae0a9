"""libfaketime: a wall clock for a program that a test may set. Skips the test where there is none to be had."""

import glob
import os
from pathlib import Path

import pytest

PLACES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def set_by(clock: Path) -> dict[str, str]:
    """The environment of a program whose wall clock, and no other, goes by what the file says: "+0", "-10d"."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("platform: libfaketime and AddressSanitizer wait for each other")
    library = next((found for place in PLACES for found in glob.glob(place)), None)
    if library is None:
        pytest.skip("libfaketime (package faketime) is missing")
    clock.write_text("+0\n")
    unfaked = dict.fromkeys(("DONT_FAKE_MONOTONIC", "FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_NO_CACHE"), "1")
    return {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(clock), **unfaked}
