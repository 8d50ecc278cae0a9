"""Tag addresses in text: the one place that knows the grammar ``[unit/]area address[.bit][:type[@ORDER]][[n]]``.

Pure values, no I/O. Whoever turns text into an address, a value type or a range of addresses comes here; nobody else
takes such text apart.
"""

from .grammar import AREAS, BIT_AREAS, Address, AddressRange, looks_like_address, looks_like_range
from .types import DEVICE_ORDERS, REGISTER, ValueType, did_you_mean, parse_type, value_order, value_type

__all__ = [
    "AREAS",
    "BIT_AREAS",
    "DEVICE_ORDERS",
    "REGISTER",
    "Address",
    "AddressRange",
    "ValueType",
    "did_you_mean",
    "looks_like_address",
    "looks_like_range",
    "parse_type",
    "value_order",
    "value_type",
]
