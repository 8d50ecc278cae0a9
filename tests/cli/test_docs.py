"""What docs/cli.md and docs/wrong-value.md show is what happens: their ``console`` blocks are run."""

import re
import shlex
from collections.abc import Iterator

import pytest

from cli.command import ROOT, output_of
from fastmodbus.cli import pattern
from fastmodbus.simulator import Simulator

PAGE = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("cli.md", "wrong-value.md"))
ADDRESS = "127.0.0.1:1502"


def examples() -> Iterator[tuple[str, str]]:
    """Each command of the page, and what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for example in block.split("$ ")[1:]:
            command, _, printed = example.partition("\n")
            yield command, printed


@pytest.mark.parametrize(("command", "printed"), list(examples()))
def test_examples(command: str, printed: str) -> None:
    with Simulator(units=(1, 2)) as device:
        for number in (1, 2):
            pattern.fill(device.unit(number), number)
        program, *arguments = shlex.split(command.replace(ADDRESS, f"127.0.0.1:{device.port}"))
        assert program == "fastmodbus"
        found = output_of(*arguments)
    assert [line.rstrip() for line in found.splitlines()] == printed.splitlines()


def test_the_page_has_examples() -> None:
    assert {command.split()[1] for command, _ in examples()} == {"read", "write", "plan", "decode"}
