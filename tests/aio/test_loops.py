"""A client belongs to one event loop: others, closed ones, other threads and forked children get a clear error."""

import asyncio
import os
import threading

import pytest

import fastmodbus as fm
from children import run_python
from loops import run


def test_another_loop() -> None:
    with fm.Simulator(registers={"hr": [7]}) as simulator:
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        plc = fm.AsyncClient("127.0.0.1", simulator.port)
        try:
            assert first.run_until_complete(plc.read_holding_registers(0)).tolist() == [7]
            for call in (plc.read_holding_registers(0), plc.write_coil(0, True), plc.connect(), plc.close()):
                with pytest.raises(fm.WrongEventLoop, match=f"127.0.0.1:{simulator.port}: .*another event loop"):
                    second.run_until_complete(call)
            assert first.run_until_complete(plc.read_holding_registers(0)).tolist() == [7]
            first.run_until_complete(plc.close())
        finally:
            first.close()
            second.close()
        assert simulator.connections == 1
        assert simulator.requests == 2


def test_a_loop_that_is_closed() -> None:
    with fm.Simulator(registers={"hr": [7]}) as simulator:
        plc = fm.AsyncClient("127.0.0.1", simulator.port)

        async def read() -> None:
            await plc.read_holding_registers(0)

        run(read())
        with pytest.raises(fm.WrongEventLoop, match="closed"):
            run(read())
        run(plc.close())
        assert not plc.connected


def test_each_loop_with_a_client_of_its_own() -> None:
    with fm.Simulator(registers={"hr": [7]}) as simulator:

        async def read() -> int:
            async with fm.AsyncClient("127.0.0.1", simulator.port) as plc:
                return int((await plc.read_holding_registers(0))[0])

        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(run(read()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [7] * 4


def test_without_a_loop() -> None:
    plc = fm.AsyncClient("127.0.0.1", 1)
    call = plc.read_coils(0)
    with pytest.raises(fm.WrongEventLoop, match=r"127\.0\.0\.1:1: no running event loop"):
        call.send(None)
    assert "not connected" in repr(plc)


def test_errors_of_the_wrong_loop_are_modbus_errors_and_runtime_errors() -> None:
    assert issubclass(fm.WrongEventLoop, fm.ModbusError)
    assert issubclass(fm.WrongEventLoop, RuntimeError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")
def test_a_forked_child_refuses_and_the_parent_goes_on() -> None:
    program = """
        import asyncio, os, sys
        import fastmodbus as fm

        async def main():
            plc = await fm.connect_async(sys.argv[1])
            assert (await plc.read_holding_registers(5))[0] == 5
            child = os.fork()
            if child == 0:
                try:
                    assert not plc.connected
                    await plc.read_holding_registers(5)
                except fm.ForkedClient as error:
                    os._exit(7 if "fork" in str(error) and error.port == plc.port else 1)
                os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            assert (await plc.read_holding_registers(7))[0] == 7
            assert plc.stats.connections == 1
            await plc.close()
            print("good")

        asyncio.run(main())
    """
    with fm.Simulator(registers={"hr": range(100)}) as simulator:
        assert run_python(program, simulator.url) == ("good\n", "")
        assert simulator.connections == 1
