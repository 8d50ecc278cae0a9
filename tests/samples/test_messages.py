"""Messages of a stream, made and read many at a time: as Arrow makes and reads each, to the byte."""

import numpy as np
import pytest

from fastmodbus.quality import Quality
from fastmodbus.tags import Tag
from made_rows import TAGS, made, registers

pa = pytest.importorskip("pyarrow")

from fastmodbus.samples import messages as samples_messages  # noqa: E402
from fastmodbus.samples.arrow import schema_of, to_batch  # noqa: E402
from fastmodbus.samples.messages import merged, message_of  # noqa: E402

WITHOUT_TEXT = tuple(tag for tag in TAGS if tag.name != "serial")
WIDE = tuple(
    Tag(f"t{number}", f"hr{100 + 2 * number}:{('f32', 'i16', 'i16', 'u32')[number % 4]}") for number in range(40)
)


def many_registers(row):
    """More of them: enough for the wide ones."""
    few = registers(row)
    return few | {"hr": np.concatenate([few["hr"], np.arange(32, 200, dtype=np.uint16) * 331 + np.uint16(row)])}


@pytest.mark.parametrize("tags", [WITHOUT_TEXT, TAGS, WITHOUT_TEXT[:1], [WITHOUT_TEXT[-1]], WIDE, WIDE + TAGS], ids=len)
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 10, 65])
def test_a_message_is_what_arrow_makes(rows, tags):
    schema = schema_of(made(1, tags=tags, contents=many_registers))
    for first in (0, 0, 100, 1000):
        samples = made(rows, first=first, tags=tags, contents=many_registers)
        assert bytes(message_of(samples, schema)) == bytes(to_batch(samples, schema).serialize())
    template = samples.layout.exports["messages"][rows]
    assert (template is None) == ("serial" in samples)  # text is left to Arrow, all else is copied


def test_rows_that_are_not_all_good_are_left_to_arrow():
    schema = schema_of(made(1, tags=WITHOUT_TEXT))
    for failed in ({}, {3: Quality.TIMEOUT}, {}, {0: Quality.LINK, 9: Quality.LINK}):
        samples = made(10, tags=WITHOUT_TEXT, failed=failed)
        assert bytes(message_of(samples, schema)) == bytes(to_batch(samples, schema).serialize())


def test_samples_that_were_cut_are_left_to_arrow():
    schema, samples = schema_of(made(1, tags=WITHOUT_TEXT)), made(10, tags=WITHOUT_TEXT)
    message_of(samples.isel(slice(0, 10)), schema)
    message_of(samples, schema)
    part = samples.isel(slice(2, 7))
    assert bytes(message_of(part, schema)) == bytes(to_batch(part, schema).serialize())


@pytest.mark.parametrize("tags", [WITHOUT_TEXT, TAGS], ids=len)
@pytest.mark.parametrize("rows", [1, 3, 10])
def test_messages_that_are_alike_are_read_as_one(rows, tags):
    schema = schema_of(made(1, tags=tags))
    parts = [made(rows, first=rows * number, tags=tags) for number in range(20)]
    messages = np.stack([np.frombuffer(message_of(part, schema), np.uint8) for part in parts])
    found = list(merged(messages, schema, 8 * rows))
    assert [batch.num_rows for batch in found] == ([8 * rows] * 2 + [4 * rows] if tags is WITHOUT_TEXT else [rows] * 20)
    assert pa.Table.from_batches(found) == pa.Table.from_batches([to_batch(part, schema) for part in parts])


def test_a_message_with_reasons_is_read_alone():
    schema = schema_of(made(1, tags=WITHOUT_TEXT))
    whole = [made(10, first=10 * number, tags=WITHOUT_TEXT) for number in range(3)]
    poor = made(10, first=30, tags=WITHOUT_TEXT, failed={31: Quality.TIMEOUT})
    sizes = [np.frombuffer(message_of(part, schema), np.uint8) for part in (*whole, poor)]
    room = max(map(len, sizes))
    messages = np.stack([np.pad(one, (0, room - len(one))) for one in sizes])
    batch, last = merged(messages, schema, 1000)
    assert batch.num_rows == 30
    assert last == to_batch(poor, schema)


@pytest.mark.parametrize("failed", [Quality.LINK, None], ids=["lost", "good"])
def test_no_message_is_compared_twice(failed, monkeypatch):
    """A device that is off for a day makes very many, all alike, that cannot be put together."""
    compared = 0

    def counted(messages):
        nonlocal compared
        found = alike(messages)
        compared += found
        return found

    alike = samples_messages._alike
    monkeypatch.setattr(samples_messages, "_alike", counted)
    schema = schema_of(made(1, tags=WITHOUT_TEXT))
    lost = {} if failed is None else {0: failed, 1: failed}
    one = np.frombuffer(message_of(made(2, tags=WITHOUT_TEXT, failed=lost), schema), np.uint8)
    found = list(merged(np.stack([one] * 500), schema, 100))
    assert sum(batch.num_rows for batch in found) == 1000
    assert len(found) == (10 if failed is None else 500)
    assert compared == (500 if failed is None else 0)
