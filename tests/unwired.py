"""A client's steps run against a simulated device without a socket: what `calls` and `tagcalls` do, alone."""

from typing import Any

from fastmodbus._core import codec
from fastmodbus._core.verbs import Session
from fastmodbus.calls import NO_DEADLINE, Call, Steps
from fastmodbus.explain import Where
from simulated import Device

SECOND = 10**9


def call(**given: Any) -> Call:
    """The settings of one call; what is not given is as a client has it."""
    settings: dict[str, Any] = {
        "unit": 1, "timeout": SECOND, "deadline": NO_DEADLINE, "retries": 0, "max_registers": 125, "max_bits": 2000,
        "read_only": False, "write_single": "fc06", "where": Where("", "device", 502, 1.0),
    }  # fmt: skip
    return Call(**(settings | given))


class Wireless:
    """Runs steps, and keeps the PDUs of their requests."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.requests: list[bytes] = []
        self.connections = 1
        self._session = Session(16)
        self._session.connected(0)

    def lose(self) -> None:
        """The connection is replaced before the next request."""
        self._session.connection_lost(0)
        self._session.connected(0)
        self.connections += 1

    def run(self, steps: Steps[Any]) -> Any:
        """What the steps return or raise."""
        try:
            while True:
                batch = next(steps)
                self._session.submit(batch)
                while batch.unfinished:
                    self._exchange()
                self._session.detach(batch)
        except StopIteration as finished:
            return finished.value

    def asked(self) -> list[str]:
        """The requests since the last call, in hexadecimal."""
        found = [pdu.hex(" ") for pdu in self.requests]
        self.requests.clear()
        return found

    def _exchange(self) -> None:
        sent, _ = self._session.data_to_send(0)
        assert sent, "the session waits for something that nobody does"
        self._session.sent(len(sent), 0)
        frames, _, _ = codec.split_mbap(sent)
        for number, unit, pdu in frames:
            self.requests.append(pdu)
            answer = self.device(pdu, unit)
            self._session.receive(codec.encode_mbap(number, unit, answer), 0)
