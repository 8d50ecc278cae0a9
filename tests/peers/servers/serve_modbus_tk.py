"""modbus-tk's server with the known contents in all tables of unit 1. A process of its own: run by `python -m`."""

import threading

from modbus_tk import defines
from modbus_tk.modbus_tcp import TcpServer

from peers.contents import ADDRESSES, TableName, computed
from peers.servers.announce import announce

BLOCKS: dict[TableName, int] = {
    "coils": defines.COILS,
    "discrete": defines.DISCRETE_INPUTS,
    "holding": defines.HOLDING_REGISTERS,
    "input": defines.ANALOG_INPUTS,
}


class AnnouncedServer(TcpServer):  # type: ignore[misc]
    """Says where it listens; its socket is opened by the thread it starts."""

    def _do_init(self) -> None:
        super()._do_init()
        announce(self._sock.getsockname()[1])


server = AnnouncedServer(port=0, address="127.0.0.1")
unit = server.add_slave(1, unsigned=True)
for name, kind in BLOCKS.items():
    unit.add_block(name, kind, 0, ADDRESSES)
    unit.set_values(name, 0, computed(name))
server.start()
threading.Event().wait()
