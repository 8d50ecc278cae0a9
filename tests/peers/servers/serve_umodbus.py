"""uModbus's server with the known contents in all tables of unit 1. A process of its own: run by `python -m`."""

from socketserver import ThreadingTCPServer

from umodbus.server.tcp import RequestHandler, get_server

from peers.contents import ADDRESSES, READ_FUNCTION, TableName, computed
from peers.servers.announce import announce

WRITE_FUNCTIONS: dict[TableName, list[int]] = {"coils": [5, 15], "holding": [6, 16]}

ThreadingTCPServer.daemon_threads = True
server = get_server(ThreadingTCPServer, ("127.0.0.1", 0), RequestHandler)


def serve_table(name: TableName, read_function: int) -> None:
    values = computed(name)

    def read(slave_id: int, address: int, function_code: int) -> int:
        return values[address]

    def write(slave_id: int, address: int, value: int, function_code: int) -> None:
        values[address] = value

    server.route(slave_ids=[1], function_codes=[read_function], addresses=range(ADDRESSES))(read)
    if name in WRITE_FUNCTIONS:
        server.route(slave_ids=[1], function_codes=WRITE_FUNCTIONS[name], addresses=range(ADDRESSES))(write)


for table, function in READ_FUNCTION.items():
    serve_table(table, function)
announce(server.server_address[1])
server.serve_forever()
