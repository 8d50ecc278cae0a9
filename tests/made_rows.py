"""Rows as a poller makes them, of a device whose registers the test knows: for tests of what comes after polling."""

import numpy as np

from fastmodbus.plan import ReadPlan
from fastmodbus.samples import Rows, Samples
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder

ANCHOR = 1_790_000_000_000_000_000  # 2026-09-21T14:13:20Z
TAGS = (
    Tag("voltage", "hr0:f32", units="V", description="phase 1"),
    Tag("power", "hr2:i16", units="W", scale=0.1),
    Tag("energy", "hr3:u32", units="Wh", missing=[0xFFFFFFFF], valid=[0, 4_000_000_000]),
    Tag("state", "hr5", labels={0: "off", 1: "on", 7: "fault"}),
    Tag("alarms", "hr6", bits={0: "door", 3: "fire"}),
    Tag("cells", "hr7:i16[3]", units="mV"),
    Tag("serial", "hr10:str6"),
    Tag("big", "hr13:u64"),
    Tag("pump", "co4"),
    Tag("valves", "co5[4]"),
)  # fmt: skip


def registers(row):
    """What the device has at a row, by area: 32 holding registers, 16 coils."""
    holding = np.zeros(32, np.uint16)
    holding[0:2] = np.array([np.float32(230 + row / 4)], ">f4").view(">u2")
    holding[2] = np.int16(137 - row).astype(np.uint16)
    holding[3:5] = divmod(100_000 + row, 65536)
    holding[5], holding[6] = (0, 1, 7)[row % 3], row % 16
    holding[7:10] = [row, row + 1, row + 2]
    holding[10:13] = np.frombuffer(f"No{row % 100:02}".encode().ljust(6, b"\0"), ">u2")
    holding[13:17] = np.array([2**63 + row], ">u8").view(">u2")
    coils = np.arange(16) % 3 == row % 3
    return {"hr": holding, "co": coils}


def made_rows(
    count, *, first=0, tags=TAGS, failed=None, device="meter", group="fast", period=0.1, anchor=ANCHOR, start=0,
    keys=None, contents=registers, decoder=None, due=None,
):  # fmt: skip
    """Rows number ``first`` on; ``failed`` maps (row, read) or row to the quality of what did not come."""
    decoder = decoder or Decoder(ReadPlan(tags))
    reads = decoder.plan.reads
    images = np.zeros((count, decoder.registers + 3), np.uint16)
    statuses = np.zeros((count, len(reads)), np.uint8)
    for number, quality in (failed or {}).items():
        row, read = number if isinstance(number, tuple) else (number, slice(None))
        statuses[row - first, read] = quality
    for index in range(count):
        tables = contents(first + index)
        image = images[index, : decoder.registers]
        for read, target in zip(reads, decoder.targets(image), strict=True):
            target[:] = tables[read.area][read.address : read.end]
    if due is None:
        due = start + np.arange(first, first + count) * round(period * 1e9)
    due = np.array(due, np.int64)
    sent = np.where(statuses == 0, due[:, None] + 1_000 * np.arange(1, len(reads) + 1), 0)
    received = np.where(statuses == 0, sent + 5_000_000, 0)
    return Rows(decoder, due, images, statuses, sent, received, first, anchor, period, device, group, keys)


def made(count, **how):
    """The same, decoded."""
    return Samples.of(made_rows(count, **how))
