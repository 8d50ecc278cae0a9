"""Reading by name beside its own raw reads, and maps and plans of a thousand tags.

``python -m benchmarks.named HOST PORT ROUNDS`` prints a line per figure: name, tab, the rounds' values in µs.
What is compared takes turns, call by call, so that a disturbance of the machine meets both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fastmodbus as fm
from fastmodbus._core.batch import image_batch
from fastmodbus.plan import ReadPlan

from .scattered import ADDRESSES

TAGS = 1000
CALLS = 200
"""Of each in a round."""
IN_FLIGHT = 16


def _microseconds(do: Callable[[], object], clock: Callable[[], int] = time.perf_counter_ns) -> float:
    start = clock()
    do()
    return (clock() - start) / 1e3


def reading(host: str, port: int, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """``client.read`` of 600 tags again and again, and the same requests as one batch without names."""
    tags = [f"hr{address}" for address in ADDRESSES]
    with fm.Client(host, port, in_flight=IN_FLIGHT) as client:
        first = client.read(tags)
        selection = client._settings.names(client.unit).selection(tags)
        image = selection.decoder.image()

        def raw() -> None:
            batch = client._default.limit(image_batch(selection.requests, image))
            client._link.run(batch)
            assert batch.ok()

        found: dict[str, list[float]] = {"raw": [], "read": []}
        for _ in range(rounds):
            times = [(_microseconds(raw), _microseconds(lambda: client.read(tags))) for _ in range(CALLS)]
            for name, taken in zip(found, zip(*times, strict=True), strict=True):
                found[name].append(sum(sorted(taken)[: CALLS // 2]) / (CALLS // 2))
        assert client.read(tags) == first
    yield from found.items()


def describing(rounds: int) -> Iterator[tuple[str, list[float]]]:
    """A map of 1000 tags, as TOML: to load it, and to plan its reads. Both only compute: it is CPU time that counts."""
    head = 'format = "fastmodbus-map/1"\n[groups]\nfast = "1s"\n'
    tag = '[[tag]]\nname = "t{}"\naddress = "hr{}:f32"\nunits = "V"\nscale = 0.1\ngroup = "fast"\nvalid = [0, 300]\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.toml"
        path.write_text(head + "".join(tag.format(number, 3 * number) for number in range(TAGS)))
        fm.load_map(path)
        yield "load a map", [_microseconds(lambda: fm.load_map(path), time.process_time_ns) for _ in range(rounds)]
        tags = fm.load_map(path).tags
        yield "plan its reads", [_microseconds(lambda: ReadPlan(tags), time.process_time_ns) for _ in range(rounds)]


def main(host: str, port: int, rounds: int) -> None:
    """Print the figures."""
    for name, taken in (*reading(host, port, rounds), *describing(rounds)):
        print(name, *(f"{one:.1f}" for one in taken), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
