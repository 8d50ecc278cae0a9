"""pymodbus's server with the known contents in all tables of unit 1. A process of its own: run by `python -m`."""

import asyncio

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from peers.contents import TableName, computed
from peers.servers.announce import announce


def bits(name: TableName) -> list[SimData]:
    return [SimData(0, values=[bool(bit) for bit in computed(name)], datatype=DataType.BITS)]


def registers(name: TableName) -> list[SimData]:
    return [SimData(0, values=computed(name), datatype=DataType.REGISTERS)]


async def main() -> None:
    device = SimDevice(1, simdata=(bits("coils"), bits("discrete"), registers("holding"), registers("input")))
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    announce(server.transport.sockets[0].getsockname()[1])
    await server.serving


asyncio.run(main())
