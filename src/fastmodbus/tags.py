"""A tag: a name for a value, where it lies, and what its registers mean.

Pure values: maps make tags from files, plans turn them into reads, decode programs into numbers. Nothing here reads a
file or a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .address import BIT_AREAS, Address
from .errors import MapError

ACCESS = ("r", "rw")
WRITE_WITH = ("fc06", "fc16")
RESERVED_NAMES = frozenset({"time", "_row", "_quality"})  # columns of every Samples, or of its files
_NO_NAMES: Mapping[int, str] = MappingProxyType({})

Number = int | float
Limits = tuple[Number, Number]


def map_error(message: str, *, file: str = "", tag: str = "", field: str = "") -> MapError:
    """A MapError whose message begins with the place."""
    return MapError(_place(file, tag, field) + message, file=file, tag=tag, field=field)


def in_file(error: MapError, file: str) -> MapError:
    """The same error, with the file that it was found in."""
    message = str(error).removeprefix(_place(error.file, error.tag, error.field))
    return map_error(message, file=file, tag=error.tag, field=error.field)


def _place(file: str, tag: str, field: str) -> str:
    parts = (file, f"tag {tag!r}" if tag else "", field)
    return "".join(f"{part}: " for part in parts if part)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Tag:
    """A named value of a device. Immutable, hashable.

    Parameters
    ----------
    name : str
        How the value is called in results.
    address : str or Address
        Where it lies and what it is, for instance ``"ir0:f32"``.
    units : str
        Physical units, as text.
    group : str
        The polling group of the map.
    scale : float
        The value is the device's number times this.
    offset : float
        Added after scaling.
    scale_from : str
        Name of the tag whose value n gives a further factor of 10**n (a SunSpec scale factor).
    missing : sequence
        Device numbers that mean "no value". A signed type takes the unsigned pattern as well: 0x8000 is -32768.
    valid : (low, high)
        Range of good values, both ends included, in ``units``.
    labels : mapping of int to str
        Names of the device's numbers, ``{0: "off"}``.
    bits : mapping of int to str
        Names of the bits, 0 the least significant, ``{3: "fault"}``.
    access : "r" or "rw"
        Whether the value may be written.
    write_limits : (low, high)
        Range of values that may be written, in ``units``.
    write_with : "fc06" or "fc16"
        The function code for writing, where the device insists on one.
    after : str
        Name of a tag that must be read in an earlier request of the same poll.
    description : str
        A sentence for people.

    Raises
    ------
    MapError
        Also a ``ValueError``; ``.tag`` and ``.field`` say where.
    """

    name: str
    address: Address
    units: str
    group: str
    scale: Number
    offset: Number
    scale_from: str
    missing: tuple[Number | str, ...]
    valid: Limits | None
    labels: Mapping[int, str]
    bits: Mapping[int, str]
    access: str
    write_limits: Limits | None
    write_with: str
    after: str
    description: str
    _hash: int = field(init=False, repr=False, compare=False)

    def __init__(
        self,
        name: str,
        address: str | Address,
        *,
        units: str = "",
        group: str = "",
        scale: Number = 1,
        offset: Number = 0,
        scale_from: str = "",
        missing: Sequence[Number | str] | Number | str = (),
        valid: Sequence[Number] | None = None,
        labels: Mapping[int, str] | Mapping[str, str] = _NO_NAMES,
        bits: Mapping[int, str] | Mapping[str, str] = _NO_NAMES,
        access: str = "r",
        write_limits: Sequence[Number] | None = None,
        write_with: str = "",
        after: str = "",
        description: str = "",
    ) -> None:
        put = object.__setattr__
        put(self, "name", _check_name(name))
        put(self, "address", _check_address(name, address))
        settings = (units, group, scale, offset, scale_from, missing, valid, labels, bits, access, write_limits,
                    write_with, after, description)  # fmt: skip
        for (setting, default, check), value in zip(_SETTINGS, settings, strict=True):
            put(self, setting, value if value is default else _checked(self, setting, check, value))

    def __hash__(self) -> int:
        """Kept: whoever reads a list of tags has it found again by them, in every call."""
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash((self.name, self.address)))
            return self._hash

    def replace(self, **changes: Any) -> Tag:
        """The same tag with some settings changed."""
        return Tag(**(self.settings() | changes))

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as keyword arguments of ``Tag``."""
        given: dict[str, Any] = {"name": self.name, "address": self.address}
        for setting, default, _ in _SETTINGS:
            value = getattr(self, setting)
            if value != default:
                given[setting] = dict(value) if isinstance(value, Mapping) else value
        return given

    @property
    def raw(self) -> bool:
        """Whether the device's number is the value: no scaling of any kind."""
        return self.scale == 1 and self.offset == 0 and not self.scale_from

    def __repr__(self) -> str:
        given = self.settings()
        head = f"{given.pop('name')!r}, {str(given.pop('address'))!r}"
        return f"Tag({', '.join([head, *(f'{name}={value!r}' for name, value in given.items())])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_settings, (self.settings(),)


def _from_settings(settings: dict[str, Any]) -> Tag:
    return Tag(**settings)


def _check_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a tag's name is text, not {name!r}")
    if not name or not name.isprintable() or name != name.strip():
        raise map_error("must be printable text without spaces around it", tag=name, field="name")
    if name in RESERVED_NAMES:
        raise map_error("is the name of a column that every result has already; choose another", tag=name, field="name")
    return name


def _check_address(name: str, address: str | Address) -> Address:
    if isinstance(address, Address):
        return address
    try:
        return Address(address)
    except ValueError as error:
        raise map_error(str(error), tag=name, field="address") from None


def _checked(tag: Tag, setting: str, check: Callable[[Tag, Any], Any], value: Any) -> Any:
    try:
        return check(tag, value)
    except (ValueError, TypeError) as error:
        raise map_error(str(error), tag=tag.name, field=setting) from None


def _text(_tag: Tag, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be text, not {value!r}")
    return value


def _number(value: Any) -> Number:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"must be a number, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"must be finite, not {value}")
    return value


def _numeric(tag: Tag) -> None:
    if tag.address.kind.kind in ("bool", "str"):
        raise ValueError(f"means nothing for {tag.address.type}")


def _check_scale(tag: Tag, value: Any) -> Number:
    _numeric(tag)
    if _number(value) == 0:
        raise ValueError("must not be 0")
    return value  # type: ignore[no-any-return]


def _check_offset(tag: Tag, value: Any) -> Number:
    _numeric(tag)
    return _number(value)


def _check_scale_from(tag: Tag, value: Any) -> str:
    _numeric(tag)
    if _text(tag, value) == tag.name:
        raise ValueError("a tag is not its own scale factor")
    return str(value)


def _check_limits(tag: Tag, value: Any) -> Limits:
    _numeric(tag)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"must be [low, high], not {value!r}")
    low, high = (_number(end) for end in value)
    if low > high:
        raise ValueError(f"low {low} is above high {high}")
    return low, high


def _check_missing(tag: Tag, value: Any) -> tuple[Number | str, ...]:
    values = [value] if isinstance(value, (int, float, str)) else value
    if not isinstance(values, Iterable):
        raise TypeError(f"must be a list of numbers, not {value!r}")
    return tuple(_missing_value(tag, one) for one in values)


def _missing_value(tag: Tag, value: Any) -> Number | str:
    kind = tag.address.kind
    if kind.kind == "str":
        return _text(tag, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"must be numbers, not {value!r}")
    if kind.kind == "float":
        return math.nan if math.isnan(value) else float(value)  # one nan object, so that equal tags compare equal
    if kind.kind == "bcd":
        top = 10 ** (kind.bits // 4)
    elif kind.kind in ("int", "uint"):
        top = 1 << kind.bits
    else:
        raise ValueError(f"means nothing for {kind.name}")
    low = -(top >> 1) if kind.kind == "int" else 0
    if not math.isfinite(value) or value != int(value) or not low <= value < top:
        raise ValueError(f"{value} is no value of {kind.name} ({low} to {top - 1 if low == 0 else -low - 1})")
    return int(value) - top if kind.kind == "int" and value >= top >> 1 else int(value)


def _check_labels(tag: Tag, value: Any) -> Mapping[int, str]:
    if value and tag.address.kind.kind in ("str", "float"):
        raise ValueError(f"means nothing for {tag.address.type}")
    return _names(value)


def _check_bits(tag: Tag, value: Any) -> Mapping[int, str]:
    kind = tag.address.kind
    if value and kind.kind not in ("int", "uint"):
        raise ValueError(f"means nothing for {kind.name}; use an unsigned type")
    names = _names(value)
    outside = [bit for bit in names if not 0 <= bit < kind.bits]
    if outside:
        raise ValueError(f"bit {outside[0]} is not 0 to {kind.bits - 1}")
    return names


def _names(value: Any) -> Mapping[int, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"must be a table of number = name, not {value!r}")
    names: dict[int, str] = {}
    for key, name in value.items():
        number = _integer(key) if isinstance(key, str) else key
        if isinstance(number, bool) or not isinstance(number, int) or not isinstance(name, str):
            raise TypeError(f"must be a table of number = name, not {key!r} = {name!r}")
        names[number] = name
    return MappingProxyType(names)


def _integer(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _one_of(choices: tuple[str, ...], value: Any) -> str:
    if value not in choices:
        raise ValueError(f"must be {' or '.join(map(repr, choices))}, not {value!r}")
    return str(value)


def _check_access(tag: Tag, value: Any) -> str:
    if _one_of(ACCESS, value) == "rw" and tag.address.area in ("di", "ir"):
        raise ValueError(f"{tag.address.area} can only be read")
    return str(value)


def _check_write_with(tag: Tag, value: Any) -> str:
    if not value:
        return ""
    if tag.address.area in BIT_AREAS or tag.address.area == "ir":
        raise ValueError(f"is for holding registers, not for {tag.address.area}")
    if _one_of(WRITE_WITH, value) == "fc06" and tag.address.registers > 1:
        raise ValueError(f"function 06 writes one register, {tag.address} has {tag.address.registers}")
    return str(value)


# In the order of Tag's arguments: the setting, its default (left unchecked), its check.
_SETTINGS: tuple[tuple[str, Any, Callable[[Tag, Any], Any]], ...] = (
    ("units", "", _text),
    ("group", "", _text),
    ("scale", 1, _check_scale),
    ("offset", 0, _check_offset),
    ("scale_from", "", _check_scale_from),
    ("missing", (), _check_missing),
    ("valid", None, _check_limits),
    ("labels", _NO_NAMES, _check_labels),
    ("bits", _NO_NAMES, _check_bits),
    ("access", "r", _check_access),
    ("write_limits", None, _check_limits),
    ("write_with", "", _check_write_with),
    ("after", "", _text),
    ("description", "", _text),
)
