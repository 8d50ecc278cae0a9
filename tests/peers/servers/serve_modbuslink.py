"""modbuslink's server with the known contents in all tables of unit 1. A process of its own: run by `python -m`."""

import asyncio

from modbuslink import AsyncTcpModbusServer, ModbusDataStore

from peers.contents import computed
from peers.servers.announce import announce


def filled_store() -> ModbusDataStore:
    store = ModbusDataStore()
    store.write_coils(0, [bool(bit) for bit in computed("coils")])
    store.write_discrete_inputs(0, [bool(bit) for bit in computed("discrete")])
    store.write_holding_registers(0, computed("holding"))
    store.write_input_registers(0, computed("input"))
    return store


async def main() -> None:
    server = AsyncTcpModbusServer(host="127.0.0.1", port=0, data_store=filled_store(), slave_id=1)
    await server.start()
    announce(server._server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
