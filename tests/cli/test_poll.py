"""`fastmodbus poll`: a device, a map, a plant; the summary and the rows."""

import csv
import io
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from children import interruptible
from cli.command import complaint_of, on_terminal, output_of, started
from fastmodbus.simulator import Simulator

MAP = """
format = "fastmodbus-map/1"
[groups]
fast = "20ms"
slow = "100ms"
[[tag]]
name = "voltage"
address = "hr0:f32"
group = "fast"
[[tag]]
name = "energy"
address = "hr10:u32"
group = "slow"
"""


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_summary(modbus_sim: Simulator) -> None:
    text = output_of("poll", modbus_sim.url + "?name=plc", "hr0:f32", "ir7", "--every", "50ms", "--duration", "1s")
    heading, row = text.splitlines()[:2]
    assert heading.split()[:4] == ["polls", "good", "missed", "requests"]
    name, polls, good, _, requests = row.split()[:5]
    assert (name, requests) == ("plc", "2")
    assert 0 < int(good) <= int(polls)


@pytest.mark.skipif(sys.platform == "win32", reason="platform: no pseudo-terminals")
def test_a_terminal_sees_how_it_goes(modbus_sim: Simulator) -> None:
    """In one line, with values as they are, even those that rich would take for its own."""
    modbus_sim["hr0:str8"] = "[/b]\n:x:"
    modbus_sim["hr10:str60"] = "long" * 15
    what = ("hr0:str8", "hr10:str60", "hr40:u16", "hr41:u16")
    with on_terminal("poll", modbus_sim.url + "?name=[plc]", *what, "--every", "50ms", "--duration", "1h") as terminal:
        terminal.see(" polls, ")
        terminal.see(" missed, 99 % late by")
        terminal.see("hr0:str8 [/b] :x:, hr10:str60 long")
        terminal.see("\u2026")
        terminal.process.send_signal(signal.SIGINT)
        terminal.see("late ms 50/99%")
        terminal.see("[plc]")
        assert terminal.process.wait(20) == 130


def test_rows_as_csv(modbus_sim: Simulator) -> None:
    """Each value is there or, where the machine was too slow for a row, left out."""
    modbus_sim["hr0:f32"] = 21.5
    modbus_sim.fail("hr100")
    what = ("hr0:f32", "hr50[2]", "hr100")
    found = rows_of(output_of("poll", modbus_sim.url, *what, "--every", "200ms", "--duration", "4s", "--format", "csv"))
    assert found[0] == ["time", "hr0:f32", "hr50[2][0]", "hr50[2][1]", "hr100"]
    times = np.array([row[0].removesuffix("Z") for row in found[1:]], "M8[us]")
    assert (np.diff(times) == np.timedelta64(200, "ms")).all()
    assert {row[1] for row in found[1:]} | {""} == {"21.5", ""}
    assert {tuple(row[2:]) for row in found[1:]} | {("", "", "")} == {("0", "0", ""), ("", "", "")}


def test_a_map_and_a_plant(modbus_sim: Simulator, tmp_path: Path) -> None:
    (tmp_path / "meter.toml").write_text(MAP)
    map_path = str(tmp_path / "meter.toml")
    text = output_of("poll", modbus_sim.url + "?name=meter", "--map", map_path, "--duration", "500ms")
    assert text.splitlines()[1].startswith("meter ")
    plant = tmp_path / "plant.toml"
    plant.write_text(
        f'format = "fastmodbus-plant/1"\n[[device]]\nname = "m1"\nurl = "{modbus_sim.url}"\nmap = "meter.toml"\n'
    )
    assert output_of("poll", str(plant), "--duration", "500ms").splitlines()[1].startswith("m1 ")
    assert "do not fit into one table" in complaint_of(2, "poll", str(plant), "--duration", "1s", "--format", "csv")
    assert "a plant says itself" in complaint_of(2, "poll", str(plant), "hr0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hr0",), "every is missing"),
        ((), "tags are missing"),
        (("nothing", "--every", "1s"), "nothing"),
        (("hr0", "--every", "soon"), "every is 'soon'"),
        (("hr0", "--every", "1s", "--duration", "-1"), "duration is '-1'"),
    ],
)
def test_what_is_not_understood(modbus_sim: Simulator, arguments: tuple[str, ...], message: str) -> None:
    assert message in complaint_of(2, "poll", modbus_sim.url, *arguments)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_until_it_is_told_to_end(modbus_sim: Simulator, number: signal.Signals, code: int) -> None:
    with (
        interruptible(),
        started("poll", modbus_sim.url + "?name=plc", "hr0", "--every", "20ms", "--format", "csv") as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "time,hr0\n"
        process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert all(line.endswith(("Z,0", "Z,")) for line in out.splitlines()[:-1])
