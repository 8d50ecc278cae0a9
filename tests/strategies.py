"""Hypothesis strategies over the reference codec: requests within their limits, right answers to one, spoilt answers.

Every strategy yields requests as `reference.Request` and answers as PDU bytes.
"""

from collections.abc import Callable
from functools import singledispatch

from hypothesis import strategies as st

from reference import (
    CanOpen,
    Diagnostics,
    FilePart,
    MaskWrite,
    Opaque,
    Plain,
    Read,
    ReadFifo,
    ReadFile,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteFile,
    WriteMany,
    WriteOne,
    bits_to_bytes,
)

ADDRESSES = 65536
LARGEST_PDU = 253

words = st.integers(0, 0xFFFF)
addresses = st.integers(0, ADDRESSES - 1)
units = st.integers(0, 255)
transaction_ids = words


def exactly(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


@st.composite
def ranges(draw: st.DrawFn, largest: int) -> tuple[int, int]:
    """Address and quantity inside a table."""
    quantity = draw(st.integers(1, largest))
    return draw(st.integers(0, ADDRESSES - quantity)), quantity


@st.composite
def reads(draw: st.DrawFn, functions: tuple[int, ...] = (1, 2, 3, 4)) -> Read:
    function = draw(st.sampled_from(functions))
    address, quantity = draw(ranges(2000 if function in (1, 2) else 125))
    return Read(function, address, quantity)


@st.composite
def single_writes(draw: st.DrawFn) -> WriteOne:
    if draw(st.booleans()):
        return WriteOne(5, draw(addresses), draw(st.sampled_from((0x0000, 0xFF00))))
    return WriteOne(6, draw(addresses), draw(words))


@st.composite
def many_writes(draw: st.DrawFn) -> WriteMany:
    if draw(st.booleans()):
        address, quantity = draw(ranges(1968))
        bits = draw(st.integers(0, (1 << quantity) - 1))
        return WriteMany(15, address, quantity, bits_to_bytes(bits >> i & 1 for i in range(quantity)))
    address, quantity = draw(ranges(123))
    return WriteMany(16, address, quantity, draw(exactly(2 * quantity)))


@st.composite
def read_writes(draw: st.DrawFn) -> ReadWrite:
    (read_address, read_quantity), (write_address, write_quantity) = draw(ranges(125)), draw(ranges(121))
    return ReadWrite(read_address, read_quantity, write_address, write_quantity, draw(exactly(2 * write_quantity)))


@st.composite
def file_parts(draw: st.DrawFn, room: int, smallest: int) -> FilePart:
    length = draw(st.integers(smallest, room))
    return FilePart(draw(st.integers(1, 0xFFFF)), draw(st.integers(0, 9999)), length)


@st.composite
def file_reads(draw: st.DrawFn) -> ReadFile:
    """Up to 35 parts whose answer fits: 2 bytes for each and 2 for each register, in 251."""
    count = draw(st.integers(1, 35))
    room = (LARGEST_PDU - 2 - 2 * count) // (2 * count)
    return ReadFile(tuple(draw(file_parts(room, smallest=0)) for _ in range(count)))


@st.composite
def file_writes(draw: st.DrawFn) -> WriteFile:
    """Up to 27 parts of 7 bytes and at least one register, in 251."""
    count = draw(st.integers(1, 27))
    room = (LARGEST_PDU - 2 - 7 * count) // (2 * count)
    parts = [draw(file_parts(room, smallest=1)) for _ in range(count)]
    return WriteFile(tuple((part, draw(exactly(2 * part.length))) for part in parts))


def diagnostics() -> st.SearchStrategy[Diagnostics]:
    loopback = st.integers(1, 125).flatmap(lambda count: st.builds(Diagnostics, st.just(0), exactly(2 * count)))
    others = st.sampled_from((1, 2, 3, 0x0A, *range(0x0B, 0x13), 0x14))
    return loopback | st.builds(Diagnostics, others, st.sampled_from((b"\x00\x00", b"\xff\x00")))


def user_defined() -> st.SearchStrategy[Opaque]:
    functions = st.integers(65, 72) | st.integers(100, 110)
    return st.builds(Opaque, functions, st.binary(max_size=LARGEST_PDU - 1))


def table_requests() -> st.SearchStrategy[Request]:
    """Requests that read or write the four tables."""
    masks = st.builds(MaskWrite, addresses, words, words)
    return st.one_of(reads(), single_writes(), many_writes(), masks, read_writes())


def requests() -> st.SearchStrategy[Request]:
    """Requests of every function, each within the specification's limits."""
    return st.one_of(
        table_requests(),
        st.builds(Plain, st.sampled_from((0x07, 0x0B, 0x0C, 0x11))),
        diagnostics(),
        file_reads(),
        file_writes(),
        st.builds(ReadFifo, addresses),
        st.builds(ReadIdentification, st.integers(1, 4), st.integers(0, 255)),
        st.builds(CanOpen, st.binary(max_size=LARGEST_PDU - 2)),
        user_defined(),
    )


@singledispatch
def normal_answers(request: Request) -> st.SearchStrategy[bytes]:
    """Right answers without an exception; this general case is the echo of the whole request."""
    return st.just(request.encode())


def counted(function: int, data: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return data.map(lambda body: bytes([function, len(body)]) + body)


@normal_answers.register
def _(request: Read) -> st.SearchStrategy[bytes]:
    size = (request.quantity + 7) // 8 if request.is_bits else 2 * request.quantity
    return counted(request.function, exactly(size))


@normal_answers.register
def _(request: ReadWrite) -> st.SearchStrategy[bytes]:
    return counted(request.function, exactly(2 * request.read_quantity))


@normal_answers.register
def _(request: WriteMany) -> st.SearchStrategy[bytes]:
    return st.just(request.encode()[:5])


@normal_answers.register
def _(request: Plain) -> st.SearchStrategy[bytes]:
    if request.function in (0x07, 0x0B):
        return exactly({0x07: 1, 0x0B: 4}[request.function]).map(lambda body: request.encode() + body)
    smallest, largest = {0x0C: (6, 70), 0x11: (0, LARGEST_PDU - 2)}[request.function]
    return counted(request.function, st.binary(min_size=smallest, max_size=largest))


@normal_answers.register
def _(request: Diagnostics) -> st.SearchStrategy[bytes]:
    if request.sub_function in (0, 1, 3, 0x0A, 0x14):
        return st.just(request.encode())
    return exactly(2).map(lambda value: request.encode()[:3] + value)


@normal_answers.register
def _(request: ReadFile) -> st.SearchStrategy[bytes]:
    parts = [exactly(2 * part.length).map(lambda data: bytes([1 + len(data), 6]) + data) for part in request.parts]
    return counted(request.function, st.tuples(*parts).map(b"".join))


@normal_answers.register
def _(request: ReadFifo) -> st.SearchStrategy[bytes]:
    def queue(data: bytes) -> bytes:
        return request.encode()[:1] + (2 + len(data)).to_bytes(2, "big") + (len(data) // 2).to_bytes(2, "big") + data

    return st.integers(0, 31).flatmap(lambda count: exactly(2 * count)).map(queue)


@normal_answers.register
def _(request: ReadIdentification) -> st.SearchStrategy[bytes]:
    one = request.code == 4

    @st.composite
    def page(draw: st.DrawFn) -> bytes:
        values = draw(st.lists(st.binary(max_size=40), min_size=1, max_size=1 if one else 5))
        objects = [bytes([draw(st.integers(0, 255)), len(value)]) + value for value in values]
        more = not one and request.first_object < 255 and draw(st.booleans())
        following = draw(st.integers(request.first_object + 1, 255)) if more else 0
        head = bytes([0x2B, 0x0E, request.code, 0x83, 0xFF if more else 0, following, len(objects)])
        return head + b"".join(objects)

    return page()


@normal_answers.register
def _(request: CanOpen) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=LARGEST_PDU - 2).map(lambda data: b"\x2b\x0d" + data)


@normal_answers.register
def _(request: Opaque) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=LARGEST_PDU - 1).map(lambda data: bytes([request.function]) + data)


def exceptions(request: Request) -> st.SearchStrategy[bytes]:
    """Any exception code at all: what a device may not send, some do."""
    return st.integers(0, 255).map(lambda code: bytes([request.function | 0x80, code]))


def answers(request: Request) -> st.SearchStrategy[bytes]:
    """Right answers: normal ones and exceptions."""
    return normal_answers(request) | exceptions(request)


Spoiler = Callable[[bytes, st.DrawFn], bytes]


def cut(answer: bytes, draw: st.DrawFn) -> bytes:
    return answer[: draw(st.integers(0, len(answer) - 1))]


def lengthened(answer: bytes, draw: st.DrawFn) -> bytes:
    return answer + draw(st.binary(min_size=1, max_size=8))


def with_another_byte(answer: bytes, draw: st.DrawFn) -> bytes:
    at = draw(st.integers(0, len(answer) - 1))
    return answer[:at] + bytes([answer[at] ^ draw(st.integers(1, 255))]) + answer[at + 1 :]


def with_another_count(answer: bytes, draw: st.DrawFn) -> bytes:
    return answer[:1] + bytes([draw(st.integers(0, 255))]) + answer[2:]


def of_another_function(answer: bytes, draw: st.DrawFn) -> bytes:
    return bytes([draw(st.integers(0, 255))]) + answer[1:]


def garbage(answer: bytes, draw: st.DrawFn) -> bytes:
    return draw(st.binary(max_size=LARGEST_PDU))


SPOILERS: tuple[Spoiler, ...] = (cut, lengthened, with_another_byte, with_another_count, of_another_function, garbage)


@st.composite
def spoilt_answers(draw: st.DrawFn, request: Request) -> bytes:
    """Answers that went through a spoiler. Some are still right by chance: ask `reference.check` what each one is."""
    answer = draw(answers(request))
    return draw(st.sampled_from(SPOILERS))(answer, draw)


@st.composite
def exchanges(draw: st.DrawFn, of: st.SearchStrategy[Request] | None = None) -> tuple[Request, bytes]:
    """A request, of those given or of any, with a right answer."""
    request = draw(requests() if of is None else of)
    return request, draw(answers(request))


@st.composite
def spoilt_exchanges(draw: st.DrawFn, of: st.SearchStrategy[Request] | None = None) -> tuple[Request, bytes]:
    """A request, of those given or of any, with an answer that was spoilt."""
    request = draw(requests() if of is None else of)
    return request, draw(spoilt_answers(request))
