"""fastmodbus: a pipelined Modbus client that fills numpy arrays. Public names, loaded when they are first used."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Address": "address",
    "AsyncClient": "aio",
    "Client": "client",
    "Limits": "maps",
    "Map": "maps",
    "MapError": "errors",
    "Plant": "maps",
    "Quality": "quality",
    "ReadPlan": "plan",
    "RecordStats": "recorder",
    "Recorder": "recorder",
    "RecorderError": "errors",
    "Samples": "samples",
    "Tag": "tags",
    "decode": "values",
    "encode": "values",
    "load": "recorder",
    "load_map": "maps",
    "load_plant": "maps",
    "open_plant": "plant",
    "OpenPlant": "plant",
    "to_xarray": "samples",
    "concat": "samples",
    "connect": "client",
    "connect_async": "aio",
    "Simulator": "simulator",
    "Statistics": "statistics",
    "DeviceIdentification": "calls",
    "CommEventCounter": "calls",
    "CommEventLog": "calls",
    "FunctionCode": "spec",
    "ExceptionCode": "spec",
    "ModbusError": "errors",
    "DeviceError": "errors",
    "IllegalFunction": "errors",
    "IllegalDataAddress": "errors",
    "IllegalDataValue": "errors",
    "DeviceFailure": "errors",
    "Acknowledge": "errors",
    "DeviceBusy": "errors",
    "MemoryParityError": "errors",
    "GatewayPathUnavailable": "errors",
    "GatewayTargetFailed": "errors",
    "ProtocolError": "errors",
    "RequestTimeout": "errors",
    "Overrun": "errors",
    "Poller": "poller",
    "PollStatistics": "poller",
    "ConnectionFailed": "errors",
    "ClientClosed": "errors",
    "ForkedClient": "errors",
    "WrongEventLoop": "errors",
}
_MODULES = ("sunspec",)
__all__ = [
    "Acknowledge",
    "Address",
    "AsyncClient",
    "Client",
    "ClientClosed",
    "CommEventCounter",
    "CommEventLog",
    "ConnectionFailed",
    "DeviceBusy",
    "DeviceError",
    "DeviceFailure",
    "DeviceIdentification",
    "ExceptionCode",
    "ForkedClient",
    "FunctionCode",
    "GatewayPathUnavailable",
    "GatewayTargetFailed",
    "IllegalDataAddress",
    "IllegalDataValue",
    "IllegalFunction",
    "Limits",
    "Map",
    "MapError",
    "MemoryParityError",
    "ModbusError",
    "OpenPlant",
    "Overrun",
    "Plant",
    "PollStatistics",
    "Poller",
    "ProtocolError",
    "Quality",
    "ReadPlan",
    "RecordStats",
    "Recorder",
    "RecorderError",
    "RequestTimeout",
    "Samples",
    "Simulator",
    "Statistics",
    "Tag",
    "WrongEventLoop",
    "concat",
    "connect",
    "connect_async",
    "decode",
    "encode",
    "load",
    "load_map",
    "load_plant",
    "open_plant",
    "sunspec",
    "to_xarray",
]

if TYPE_CHECKING:
    from . import sunspec
    from .address import Address
    from .aio import AsyncClient, connect_async
    from .calls import CommEventCounter, CommEventLog, DeviceIdentification
    from .client import Client, connect
    from .errors import (
        Acknowledge,
        ClientClosed,
        ConnectionFailed,
        DeviceBusy,
        DeviceError,
        DeviceFailure,
        ForkedClient,
        GatewayPathUnavailable,
        GatewayTargetFailed,
        IllegalDataAddress,
        IllegalDataValue,
        IllegalFunction,
        MapError,
        MemoryParityError,
        ModbusError,
        Overrun,
        ProtocolError,
        RecorderError,
        RequestTimeout,
        WrongEventLoop,
    )
    from .maps import Limits, Map, Plant, load_map, load_plant
    from .plan import ReadPlan
    from .plant import OpenPlant, open_plant
    from .poller import Poller, PollStatistics
    from .quality import Quality
    from .recorder import Recorder, RecordStats, load
    from .samples import Samples, concat, to_xarray
    from .simulator import Simulator
    from .spec import ExceptionCode, FunctionCode
    from .statistics import Statistics
    from .tags import Tag
    from .values import decode, encode


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module 'fastmodbus' has no attribute {name!r}")
    value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_MODULES})
