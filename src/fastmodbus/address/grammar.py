"""Addresses, ``[unit/]area address[.bit][:type[@ORDER]][[n]]``, and ranges of them, ``[unit/]area first-last``."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from ..spec import TABLE_SIZE
from .types import BOOL, REGISTER, U8, U16, ValueType, did_you_mean, value_order, value_type

MAX_UNIT = 255
AREAS = {"co": "coils", "di": "discrete inputs", "ir": "input registers", "hr": "holding registers"}
BIT_AREAS = frozenset({"co", "di"})
MODICON_AREAS = {"0": "co", "1": "di", "3": "ir", "4": "hr"}


_ADDRESS = re.compile(
    r"(?:(?P<unit>\d+)/)?(?P<area>co|di|ir|hr|[134]x)(?P<address>0x[0-9a-f]+|\d+)"
    r"(?:\.(?P<bit>\d+|hi))?(?::(?P<type>[a-z_]\w*)(?P<high>\.hi)?(?:@(?P<order>[a-z]+))?)?(?:\[(?P<count>\d+)\])?",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"(?:(?P<unit>\d+)/)?(?P<area>co|di|ir|hr|[134]x)(?P<first>0x[0-9a-f]+|\d+)"
    r"(?:-(?P<last>0x[0-9a-f]+|\d+)|\[(?P<count>0x[0-9a-f]+|\d+)\])?",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?:\d+/)?(?P<number>0x[0-9a-f]+|\d+)(?P<rest>[.:\[].*)?", re.IGNORECASE)
_GRAMMAR = "[unit/]area address[.bit][:type[@ORDER]][[n]], for instance hr100, 3/ir30:i16, hr10.3, hr40:f32@CDAB[50]"


def looks_like_address(text: str) -> bool:
    """Whether a text follows the grammar, be its parts allowed or not."""
    return _ADDRESS.fullmatch(text) is not None


class Address:
    """Where a value lies and what it is: ``Address("3/ir30:f32@CDAB[10]")``. Immutable, hashable, equal by meaning.

    Parameters
    ----------
    text : str
        ``[unit/]area address[.bit][:type[@ORDER]][[n]]``. Areas are ``co di ir hr``; addresses are the wire's, counted
        from 0, decimal or ``0x`` hexadecimal. ``4x00101``, ``3x00030`` and ``1x00005`` are Modicon references, counted
        from 1: ``4x00101`` is ``hr100`` (Application Protocol V1.1b3, 4.4).
    order : str, optional
        The device's byte order, for numbers of more than one register whose text names none.

    Attributes
    ----------
    unit : int or None
        Unit id, 0 to 255; None leaves it to the client.
    area : str
        ``co``, ``di``, ``ir`` or ``hr``.
    address : int
        First coil or register, 0 to 65535.
    bit : int or None
        Bit of a register, 0 the least significant.
    high : bool
        An 8-bit value lies in the high byte of its register.
    type, order : str
        Canonical names; ``order`` is empty where there is none (bool, i8, u8).
    count : int or None
        Elements of an array; None for a single value.

    Raises
    ------
    ValueError
        With what was wrong, where, and what is allowed.
    """

    __slots__ = ("address", "area", "bit", "count", "high", "kind", "order", "unit")
    unit: int | None
    area: str
    address: int
    bit: int | None
    high: bool
    kind: ValueType
    order: str
    count: int | None

    def __init__(self, text: str, *, order: str = "ABCD") -> None:
        if not isinstance(text, str):
            raise TypeError(f"an address is text such as 'hr100', not {text!r}")
        match = _ADDRESS.fullmatch(text.strip())
        if match is None:
            _explain(text.strip())
        unit, area, address, bit, name, high, order_text, count = match.groups()
        try:
            area, number = _location(area.lower(), address)
            self._set(unit=None if unit is None else int(unit), area=area, address=number, name=name, order=order_text,
                      bit=None if bit is None or bit.lower() == "hi" else int(bit),
                      high=bool(high) or (bit or "").lower() == "hi",
                      count=None if count is None else int(count), default=order)  # fmt: skip
        except ValueError as error:
            raise ValueError(f"address {text!r}: {error}") from None

    @classmethod
    def of(
        cls, area: str, address: int, type: str | None = None, *, order: str | None = None, bit: int | None = None,
        high: bool = False, count: int | None = None, unit: int | None = None,
    ) -> Address:  # fmt: skip
        """An address from its parts, checked like text."""
        self = cls.__new__(cls)
        if area not in AREAS:
            raise ValueError(f"unknown area {area!r}{did_you_mean(area, AREAS)}; areas: {' '.join(AREAS)}")
        self._set(unit=unit, area=area, address=address, name=type, order=order, bit=bit, high=high, count=count)
        return self

    def replace(self, **changes: Any) -> Address:
        """The same address with some of ``unit address count bit order`` changed."""
        parts: dict[str, Any] = {
            "area": self.area, "address": self.address, "type": self.type, "order": self.order or None,
            "bit": self.bit, "high": self.high, "count": self.count, "unit": self.unit,
        }  # fmt: skip
        return Address.of(**(parts | changes))

    def _set(
        self, *, unit: int | None, area: str, address: int, name: str | None, order: str | None, bit: int | None,
        high: bool, count: int | None, default: str = "ABCD",
    ) -> None:  # fmt: skip
        kind = value_type(name) if name else _default_type(area, bit, high)
        put = object.__setattr__
        put(self, "unit", unit)
        put(self, "area", area)
        put(self, "address", address)
        put(self, "bit", bit)
        put(self, "high", high)
        put(self, "kind", kind)
        put(self, "order", value_order(kind, order, default=default))
        put(self, "count", count)
        _check(self)

    @property
    def type(self) -> str:
        """The canonical name of the type."""
        return self.kind.name

    @property
    def width(self) -> int:
        """Registers (or coils) of one element; a bit of a register counts as its register."""
        return 1 if self.area in BIT_AREAS else self.kind.registers

    @property
    def length(self) -> int:
        """Elements, 1 for a single value."""
        return 1 if self.count is None else self.count

    @property
    def registers(self) -> int:
        """Registers (coils and discrete inputs in the bit areas) that have to be read for the whole value."""
        if self.bit is not None:
            return (self.bit + self.length - 1) // REGISTER + 1
        return self.width * self.length

    @property
    def end(self) -> int:
        """The first address after the value."""
        return self.address + self.registers

    def _key(self) -> tuple[Any, ...]:
        return (self.unit, self.area, self.address, self.bit, self.high, self.kind, self.order, self.count)

    def __str__(self) -> str:
        unit = "" if self.unit is None else f"{self.unit}/"
        bit = ".hi" if self.high else "" if self.bit is None else f".{self.bit}"
        kind = "" if self.kind is _default_type(self.area, self.bit, self.high) else f":{self.type}"
        order = "" if self.order in ("", "AB", "ABCD") else f"@{self.order}"
        if order and not kind:
            kind = f":{self.type}"
        return f"{unit}{self.area}{self.address}{bit}{kind}{order}" + ("" if self.count is None else f"[{self.count}]")

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Address) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Address, (str(self),)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Address cannot be changed; make another with address.replace({name}=...)")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("an Address cannot be changed")


class AddressRange(NamedTuple):
    """Addresses ``first`` to ``last``, both included, of one area; of every unit when ``unit`` is None."""

    area: str
    first: int
    last: int
    unit: int | None = None

    @classmethod
    def parse(cls, text: str) -> AddressRange:
        """Read ``[unit/]area first[-last]`` or ``[unit/]area first[n]``: ``ir0-499``, ``4x1-60``, ``hr0x7[9]``.

        Raises
        ------
        ValueError
            It is no range, its addresses do not go up, or it reaches beyond the table.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            _explain_range(text.strip())
        unit, area_text, first_text, last_text, count = match.groups()
        area, first = _location(area_text.lower(), first_text)
        last = _location(area_text.lower(), last_text)[1] if last_text else first
        if count:
            last = first + _number(count) - 1
        if last < first or last >= TABLE_SIZE:
            raise ValueError(f"{text!r} is not a range: addresses go up, from 0 to {TABLE_SIZE - 1}")
        return cls(area, first, last, _check_unit(None if unit is None else int(unit)))

    @property
    def length(self) -> int:
        """How many addresses there are."""
        return self.last - self.first + 1

    def applies(self, unit: int, area: str) -> bool:
        """Whether this range speaks of that unit's area."""
        return self.area == area and self.unit in (None, unit)

    def __str__(self) -> str:
        last = "" if self.last == self.first else f"-{self.last}"
        return f"{'' if self.unit is None else f'{self.unit}/'}{self.area}{self.first}{last}"


def looks_like_range(text: str) -> bool:
    """Whether a text is written as a range, be its addresses allowed or not."""
    return _RANGE.fullmatch(text) is not None


def _default_type(area: str, bit: int | None, high: bool) -> ValueType:
    if area in BIT_AREAS or bit is not None:
        return BOOL
    return U8 if high else U16


def _location(area: str, number: str) -> tuple[str, int]:
    """Area and wire address of ``hr`` + ``0x10`` or of the Modicon reference ``4x`` + ``00017``."""
    reference = _number(number)
    if not area.endswith("x"):
        return area, reference
    if number[:2].lower() == "0x" or not 1 <= reference <= TABLE_SIZE:
        raise ValueError(f"the Modicon reference {area}{number} must be {area} and 1 to {TABLE_SIZE}, decimal")
    return MODICON_AREAS[area[0]], reference - 1


def _number(text: str) -> int:
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def _check_unit(unit: int | None) -> int | None:
    if unit is not None and not 0 <= unit <= MAX_UNIT:
        raise ValueError(f"unit {unit} is not 0 to {MAX_UNIT}")
    return unit


def _check(self: Address) -> None:
    """Everything that the grammar alone cannot say."""
    _check_unit(self.unit)
    if self.count is not None and self.count < 1:
        raise ValueError(f"[{self.count}] is no array; [n] needs n of at least 1")
    if not 0 <= self.address < TABLE_SIZE:
        raise ValueError(f"address {self.address} is not 0 to {TABLE_SIZE - 1}")
    _check_bit(self)
    if self.high and not self.kind.is_byte:
        raise ValueError(f".hi chooses the high byte of a register, for i8 and u8 only, not for {self.type}")
    if self.end > TABLE_SIZE:
        raise ValueError(f"{self.registers} {AREAS[self.area]} from {self.address} on reach beyond {TABLE_SIZE - 1}")


def _check_bit(self: Address) -> None:
    if self.area in BIT_AREAS:
        if self.kind.kind != "bool" or self.bit is not None or self.high:
            raise ValueError(f"{AREAS[self.area]} are single bits: neither .bit nor a type other than bool")
    elif self.kind.kind == "bool":
        if self.bit is None:
            where = f"{self.area}{self.address}"
            raise ValueError(f"a register is no bool; name the bit, {where}.0 to {where}.15")
        if not 0 <= self.bit < REGISTER:
            raise ValueError(f"bit {self.bit} is not 0 to 15 (0 is the least significant)")
    elif self.bit is not None:
        raise ValueError(f"a bit of a register is bool, not {self.type}")


def _explain(text: str) -> NoReturn:
    """Say why the text is no address."""
    bare = _BARE.fullmatch(text)
    if bare:
        raise ValueError(f"address {text!r}: {_readings(bare['number'], bare['rest'] or '')}")
    start = re.match(r"(?:\d+/)?([a-z]*)", text, re.IGNORECASE)
    word = start[1] if start else ""
    if word.lower() not in AREAS and not re.match(r"(?:\d+/)?[134]x", text, re.IGNORECASE):
        hint = did_you_mean(word.lower(), AREAS) if word else ""
        raise ValueError(f"address {text!r}: no area {word!r}{hint}; areas: {' '.join(AREAS)}. Written {_GRAMMAR}")
    begun = len(start[0]) if start else 0
    good = max((end for end in range(len(text)) if _ADDRESS.fullmatch(text[:end])), default=begun)
    raise ValueError(f"address {text!r}: cannot read {text[good:]!r} (character {good + 1}). Written {_GRAMMAR}")


def _explain_range(text: str) -> NoReturn:
    """Say why the text is no range."""
    bare = _BARE.fullmatch(text)
    if bare:
        raise ValueError(f"{text!r}: {_readings(bare['number'], bare['rest'] or '')}")
    raise ValueError(f"{text!r} is not a range: write co, di, ir or hr and addresses: hr100, hr0-99, ir100[10]")


def _readings(number: str, rest: str) -> str:
    """Both readings of a number without an area."""
    value = _number(number)
    readings = [f"hr{number}{rest} (0-based, as on the wire)"] if value < TABLE_SIZE else []
    prefix, reference = number[0], number[2:] if number[:2].lower() == "0x" else number[1:]
    usual = len(number) in (5, 6, 7) and prefix in MODICON_AREAS and reference.isdecimal()
    if usual and 1 <= int(reference) <= TABLE_SIZE:
        wire = f"{MODICON_AREAS[prefix]}{int(reference) - 1}"
        written = f" (write {prefix}x{reference}{rest} or {wire}{rest})" if prefix != "0" else f" (write {wire}{rest})"
        readings.append(f"the Modicon reference that is {wire}{rest}{written}")
    elif 1 <= value <= TABLE_SIZE:
        readings.append(f"the 1-based number that is hr{value - 1}{rest} (4x{value:05}{rest})")
    return f"a bare number can be read as {' or as '.join(readings)}; say which, with an area: {' '.join(AREAS)}"
