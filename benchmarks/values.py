"""Values out of registers, without any socket: scattered tags, arrays, a whole SunSpec inverter.

``python -m benchmarks.decoding values`` prints them. What is compared takes turns, and of each the best of many short
rounds counts, since disturbance only ever adds.
"""

from __future__ import annotations

import importlib.util
import random
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmodbus.plan import ReadPlan
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder, decode, encode

TAGS = 1000
ROUNDS = 200
Words = NDArray[np.uint16]
Ways = dict[str, Callable[[], object]]


def best(ways: Ways, rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds of one call of each."""
    timers = {name: timeit.Timer(way) for name, way in ways.items()}
    numbers = {name: max(1, round(2e-4 / (timer.timeit(3) / 3))) for name, timer in timers.items()}
    taken = {name: float("inf") for name in ways}
    for _ in range(rounds):
        for name, timer in timers.items():
            taken[name] = min(taken[name], timer.timeit(numbers[name]) / numbers[name])
    return {name: seconds * 1e9 for name, seconds in taken.items()}


def _filled(decoder: Decoder, words: Words) -> Words:
    image = decoder.image()
    for read, target in zip(decoder.plan.reads, decoder.targets(image), strict=True):
        target[:] = words[read.address : read.end]
    return image


def scattered() -> Iterator[tuple[str, float]]:
    """f32 tags with registers between them, one row of many into columns; per tag."""
    steps = random.Random(1).choices((2, 3, 4, 5, 10), weights=(8, 3, 3, 3, 1), k=TAGS)
    addresses = np.cumsum(steps) - steps[0]
    words = np.tile(encode(229.8, "f32"), 32768)
    settings: dict[str, dict[str, Any]] = {
        "f32": {},
        "f32, scaled": {"scale": 0.1},
        "f32, with missing values and valid range": {"missing": 0, "valid": (0, 300)},
    }
    ways: Ways = {}
    for name, given in settings.items():
        for order in ("ABCD", "CDAB"):
            decoder = Decoder(ReadPlan([Tag(f"t{at}", f"hr{at}:f32@{order}", **given) for at in addresses]))
            image, table = _filled(decoder, words), decoder.table(64)
            ways[f"{name} @{order}"] = lambda d=decoder, i=image, t=table: d.run(i, t, 7)  # type: ignore[misc]
    passes = [{name: best({name: way})[name] for name, way in ways.items()} for _ in range(5)]
    for name in ways:
        yield f"one of {TAGS} scattered tags into columns, {name}", min(taken[name] for taken in passes) / TAGS


def contiguous(elements: int) -> Iterator[tuple[str, float]]:
    """An array of f32@CDAB from native registers, as numpy's users write it and as fastmodbus does."""
    words = np.random.default_rng(1).integers(0, 16000, 2 * elements).astype(np.uint16)
    kind = f"f32@CDAB[{elements}]"
    ways: Ways = {
        "fastmodbus: decode": lambda: decode(words, kind),
        "numpy: reverse pairs, byteswap, view": lambda: (
            words.reshape(-1, 2)[:, ::-1].astype(">u2").reshape(-1).view(">f4").astype(np.float32)
        ),
        "numpy: view and copy (little-endian hosts only)": lambda: words.view("<f4").copy(),
    }
    results = [np.asarray(way()) for way in ways.values()]
    assert all(np.array_equal(results[0], other) for other in results)
    for name, taken in best(ways).items():
        yield f"{kind}, {name}", taken


def inverter() -> Iterator[tuple[str, float]]:
    """Models 1, 103 and 160 with two modules: every point, scale factors applied; pymodbus leaves these to its user."""
    if not importlib.util.find_spec("sunspec2") or not importlib.util.find_spec("pymodbus"):
        return
    tags, words = _inverter()
    decoder = Decoder(ReadPlan(tags))
    image, table = _filled(decoder, words), decoder.table(64)
    ways: Ways = {
        "fastmodbus: into columns": lambda: decoder.run(image, table, 7),
        "fastmodbus: as Python objects": lambda: decoder.values(image),
        "pymodbus: convert_from_registers": _pymodbus(tags, words),
    }
    for name, taken in best(ways, 50).items():
        yield f"SunSpec inverter, {len(tags)} points, {name}", taken


def _inverter() -> tuple[list[Tag], Words]:
    from fastmodbus.importers import load_sunspec

    spec = importlib.util.find_spec("sunspec2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "models" / "json"
    models = load_sunspec([folder / f"model_{number}.json" for number in (1, 103, 160)], counts={"module": 2})
    tags = list(models)
    words = np.full(65536, 0x2020, np.uint16)
    for tag in tags:
        if tag.name.endswith("_SF"):
            words[tag.address.address] = 0xFFFF
        elif tag.address.kind.kind in ("int", "uint"):
            words[tag.address.address : tag.address.end] = 100
    return tags, words


def _pymodbus(tags: list[Tag], words: Words) -> Callable[[], object]:
    from pymodbus.client.mixin import ModbusClientMixin as Mixin

    names = {"u": "UINT", "i": "INT", "f": "FLOAT"}
    start = tags[0].address.address
    registers = words[start : max(tag.address.end for tag in tags)].tolist()
    points = [
        (tag.address.address - start, tag.address.end - start,
         Mixin.DATATYPE.STRING if tag.address.kind.kind == "str"
         else Mixin.DATATYPE[f"{names[tag.address.type[0]]}{tag.address.kind.bits}"])
        for tag in tags
    ]  # fmt: skip
    convert = Mixin.convert_from_registers
    return lambda: [convert(registers[low:high], kind) for low, high, kind in points]


def rows() -> Iterator[tuple[str, float]]:
    """Everything, name and nanoseconds."""
    yield from scattered()
    for elements in (62, 1000, 10000):
        yield from contiguous(elements)
    yield from inverter()
