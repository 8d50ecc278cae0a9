"""`fastmodbus write`: what arrives in the device, and by which function."""

from cli.command import complaint_of, fastmodbus, output_of
from fastmodbus.simulator import Simulator


def test_registers_and_coils(modbus_sim: Simulator) -> None:
    output_of("write", modbus_sim.url, "hr40=7", "hr100=1,0x20,3", "co3=on", "co8=1,off,on", "hr50[2]=5,6")
    assert modbus_sim.holding[40] == 7
    assert modbus_sim.holding[100:103].tolist() == [1, 32, 3]
    assert modbus_sim.holding[50:52].tolist() == [5, 6]
    assert modbus_sim.coils[[3, 8, 9, 10]].tolist() == [True, True, False, True]
    assert [request.function for request in modbus_sim.log] == [6, 16, 5, 15, 16]


def test_what_is_done_is_said(modbus_sim: Simulator) -> None:
    assert output_of("write", modbus_sim.url, "hr40=7", "co3=on").splitlines() == ["written: hr40=7", "written: co3=on"]


def test_the_first_failure_ends_it(modbus_sim: Simulator) -> None:
    modbus_sim.fail("hr41", code=2)
    done = fastmodbus("write", modbus_sim.url, "hr40=7", "hr41=8", "hr42=9")
    assert (done.returncode, done.stdout) == (1, "written: hr40=7\n")
    assert modbus_sim.holding[40:43].tolist() == [7, 0, 0]


def test_an_unknown_fate_is_said(modbus_sim: Simulator) -> None:
    modbus_sim.fault("drop")
    assert "may or may not" in complaint_of(1, "write", modbus_sim.url, "hr40=7", "--timeout", "100ms")
    assert modbus_sim.requests == 1


def test_a_read_only_url(modbus_sim: Simulator) -> None:
    assert "read_only" in complaint_of(1, "write", f"{modbus_sim.url}?read_only=true", "hr40=7")
    assert modbus_sim.requests == 0


def test_a_unit() -> None:
    with Simulator(units=(1, 2)) as device:
        output_of("write", device.url, "hr0=5", "--unit", "2")
        assert (device.holding[0], device.unit(2).holding[0]) == (0, 5)
