"""pyModbusTCP's server with the known contents in all four tables. A process of its own: run by `python -m`."""

import threading

from pyModbusTCP.server import DataBank, ModbusServer

from peers.contents import computed
from peers.servers.announce import announce


def filled_bank() -> DataBank:
    bank = DataBank()
    bank.set_coils(0, [bool(bit) for bit in computed("coils")])
    bank.set_discrete_inputs(0, [bool(bit) for bit in computed("discrete")])
    bank.set_holding_registers(0, computed("holding"))
    bank.set_input_registers(0, computed("input"))
    return bank


server = ModbusServer(host="127.0.0.1", port=0, no_block=True, data_bank=filled_bank())
server.start()
announce(server._service.server_address[1])
threading.Event().wait()
