"""Stands in for msgspec on a free-threaded CPython 3.13, where msgspec refuses to be built: it needs 3.14 for that.

Enough for the modules that define file formats to be imported, and for clients and the simulator without files. Nothing
is read or validated: what needs that fails for want of `convert` or `json`.
"""

import copy
import dataclasses
import inspect
from types import SimpleNamespace
from typing import Any, dataclass_transform


@dataclass_transform()
class Struct:
    def __init_subclass__(cls, **options: Any) -> None:
        for name in inspect.get_annotations(cls):
            default = cls.__dict__.get(name)
            if isinstance(default, list | dict | set):
                setattr(cls, name, dataclasses.field(default_factory=lambda default=default: copy.copy(default)))
        how = {option: options.get(option, False) for option in ("frozen", "kw_only")}
        dataclasses.dataclass(**how)(cls)


class Meta:
    def __init__(self, **limits: Any) -> None:
        """Nothing is validated."""


def field(*, name: str = "", **given: Any) -> Any:
    """Its name in a file does not matter."""
    return dataclasses.field(**given)


class MsgspecError(Exception):
    pass


class DecodeError(MsgspecError):
    pass


class ValidationError(DecodeError):
    pass


structs = SimpleNamespace(replace=dataclasses.replace, asdict=dataclasses.asdict)
