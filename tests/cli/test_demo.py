"""`fastmodbus demo`: on the device it simulates, and on devices that have less than it would like."""

import re

import pytest

from cli.command import complaint_of, fastmodbus, output_of
from fastmodbus.simulator import Simulator
from peers.catalogue import BY_NAME
from peers.conftest import require
from peers.harness import running


def row(text: str, name: str) -> list[str]:
    """The cells of a row of the table."""
    (line,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return re.split(r"\s{2,}", line.strip())[1:]


def test_the_simulated_device() -> None:
    text = output_of("demo")
    assert row(text, "transactions") == ["1,116", "1,116"]  # 2 * ceil(65536 / 125) + 2 * ceil(65536 / 2000)
    assert row(text, "registers") == ["131,072", "131,072"]
    assert row(text, "coils and discrete inputs") == ["131,072", "131,072"]
    assert "16 in flight" in text
    assert "All 262,144 values are right, both times." in text
    assert "A row for every instant, every good value as the device had it" in text
    assert re.search(r"^\S+   +LINK", text, re.MULTILINE)
    assert row(text, "robot")[3] == "1"


def test_a_device_with_everything(modbus_sim: Simulator) -> None:
    text = output_of("demo", modbus_sim.url)
    assert "holding registers: 0-65535" in text
    assert "262,144 values were read both ways and agree." in text
    assert "values differ" not in text


def test_a_device_that_lacks_tables() -> None:
    with Simulator(sizes={"co": 0, "di": 100, "ir": 20, "hr": 517}) as device:
        text = output_of("demo", device.url)
    assert "coils: none, exception 2" in text
    assert "discrete inputs: 0-99" in text
    assert "input registers: 0-19" in text
    assert "holding registers: 0-516" in text
    assert row(text, "registers") == ["537", "537"]


def test_a_device_with_holes() -> None:
    with Simulator(illegal=["hr0-99", "hr200", "hr60000-65535"]) as device:
        text = output_of("demo", device.url)
    assert "holding registers: 100-199, 201-59999" in text


def test_a_small_table_in_the_middle() -> None:
    with Simulator(sizes={"co": 0, "di": 0, "ir": 0}, illegal=["hr0-999", "hr1040-65535"]) as device:
        assert "holding registers: 1000-1039" in output_of("demo", device.url)


def test_only_what_is_asked_for(modbus_sim: Simulator) -> None:
    text = output_of("demo", modbus_sim.url, "hr100-1099", "co0-15", "--in-flight", "4")
    assert row(text, "registers") == ["1,000", "1,000"]
    assert row(text, "transactions") == ["9", "9"]
    assert "1,016 values were read both ways and agree." in text
    spans = {request.span for request in modbus_sim.log if request.span and request.span[0] == "co"}
    assert spans == {("co", 0, 16)}


def test_a_device_that_takes_less_at_a_time() -> None:
    with Simulator(max_in_flight=4, answer_delay=0.001) as device:
        text = output_of("demo", device.url, "hr0-9999")
        assert "4 from here on" in text
        assert row(text, "registers") == ["10,000", "10,000"]


def test_nothing_to_read() -> None:
    with Simulator(sizes={"co": 0, "di": 0, "ir": 0, "hr": 0}) as device:
        done = fastmodbus("demo", device.url)
    assert done.returncode == 1
    assert "nothing was found" in done.stderr


def test_refused_ranges(modbus_sim: Simulator) -> None:
    modbus_sim.fail("hr0-9", code=2)
    done = fastmodbus("demo", modbus_sim.url, "hr0-9")
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_a_changing_device() -> None:
    with Simulator() as device:

        def counting(answer: bytes) -> bytes:
            device.holding[0] = (int(device.holding[0]) + 1) & 0xFFFF
            return answer

        device.fault(counting)
        text = output_of("demo", device.url, "hr0-999")
    assert "1 of 1,000 values read both ways differ" in text


def test_a_silent_device(modbus_sim: Simulator) -> None:
    line = complaint_of(1, "demo", modbus_sim.url, "--unit", "9", "--timeout", "100ms", "--retries", "0")
    assert "unit 9" in line


@pytest.mark.parametrize("name", ["libmodbus", "pymodbus"])
def test_servers_of_others(name: str, pytestconfig: pytest.Config) -> None:
    server = BY_NAME[name]
    require(server)
    with running(server, pytestconfig.cache.mkdir("peers")) as peer:
        text = output_of("demo", peer.url)
    assert "holding registers: 0-65535" in text
    if name == "libmodbus":
        assert "262,144 values were read both ways and agree." in text
    else:  # it answers the first of what one receive brings
        assert "1 from here on" in text
