"""Recording: values written a second beside pyarrow alone, and the share of a core that a plant takes.

``python -m benchmarks.recording`` prints one line a figure: name, tab, value. CPU time counts, not time on the wall.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import fastmodbus as fm
from fastmodbus.plan import ReadPlan
from fastmodbus.samples import Rows, Samples
from fastmodbus.values import Decoder

from .native import Server

TAGS, ROWS = 600, 12_000
DEVICES, PERIOD, WARM, LONG = 40, 0.1, 5.0, 30.0
CHUNKS = (10, 100, 1000)
REPEATS = 5

Figures = Iterator[tuple[str, float]]


def figures() -> Figures:
    """Everything."""
    yield from throughput()
    yield from plant()


# ------------------------------------------------------------------------------------------------ values a second


def throughput() -> Figures:
    """Million values a second and core: to journals, to Parquet in all, and pyarrow's own writing of the same table.

    What is compared takes turns, and of each the best counts, since disturbance only ever adds.
    """
    rows = _rows()
    table = Samples.of(_part(rows, 0, ROWS))
    chunks = {size: [Samples.of(_part(rows, first, size)) for first in range(0, ROWS, size)] for size in CHUNKS}
    alone = 0.0
    streams, journals, wholes = (dict.fromkeys(CHUNKS, 0.0) for _ in range(3))
    for _ in range(REPEATS):
        alone = max(alone, _pyarrow(table))
        for size in CHUNKS:
            streams[size] = max(streams[size], _stream(chunks[size]))
            journal, whole = _recorded(chunks[size])
            journals[size], wholes[size] = max(journals[size], journal), max(wholes[size], whole)
    yield "pyarrow writing all at once, from memory to Parquet: M values/s", alone
    for size in CHUNKS:
        yield f"chunks of {size} rows, to journals: M values/s", journals[size]
        yield f"chunks of {size} rows, to journals: of pyarrow writing them to a stream", journals[size] / streams[size]
        yield f"chunks of {size} rows, to journals and Parquet: M values/s", wholes[size]
        yield f"chunks of {size} rows, to journals and Parquet: of pyarrow writing all at once", wholes[size] / alone
    yield from _of_one_that_is_off(rows)


def _of_one_that_is_off(rows: Rows) -> Figures:
    rows.statuses[:] = fm.Quality.LINK
    size = CHUNKS[0]
    off = [Samples.of(_part(rows, first, size)) for first in range(0, ROWS, size)]
    journal, whole = (max(rates) for rates in zip(*(_recorded(off) for _ in range(2)), strict=True))
    yield f"chunks of {size} rows of a device that is off, a reason for each value, to journals: M values/s", journal
    yield "the same, to journals and Parquet: M values/s", whole


def _rows() -> Rows:
    """A device that walks at random, half of it f32 and half i16, some scaled."""
    tags = [fm.Tag(f"f{number}", f"hr{2 * number}:f32") for number in range(TAGS // 2)]
    tags += [fm.Tag(f"i{number}", f"hr{TAGS + number}:i16", scale=(1, 0.1)[number % 2]) for number in range(TAGS // 2)]
    decoder = Decoder(ReadPlan(tags))
    walk = np.cumsum(np.random.default_rng(0).integers(-2, 3, (ROWS, TAGS)), axis=0)
    images = np.zeros((ROWS, decoder.registers), np.uint16)
    images[:, :TAGS] = (230 + walk[:, : TAGS // 2] / 64).astype(">f4").view(">u2")
    images[:, TAGS:] = walk[:, TAGS // 2 :].astype(np.int16).view(np.uint16)
    due = np.arange(ROWS) * round(PERIOD * 1e9)
    statuses = np.zeros((ROWS, len(decoder.plan.reads)), np.uint8)
    times = np.repeat(due[:, None] + 1, len(decoder.plan.reads), axis=1)
    return Rows(decoder, due, images, statuses, times, times, 0, 1_790_000_000_000_000_000, PERIOD, "device", "group")


def _part(rows: Rows, first: int, size: int) -> Rows:
    at = slice(first, first + size)
    return Rows(rows.decoder, rows.due[at], rows.images[at], rows.statuses[at], rows.sent[at], rows.received[at], first,
                rows.anchor, rows.period, rows.device, rows.group)  # fmt: skip


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def _pyarrow(samples: Samples) -> float:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(dict(samples))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        taken = _cpu(lambda: parquet.write_table(table, path, compression="zstd"))
    return ROWS * TAGS / taken / 1e6


def _stream(chunks: list[Samples]) -> float:
    """The same chunks in an Arrow stream, as one writes it: no checksums, no reasons."""
    import pyarrow as pa

    def write() -> None:
        with pa.OSFile(str(Path(folder) / "stream"), "wb") as file:
            schema = pa.record_batch(dict(chunks[0])).schema
            with pa.ipc.new_stream(file, schema) as stream:
                for chunk in chunks:
                    stream.write_batch(pa.record_batch(dict(chunk), schema=schema))

    with tempfile.TemporaryDirectory() as folder:
        return ROWS * TAGS / _cpu(write) / 1e6


def _recorded(chunks: list[Samples]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = fm.Recorder(folder)
        journal = _cpu(lambda: [recorder.write(chunk) for chunk in chunks])
        rotation = _cpu(recorder.close)
    return ROWS * TAGS / journal / 1e6, ROWS * TAGS / (journal + rotation) / 1e6


# ------------------------------------------------------------------------------------------------ a plant


def plant() -> Figures:
    """40 devices of 600 tags at 10 Hz, polled and recorded: CPU and memory of the process that does both."""
    tags = {f"t{number}": f"hr{2 * number}:f32" for number in range(TAGS)}
    with Server() as server, tempfile.TemporaryDirectory() as folder, fm.Poller() as poller:
        for number in range(DEVICES):
            poller.add(fm.Client(server.host, server.port, name=f"device{number:02}"), tags, every=PERIOD)
        with fm.Recording(poller, folder) as recording:
            time.sleep(WARM)
            rows, memory, began = recording.stats.rows, _memory(), time.process_time()
            time.sleep(LONG)
            cpu, grown = time.process_time() - began, _memory() - memory
            seen = recording.stats.rows - rows
        missed = sum(one.missed for one in poller.stats.values())
    yield f"{DEVICES} devices of {TAGS} tags at {1 / PERIOD:g} Hz, polled and recorded: % of a core", 100 * cpu / LONG
    yield "the same: rows a second", seen / LONG
    yield "the same: rows missed", missed
    yield f"the same: MiB that it grew in {LONG:g} s", grown / 1024


def _memory() -> float:
    """KiB in use at most so far."""
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    """Print everything."""
    for name, value in figures():
        print(f"{name}\t{value:.3g}", flush=True)


if __name__ == "__main__":
    main()
