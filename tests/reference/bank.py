"""What a device holds: four tables, queues, files, and the facts it tells about itself. No protocol here."""

from dataclasses import dataclass, field

ADDRESSES = 65536


@dataclass
class Bank:
    """The reference device. Tables are plain lists; an address beyond a table's end does not exist."""

    coils: list[bool] = field(default_factory=lambda: [False] * ADDRESSES)
    discrete: list[bool] = field(default_factory=lambda: [False] * ADDRESSES)
    holding: list[int] = field(default_factory=lambda: [0] * ADDRESSES)
    input: list[int] = field(default_factory=lambda: [0] * ADDRESSES)
    queues: dict[int, list[int]] = field(default_factory=dict)
    files: dict[int, list[int]] = field(default_factory=dict)
    exception_status: int = 0
    diagnostics: dict[int, int] = field(default_factory=dict)
    status: int = 0
    event_count: int = 0
    message_count: int = 0
    events: bytes = b""
    server_id: bytes = b"\x01\xff"
    objects: dict[int, bytes] = field(default_factory=lambda: {0: b"vendor", 1: b"product", 2: b"1.0"})
    conformity: int = 0x82

    def bits(self, function: int) -> list[bool]:
        """The table that a bit function reads."""
        return {1: self.coils, 2: self.discrete}[function]

    def registers(self, function: int) -> list[int]:
        """The table that a register function reads."""
        return {3: self.holding, 4: self.input}[function]
