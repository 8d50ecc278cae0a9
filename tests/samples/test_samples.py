"""Samples themselves: values, qualities and times of decoded rows, parts and sums of them, what they look like."""

import pickle
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.plan import ReadPlan
from fastmodbus.quality import Quality
from fastmodbus.samples import Samples
from fastmodbus.tags import Tag
from fastmodbus.values import Decoder
from made_rows import ANCHOR, TAGS, made, made_rows


def test_every_column_has_its_dtype_and_values():
    run = made(4)
    assert list(run) == ["time", *(tag.name for tag in TAGS)]
    assert {name: array.dtype.str[1:] for name, array in run.items()} == {
        "time": "M8[ns]", "voltage": "f4", "power": "f8", "energy": "f8", "state": "u2", "alarms": "u2", "cells": "f8",
        "serial": "U6", "big": "f8", "pump": "b1", "valves": "b1",
    }  # fmt: skip
    assert run["voltage"].tolist() == [230.0, 230.25, 230.5, 230.75]
    assert run["power"].tolist() == [13.7, 13.6, 13.5, 13.4], "divided by ten, not multiplied by a tenth"
    assert run["state"].tolist() == [0, 1, 7, 0]
    assert run["cells"].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert run["serial"].tolist() == ["No00", "No01", "No02", "No03"]
    assert run["pump"].tolist() == [False, True, False, False]
    assert run["valves"].shape == (4, 4)
    assert run.raw["big"].tolist() == [2**63 + row for row in range(4)]
    assert run.raw["power"].tolist() == [137, 136, 135, 134]
    assert all(array.flags.c_contiguous for array in run.values())


def test_what_is_said_about_the_rows():
    run = made(4, first=17)
    assert (run.device, run.group, run.period, run.rows, run.first_row) == ("meter", "fast", 0.1, 4, 17)
    assert run.row.tolist() == [17, 18, 19, 20]
    assert run.t.tolist() == pytest.approx([1.7, 1.8, 1.9, 2.0])
    assert run["time"].view(np.int64).tolist() == [ANCHOR + row * 100_000_000 for row in range(17, 21)]
    assert run.meta["voltage"].units == "V"
    assert run.meta["voltage"].description == "phase 1"
    assert str(run.meta["energy"].address) == "hr3:u32"
    assert len(run) == len(TAGS) + 1
    assert set(run.raw) == set(run.ok) == set(run.quality) == set(run.meta) == {tag.name for tag in TAGS}


def test_what_did_not_come_says_why():
    run = made(3, failed={1: Quality.TIMEOUT, (2, 0): 0x82})
    coils = run.meta["pump"].address.area == "co"
    assert coils
    assert run.quality["pump"].tolist() == [0, Quality.TIMEOUT, 0x82]
    assert run.quality["voltage"].tolist() == [0, Quality.TIMEOUT, 0]
    assert run.ok["voltage"].tolist() == [True, False, True]
    assert np.isnan(run["voltage"]).tolist() == [False, True, False]
    assert (run["state"][1], run["serial"][1], run["pump"][1], run.raw["energy"][1]) == (0, "", False, 0)
    assert run.quality["valves"][1].tolist() == [Quality.TIMEOUT] * 4
    assert np.isnat(run.sent["voltage"]).tolist() == [False, True, False]
    assert np.isnat(run.received["voltage"]).tolist() == [False, True, False]


def test_values_that_are_none_say_so():
    def contents(row):
        words = np.zeros(32, np.uint16)
        words[3:5] = [0xFFFF, 0xFFFF] if row == 0 else [0xFFFF, 0]
        return {"hr": words, "co": np.zeros(16, bool)}

    run = made(2, contents=contents)
    assert run.quality["energy"].tolist() == [Quality.MISSING, Quality.RANGE]
    assert np.isnan(run["energy"]).all()


def test_when_requests_went_and_answers_came():
    run = made(2)
    assert (run.received["voltage"] - run.sent["voltage"]).tolist() == [5_000_000] * 2
    assert (run.sent["pump"] - run["time"]).tolist() == [1000] * 2
    assert (run.sent["voltage"] - run["time"]).tolist() == [2000] * 2
    assert run.stats.round_trip.median == 0.005
    assert run.stats.lateness.max == 1e-6


def test_an_array_of_several_requests_has_come_when_all_have():
    plan = ReadPlan([Tag("long", "hr0[20]")], max_registers=8)
    rows = made_rows(2, decoder=Decoder(plan), failed={(1, 2): Quality.LINK})
    run = Samples.of(rows)
    assert len(plan.reads) == 3
    assert run.received["long"][0] - run["time"][0] == np.timedelta64(3_000 + 5_000_000, "ns")
    assert np.isnat(run.received["long"][1])
    assert run.sent["long"][1] - run["time"][1] == np.timedelta64(1_000, "ns")
    assert run.quality["long"][1].tolist() == [0] * 16 + [Quality.LINK] * 4


def test_statistics_count_qualities():
    run = made(10, failed={3: Quality.TIMEOUT})
    elements = 8 + 3 + 4
    assert run.stats.rows == 10
    assert run.stats.values == 10 * elements
    assert run.stats.good == 9 * elements
    assert run.stats.qualities == {Quality.GOOD: 9 * elements, Quality.TIMEOUT: elements}
    assert run.stats.dropped == 0
    assert fm.concat([made(2), made(3, first=7)]).stats.dropped == 5


def test_columns_may_have_other_names_and_be_fewer():
    run = made(2, keys={"p": 1, "copy of p": 1})
    assert list(run) == ["time", "p", "copy of p"]
    assert run["p"].tolist() == run["copy of p"].tolist() == [13.7, 13.6]
    assert run.meta["p"].name == "p"
    with pytest.raises(fm.MapError, match="already"):
        made(2, keys={"_quality": 1})


def test_no_rows_are_samples_too():
    run = made(0)
    assert run.rows == run.first_row == 0
    assert run["cells"].shape == (0, 3)
    assert {name: array.dtype for name, array in run.items()} == {name: array.dtype for name, array in made(1).items()}
    assert run.stats.values == 0
    assert "0 rows of 10 tags" in repr(run)
    assert fm.concat([run, made(2)])["cells"].shape == (2, 3)


def test_a_plan_without_reads_gives_rows_without_values():
    plan = ReadPlan([Tag("gone", "hr0")]).hole("gone")
    run = Samples.of(made_rows(2, decoder=Decoder(plan)))
    assert run.quality["gone"].tolist() == [Quality.SUSPENDED] * 2
    assert np.isnat(run.sent["gone"]).all()


# ------------------------------------------------------------------------------------------------ parts and sums


@pytest.mark.parametrize("index", [slice(2, 5), slice(None, None, 3), [4, 1], np.arange(10) > 7, 3, -1, []])
def test_isel_takes_rows(index):
    run = made(10, failed={4: Quality.LINK}, first=3)
    part = run.isel(index)
    rows = np.atleast_1d(np.arange(10)[index])
    assert part.row.tolist() == (rows + 3).tolist()
    for name, array in run.items():
        np.testing.assert_array_equal(part[name], array[rows])
    for name in run.raw:
        np.testing.assert_array_equal(part.raw[name], run.raw[name][rows])
        np.testing.assert_array_equal(part.quality[name], run.quality[name][rows])
        np.testing.assert_array_equal(part.received[name], run.received[name][rows])
    assert part.meta["voltage"] is run.meta["voltage"]


def test_sel_takes_a_time_from_start_to_before_stop():
    run = made(10)
    start = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert run.sel(start, start + timedelta(seconds=0.3)).row.tolist() == [0, 1, 2]
    assert run.sel(stop="2026-09-21T14:13:20.1").row.tolist() == [0]
    assert run.sel("2026-09-21T16:13:20.8+02:00").row.tolist() == [8, 9]
    assert run.sel(run["time"][4], run["time"][5]).row.tolist() == [4]
    assert fm.concat([run.sel(stop=run["time"][6]), run.sel(run["time"][6])]).rows == run.rows
    with pytest.raises(ValueError, match="start is 'noon'"):
        run.sel("noon")
    with pytest.raises(TypeError, match="stop is 3"):
        run.sel(stop=3)
    assert run.sel(datetime(2026, 9, 21, 14, 13, 20, 900_000)).row.tolist() == [9]


def test_concat_joins_chunks():
    whole, parts = made(9, failed={5: 1}), [made(4), made(5, first=4, failed={5: 1})]
    joined = fm.concat(parts)
    assert joined.row.tolist() == whole.row.tolist()
    for name, array in whole.items():
        np.testing.assert_array_equal(joined[name], array)
    for name in whole.raw:
        np.testing.assert_array_equal(joined.raw[name], whole.raw[name])
        np.testing.assert_array_equal(joined.quality[name], whole.quality[name])
        np.testing.assert_array_equal(joined.sent[name], whole.sent[name])


def test_concat_joins_generations_of_a_plan():
    plan = ReadPlan(TAGS)
    finer = plan.split(plan.reads[-1])
    assert len(finer.reads) > len(plan.reads)
    parts = [Samples.of(made_rows(2, first=2 * n, decoder=Decoder(one))) for n, one in enumerate([plan, finer])]
    joined = fm.concat(parts)
    for name in joined.sent:
        np.testing.assert_array_equal(joined.sent[name], np.concatenate([part.sent[name] for part in parts]))
    assert joined["voltage"].tolist() == made(4)["voltage"].tolist()


def test_concat_says_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one"):
        fm.concat([])
    with pytest.raises(ValueError, match="device is 'meter' in one and 'other' in another"):
        fm.concat([made(1), made(1, device="other")])
    with pytest.raises(ValueError, match="columns differ in power"):
        fm.concat([made(1, tags=TAGS[:3]), made(1, tags=[TAGS[0], TAGS[1].replace(scale=2), TAGS[2]])])


# ------------------------------------------------------------------------------------------------ as an object


def test_samples_do_not_change():
    run = made(2)
    for change in (
        lambda: run.update(x=1),
        lambda: run.__setitem__("x", 1),
        lambda: run.pop("time"),
        run.clear,
        lambda: run.setdefault("x", 1),
    ):
        with pytest.raises(TypeError, match="dict\\(samples\\)"):
            change()
    assert dict(run)["power"] is run["power"]
    assert run != made(2)
    assert len({run, run}) == 1


def test_arrays_are_the_samples_own():
    rows = made_rows(3)
    run = Samples.of(rows)
    rows.images[:] = 0
    rows.due[:] = 0
    rows.received[:] = 0
    assert run["power"].tolist() == [13.7, 13.6, 13.5]
    assert run.t.tolist() == pytest.approx([0, 0.1, 0.2])
    assert not np.isnat(run.received["power"]).any()


def test_samples_pickle():
    run = made(3, failed={1: Quality.LINK})
    again = pickle.loads(pickle.dumps(run))
    assert (again.device, again.period, again.row.tolist()) == ("meter", 0.1, [0, 1, 2])
    np.testing.assert_array_equal(again["voltage"], run["voltage"])
    np.testing.assert_array_equal(again.received["pump"], run.received["pump"])
    assert again.meta["state"] == run.meta["state"]
    assert fm.concat([run, again]).rows == 6


def test_the_repr_shows_ends_labels_units_and_reasons():
    text = repr(made(20, failed={1: Quality.TIMEOUT}))
    lines = text.splitlines()
    assert lines[0] == "<Samples: 20 rows of 10 tags, device 'meter', group 'fast', every 0.1 s, TIMEOUT 15>"
    assert "voltage [V]" in lines[1]
    assert "cells[0] [mV]" in lines[1]
    assert "2026-09-21T14:13:20.000" in lines[2]
    assert lines[3].count("TIMEOUT") == 8
    assert "fault" in lines[4]
    assert len(lines) == 2 + 4 + 1 + 4
    assert len({len(line) for line in lines[1:]}) == 1


def test_the_html_is_a_table():
    html = made(2, tags=[Tag("a<b", "hr0", units="°C")])._repr_html_()
    assert html.startswith("<table><caption>2 rows of 1 tag")
    assert "<th>a&lt;b [°C]</th>" in html
    assert html.count("<tr>") == 3
