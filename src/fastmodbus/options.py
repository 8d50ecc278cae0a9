"""Options of clients and calls: their names, defaults, ranges, and which giver wins. Also URLs, which carry options.

Every option is None unless given, so that a wish can be told from a default. A call's argument beats the client's,
which beats the URL's, which beats the built-in value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from . import checks, spec

_UNITS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = r"\s*((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-z]*)\s*"
#: The longest time that can be asked for, in seconds: 30 years and well inside 64 bits of nanoseconds.
LONGEST = 1e9


def seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """A time in seconds from a number, or a text such as ``"100ms"``, ``"3s"``, ``"2min"``, ``"1h"``."""
    allowed = f"allowed are {'0' if zero else 'more than 0'} to {LONGEST:g} seconds, as a number or a text like '100ms'"
    if isinstance(value, str):
        match = re.fullmatch(_DURATION, value)
        if not match or match[2] not in _UNITS:
            raise ValueError(f"{name} is {value!r}; {allowed}")
        value = float(match[1]) * _UNITS[match[2]]
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; {allowed}")
    found = float(value)
    if not (0.0 <= found <= LONGEST) or (found == 0.0 and not zero):
        raise ValueError(f"{name} is {value!r}; {allowed}")
    return found


class Options(NamedTuple):
    """What a client, a view, a URL or a call asked for; None where it asked for nothing."""

    unit: int | None = None
    timeout: float | None = None
    deadline: float | None = None
    connect_timeout: float | None = None
    retries: int | None = None
    in_flight: int | str | None = None
    coalesce: bool | None = None
    max_registers: int | None = None
    max_bits: int | None = None
    request_gap: float | None = None
    connect_delay: float | None = None
    idle_close: float | None = None
    read_only: bool | None = None
    write_single: str | None = None
    pipeline_writes: bool | None = None
    quirks: tuple[str, ...] | None = None
    name: str | None = None
    source_address: str | None = None
    transport: str | None = None
    cert: str | None = None
    key: str | None = None
    ca: str | None = None
    server_name: str | None = None
    ssl_context: Any = None

    def over(self, weaker: Options) -> Options:
        """These options, and where they ask for nothing, the weaker ones; of limits the smaller is taken."""
        merged: dict[str, Any] = {}
        for name, own, other in zip(self._fields, self, weaker, strict=True):
            smaller = name in LIMITS and own is not None and other is not None
            merged[name] = min(own, other) if smaller else other if own is None else own
        return Options(**merged)

    def given(self) -> dict[str, Any]:
        """What was asked for, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def of_session(self) -> dict[str, Any]:
        """What a session of the core is made with. The options are complete: built-in values filled in."""
        automatic = self.in_flight is None or isinstance(self.in_flight, str)
        return {
            "window": spec.AUTOMATIC_MOST if automatic else int(self.in_flight or 1),
            "automatic": automatic,
            "quirks": sum(spec.QUIRKS[name] for name in set(self.quirks or ())),
            "pipeline_writes": bool(self.pipeline_writes),
            "datagrams": self.transport == "udp",
            "request_gap": nanoseconds(self.request_gap),
            "connect_delay": nanoseconds(self.connect_delay),
        }


def nanoseconds(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1e9)


LIMITS = frozenset({"max_registers", "max_bits"})
#: Options that belong to the connection: views and calls cannot change them.
OF_CONNECTION = frozenset(
    {
        "connect_timeout",
        "coalesce",
        "request_gap",
        "connect_delay",
        "idle_close",
        "pipeline_writes",
        "quirks",
        "source_address",
        "transport",
        "cert",
        "key",
        "ca",
        "server_name",
        "ssl_context",
    }
)
#: Options that mean TLS.
OF_TLS = ("cert", "key", "ca", "server_name", "ssl_context")
_PORTS = {"tls": spec.SECURE_PORT}
BUILT_IN = Options(
    unit=1,
    timeout=3.0,
    connect_timeout=5.0,
    retries=2,
    in_flight="auto",
    coalesce=False,
    max_registers=spec.MAX_READ_REGISTERS,
    max_bits=spec.MAX_READ_BITS,
    request_gap=0.0,
    connect_delay=0.0,
    read_only=False,
    write_single="fc06",
    pipeline_writes=False,
    quirks=(),
)
_CHOICES = {"write_single": ("fc06", "fc16"), "transport": ("tcp", "tls", "udp")}
_INTEGERS = {
    "unit": (0, 255),
    "retries": (0, 100),
    "max_registers": (1, spec.MAX_READ_REGISTERS),
    "max_bits": (1, spec.MAX_READ_BITS),
}
_TIMES = {"timeout": False, "deadline": False, "connect_timeout": False, "request_gap": True, "connect_delay": True}
_FLAGS = frozenset({"coalesce", "read_only", "pipeline_writes"})
_NAMES = Options._fields


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; allowed are True and False")
    return value


def _in_flight(value: Any) -> int | str:
    if isinstance(value, str):
        if value != "auto":
            raise ValueError(f"in_flight is {value!r}; allowed are 1 to 4096 and 'auto'")
        return value
    return checks.integer("in_flight", value, 1, 4096)


def _quirks(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (str, tuple, list, set, frozenset)):
        raise TypeError(f"quirks is {value!r}, a {type(value).__name__}; a sequence of names is needed")
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if name not in spec.QUIRKS:
            raise ValueError(f"quirks has {name!r}; allowed are {', '.join(spec.QUIRKS)}")
    return names


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _INTEGERS:
        return checks.integer(name, value, *_INTEGERS[name])
    if name in _TIMES:
        return seconds(name, value, zero=_TIMES[name])
    if name in _OTHERS:
        return _OTHERS[name](value)
    if name in _FLAGS:
        return _flag(name, value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; a str is needed")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} is {value!r}; allowed are {' and '.join(map(repr, _CHOICES[name]))}")
    return value


def _path(name: str, value: Any) -> str:
    if not isinstance(value, (str, PathLike)):
        raise TypeError(f"{name} is {value!r}, a {type(value).__name__}; the path of a file is needed")
    return str(value)


def _ssl_context(value: Any) -> Any:
    if not hasattr(value, "wrap_socket"):  # its module is for those who open connections
        raise TypeError(f"ssl_context is {value!r}, a {type(value).__name__}; an ssl.SSLContext is needed")
    return value


def transport_of(given: Options) -> str:
    """How to connect: what is said, or TLS where an option of it is given.

    Raises
    ------
    ValueError
        Options that contradict each other.
    """
    of_tls = [name for name in OF_TLS if getattr(given, name) is not None]
    found = given.transport or ("tls" if of_tls else "tcp")
    if of_tls and found != "tls":
        raise ValueError(f"{', '.join(of_tls)}: for TLS only, and the transport is {found!r}; say tls://host")
    if found == "udp" and given.coalesce:
        raise ValueError("coalesce is for TCP and TLS: over UDP a datagram has one request")
    if given.key is not None and given.cert is None:
        raise ValueError("key is given without cert; the certificate chain that belongs to it is needed")
    for name in ("cert", "key", "ca"):
        if given.ssl_context is not None and getattr(given, name) is not None:
            raise ValueError(f"{name} and ssl_context are given; load it into the context instead")
    return found


def port_of(transport: str) -> int:
    """The port that is used where none is given: 502 (mg 4.3.1), over TLS 802."""
    return _PORTS.get(transport, spec.PORT)


_OTHERS: dict[str, Callable[[Any], Any]] = {
    "idle_close": lambda value: seconds("idle_close", value),
    "in_flight": _in_flight,
    "quirks": _quirks,
    "cert": lambda value: _path("cert", value),
    "key": lambda value: _path("key", value),
    "ca": lambda value: _path("ca", value),
    "ssl_context": _ssl_context,
}


def parse(given: Mapping[str, Any]) -> Options:
    """Check options by name and value.

    Raises
    ------
    TypeError
        An option that does not exist, or a value of the wrong type.
    ValueError
        A value out of its range.
    """
    for name in given:
        if name not in _NAMES:
            raise TypeError(f"there is no option {name!r}; the options are {', '.join(_NAMES)}")
    return Options(**{name: _checked(name, value) for name, value in given.items()})


def _from_text(name: str, text: str) -> Any:
    if name == "quirks":
        return tuple(text.split(","))
    if name in _INTEGERS or name == "in_flight":
        return int(text, 0) if re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", text) else text
    if name in _FLAGS:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return text


class Target(NamedTuple):
    """What a URL says: where to connect, how, and with which options."""

    scheme: str
    host: str
    port: int
    options: Options

    @property
    def url(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for of a client by options, which beat those of the URL, and by the URL.

        Raises
        ------
        TypeError, ValueError
        """
        transport = None if self.scheme == "sim" else self.scheme
        return parse(given).over(self.options).over(Options(transport=transport)).given()


def parse_url(url: str, schemes: tuple[str, ...] = ("tcp", "tls", "udp", "sim")) -> Target:
    """Read ``tcp://host[:port][?option=value&...]``; a bare ``host[:port]`` means the same. Also ``tls`` and ``udp``.

    Raises
    ------
    ValueError
        The URL is malformed, its scheme unknown, its port not 1 to 65535, or an option wrong.
    """
    if not isinstance(url, str):
        raise TypeError(f"url is {url!r}, a {type(url).__name__}; a text like 'tcp://10.0.0.5:502' is needed")
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        split = urlsplit(url if "://" in url or url.startswith("sim:") else f"tcp://{url}")
    except ValueError as error:
        raise ValueError(f"url is {url!r}: {error}") from None
    if split.scheme not in schemes:
        raise ValueError(f"url is {url!r}: its scheme {split.scheme!r} is none of {', '.join(schemes)}")
    try:
        port = split.port
    except ValueError:
        hint = "; an IPv6 address stands in brackets, as in 'tcp://[::1]:502'" if split.netloc.count(":") > 1 else ""
        raise ValueError(f"url is {url!r}: its port is not a number from 1 to 65535{hint}") from None
    if port == 0:
        raise ValueError(f"url is {url!r}: its port is 0; allowed are 1 to 65535")
    if split.scheme != "sim" and not split.hostname:
        raise ValueError(f"url is {url!r}: it names no host; a text like 'tcp://10.0.0.5:502' is needed")
    if split.path not in ("", "/") or split.fragment or split.username is not None:
        raise ValueError(f"url is {url!r}: it has more than host, port and options, as in 'tcp://10.0.0.5:502?unit=7'")
    try:
        pairs = parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query))
        options = parse({name: _from_text(name, text) for name, text in pairs})
    except (TypeError, ValueError) as error:
        raise ValueError(f"url is {url!r}: {error}") from None
    return Target(split.scheme, unquote(split.hostname or ""), port or port_of(split.scheme), options)


def without(options: Options, names: frozenset[str]) -> Options:
    """The options with some of them taken back."""
    return options._replace(**dict.fromkeys(names))
