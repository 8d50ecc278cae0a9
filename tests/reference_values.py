"""The slow, obvious decoder and encoder of every value type and byte order: what the fast ones are judged by.

It goes by the letters: an order such as CDAB lists the bytes of a value, A the most significant, as they come over the
wire. Nothing here is shared with the package.
"""

import math
import struct

WIDTHS = {
    "i8": 1, "u8": 1, "i16": 2, "u16": 2, "f16": 2, "bcd16": 2, "i32": 4, "u32": 4, "f32": 4, "bcd32": 4,
    "i64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
EIGHT_LETTERS = {"ABCD": "ABCDEFGH", "CDAB": "GHEFCDAB", "BADC": "BADCFEHG", "DCBA": "HGFEDCBA", "CDABGHEF": "CDABGHEF"}
FLOATS = {"f16": ">e", "f32": ">f", "f64": ">d"}


def letters(kind, order):
    """The bytes of one value in the order of the wire."""
    size = WIDTHS[kind]
    if size == 8:
        return EIGHT_LETTERS[order or "ABCD"]
    return order or "ABCD"[:size]


def registers_of(kind):
    """Registers that one value takes."""
    if kind.startswith("str"):
        return -(-int(kind[3:]) // 2)
    return 1 if kind == "bool" else -(-WIDTHS[kind] // 2)


def wire_bytes(words):
    """Registers as the bytes that come over the wire."""
    return b"".join(word.to_bytes(2, "big") for word in words)


def words_of(data):
    """The bytes of the wire as registers."""
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def decode_one(words, kind, order="", *, bit=None, high=False):
    """One value from exactly its registers; None for BCD that has no decimal digits.

    Strings end at the first NUL, lose the blanks at their end, and are UTF-8; what is not becomes U+FFFD.
    """
    if kind == "bool":
        return bool(words[0] >> bit & 1)
    data = wire_bytes(words)
    if kind in ("i8", "u8"):
        return int.from_bytes(data[:1] if high else data[1:], "big", signed=kind == "i8")
    if kind.startswith("str"):
        if order == "BA":
            data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
        return data[: int(kind[3:])].split(b"\0")[0].rstrip(b" ").decode("utf-8", "replace")
    wire = letters(kind, order)
    value = bytes(data[wire.index(letter)] for letter in sorted(wire))
    if kind in FLOATS:
        return struct.unpack(FLOATS[kind], value)[0]
    if kind.startswith("bcd"):
        digits = value.hex()
        return int(digits) if digits.isdecimal() else None
    return int.from_bytes(value, "big", signed=kind.startswith("i"))


def encode_one(value, kind, order="", *, high=False):
    """The registers of one value; the other byte of an 8-bit value is zero."""
    if kind in ("i8", "u8"):
        byte = value.to_bytes(1, "big", signed=kind == "i8")
        return words_of(byte + b"\0" if high else b"\0" + byte)
    if kind.startswith("str"):
        data = value.encode().ljust(2 * registers_of(kind), b"\0")
        return words_of(b"".join(data[at : at + 2][:: -1 if order == "BA" else 1] for at in range(0, len(data), 2)))
    if kind in FLOATS:
        plain = struct.pack(FLOATS[kind], value)
    elif kind.startswith("bcd"):
        plain = bytes.fromhex(str(value).rjust(2 * WIDTHS[kind], "0"))
    else:
        plain = value.to_bytes(WIDTHS[kind], "big", signed=kind.startswith("i"))
    wire = letters(kind, order)
    return words_of(bytes(plain[sorted(wire).index(letter)] for letter in wire))


def decode(words, kind, order="", *, bit=None, high=False, count=None):
    """A value, or the list of an array's, from the registers at its address.

    The elements of an array of bits follow each other through the registers, from ``bit`` of the first one upwards.
    """
    if count is None:
        return decode_one(words[: registers_of(kind)], kind, order, bit=bit, high=high)
    if kind == "bool":
        return [bool(words[(bit + n) // 16] >> (bit + n) % 16 & 1) for n in range(count)]
    step = registers_of(kind)
    return [decode_one(words[n * step : (n + 1) * step], kind, order, high=high) for n in range(count)]


def scaled(number, *, scale=1, offset=0, exponent=0):
    """The physical value of a device's number; dividing where the factor is a power of ten below one.

    137 times 0.1 is 13.700000000000001; 137 divided by 10 is 13.7, which is what the device means.
    """
    for factor in (scale, 10.0**exponent):
        inverse = round(1 / factor) if 0 < abs(factor) < 1 else 0
        number = number / inverse if is_power_of_ten(inverse) and 1 / inverse == factor else number * factor
    return number + offset


def is_power_of_ten(number):
    return number > 0 and str(number).strip("0") == "1"


def quality(number, value, *, missing=(), valid=None):
    """GOOD, MISSING or RANGE: what a number that did arrive is worth."""
    for one in missing:
        if number == one or (isinstance(one, float) and math.isnan(one) and math.isnan(number)):
            return "MISSING"
    if valid is not None and not valid[0] <= value <= valid[1]:
        return "RANGE"
    return "GOOD"
