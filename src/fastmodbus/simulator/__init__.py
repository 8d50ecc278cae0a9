"""A simulated Modbus TCP device for tests, demonstrations and trying things out: a real server on a real socket.

Ring 3. `Simulator` is the server, `Unit` one device behind it, `Fault` what goes wrong with an answer on its way out.
Not for production traffic: everything is answered from memory, by one thread.
"""

from fastmodbus.simulator.effect import Effect
from fastmodbus.simulator.faults import Fault
from fastmodbus.simulator.record import Request
from fastmodbus.simulator.server import Simulator
from fastmodbus.simulator.unit import Unit

__all__ = ["Effect", "Fault", "Request", "Simulator", "Unit"]
