from collections.abc import Iterable, Sequence
from typing import Any, final

KINDS: tuple[str, ...]  # by mb_kind
FORMS: dict[str, int]  # what a column of values holds: float64, float32, or raw: the device's number, bool, string
SOURCES: dict[str, int]  # what 64 bits given to Program.encode are
ENCODINGS: dict[str, int]  # why Program.encode stopped; 0: it did not
SWAPS: dict[str, int]  # against ABCD with the registers in order; host: to be added (xor) on this machine
UNREAD: int  # as the read of a member or factor: in no read
LARGEST_EXPONENT: int

@final
class Record:
    def __new__(cls, keys: Iterable[str]) -> Record: ...
    def of(self, values: list[Any]) -> dict[str, Any]: ...

@final
class Program:
    # values: (kind, form, swaps, bit, count, single, text_size, multiply, divide, offset, limits, factor, missing)
    #     swaps "bytes" of an 8-bit value means the high byte; limits is (low, high) or None; factor counts in factors,
    #     -1 for none; missing has ints, floats or bytes, as the kind is.
    # items: (value, source, first, count): elements of a value, from a register of the image on (of coils: a byte).
    # factors: (value, source, read, constant): a scale factor that is read, or a constant that is not None.
    # members: (read, value, first, count): what is lost with a read.
    # twins: (source, again, read, registers, members): a factor's two readings, and what is torn when they differ.
    def __new__(
        cls,
        image_size: int,
        read_count: int,
        values: Sequence[tuple[Any, ...]],
        items: Sequence[tuple[int, int, int, int]],
        *,
        factors: Sequence[tuple[int, int, int, int | None]] = ...,
        members: Sequence[tuple[int, int, int, int]] = ...,
        twins: Sequence[tuple[int, int, int, int, Sequence[tuple[int, int, int]]]] = ...,
    ) -> Program: ...
    @property
    def operations(self) -> list[int]: ...
    def block_size(self, rows: int) -> int: ...
    def run(self, image: Any, statuses: Any, columns: Columns, row: int) -> None: ...
    def run_rows(self, images: Any, statuses: Any, columns: Columns) -> None: ...
    def run_single(self, image: Any, out: Any) -> bool: ...
    def encode(
        self, index: int, numbers: Any, form: int, exponent: int | None, any_float: bool, out: Any
    ) -> tuple[int, int]: ...
    def encode_text(self, index: int, text: bytes, out: Any) -> None: ...

@final
class Columns:
    program: Program
    rows: int
    def __new__(cls, program: Program, block: Any, rows: int) -> Columns: ...
    @property
    def spare_row(self) -> int: ...
    def offsets(self, index: int) -> tuple[int, int, int]: ...
    def objects(self, row: int) -> list[Any]: ...
