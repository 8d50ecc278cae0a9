"""What other libraries make of Samples: pandas, polars, pyarrow, DuckDB, xarray, files."""

import csv
import math

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.quality import Quality
from fastmodbus.samples.arrow import about_of, from_table
from fastmodbus.tags import Tag
from made_rows import TAGS, made

duckdb = pytest.importorskip("duckdb")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
xr = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")

FLAT = [tag for tag in TAGS if tag.address.count is None]


def flawed(count=6, first=0, **how):
    """Rows of which one did not come and one came in part."""
    return made(count, first=first, failed={first + 1: Quality.TIMEOUT, (first + 3, 0): Quality.LINK}, **how)


# ------------------------------------------------------------------------------------------------ taken as they are


def test_pandas_takes_them_as_they_are():
    frame = pd.DataFrame(flawed(tags=FLAT))
    assert list(frame) == ["time", *(tag.name for tag in FLAT)]
    assert frame["power"].isna().tolist() == [False, True, False, False, False, False]


def test_polars_takes_them_as_they_are():
    frame = pl.DataFrame(flawed())
    assert frame.columns == ["time", *(tag.name for tag in TAGS)]
    assert frame["cells"].to_list()[0] == [0, 1, 2]


def test_pyarrow_takes_them_as_they_are():
    table = pa.table(flawed(tags=FLAT))
    assert table.column("power").to_pylist()[0] == 13.7


def test_duckdb_takes_them_as_they_are():
    run = flawed(tags=FLAT)  # noqa: F841  # DuckDB finds it by its name
    assert duckdb.sql("select count(*), max(voltage) from run where not isnan(power)").fetchall() == [(5, 231.25)]


def test_streams_of_arrow_have_real_nulls():
    run = flawed()
    frame = pl.from_arrow(pa.RecordBatchReader.from_stream(run).read_all())
    assert frame["big"].dtype == pl.UInt64
    assert frame["big"].to_list()[:3] == [2**63, None, 2**63 + 2]
    stream = pa.RecordBatchReader.from_stream(run)  # noqa: F841
    assert duckdb.sql("select count(energy), max(big) from stream").fetchall() == [(5, 2**63 + 5)]


# ------------------------------------------------------------------------------------------------ Arrow


def test_arrow_has_integers_nulls_and_what_is_known():
    batch = flawed().to_arrow()
    assert [str(field.type) for field in batch.schema][:5] == [
        "timestamp[ns, tz=UTC]",
        "float",
        "double",
        "uint32",
        "uint16",
    ]
    assert str(batch.schema.field("cells").type) == "fixed_size_list<element: int16>[3]".replace("element", "item")
    assert batch.column("state").to_pylist() == [0, None, 7, 0, 1, 7]
    assert batch.column("cells").to_pylist()[:2] == [[0, 1, 2], [None] * 3]
    assert batch.column("serial").to_pylist()[:2] == ["No00", None]
    assert batch.column("pump").to_pylist()[1] is None
    assert batch.column("_row").to_pylist() == list(range(6))
    assert batch.schema.field("voltage").metadata == {
        b"address": b"hr0:f32",
        b"units": b"V",
        b"description": b"phase 1",
    }
    about = about_of(batch.schema)
    assert (about["format"], about["device"], about["group"]) == ("fastmodbus-samples/1", "meter", "fast")
    assert about["plan"] == ["1/co4-8", "1/hr0-16"]


def test_reasons_are_in_one_column():
    quality = flawed().to_arrow().column("_quality").to_pylist()
    assert quality[0] is None
    assert quality[2] is None
    assert dict(quality[1])["voltage"] == Quality.TIMEOUT
    assert dict(quality[1])["cells[2]"] == Quality.TIMEOUT
    assert dict(quality[3]) == dict.fromkeys(["pump", "valves[0]", "valves[1]", "valves[2]", "valves[3]"], Quality.LINK)
    assert made(2).to_arrow().column("_quality").null_count == 2


def same(one, other):
    assert (one.device, one.group, one.period) == (other.device, other.group, other.period)
    assert list(one.meta.values()) == list(other.meta.values())
    np.testing.assert_array_equal(one.row, other.row)
    np.testing.assert_array_equal(one.t, other.t)
    for name in one:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(one[name], other[name])
    for name in one.quality:
        np.testing.assert_array_equal(one.quality[name], other.quality[name])


@pytest.mark.parametrize(
    "run", [flawed(), made(3), made(0), flawed(first=40)], ids=["flawed", "good", "empty", "later"]
)
def test_arrow_and_back(run):
    again = from_table(pa.Table.from_batches([run.to_arrow()]))
    same(run, again)
    assert again.raw["big"].tolist() == run.raw["big"].tolist()
    assert again.raw["cells"].tolist() == run.raw["cells"].tolist()
    assert np.isnat(again.received["power"]).all()
    with pytest.raises(KeyError, match="power"):
        again.raw["power"]
    same(fm.concat([run, again]).isel(slice(0, run.rows)), run)


def test_some_of_the_columns_come_back_with_their_own_reasons():
    run = flawed(keys={"p": 1, "pump": 8, "copy": 1, "cells": 5})
    assert run.qualities == {Quality.GOOD: 6 * 6 - 7, Quality.TIMEOUT: 6, Quality.LINK: 1}
    again = from_table(pa.Table.from_batches([run.to_arrow()]))
    same(again, run)
    assert again.qualities == run.qualities
    only = flawed(keys={"big": 7})
    assert dict(only.to_arrow().column("_quality").to_pylist()[1]) == {"big": Quality.TIMEOUT}


def test_several_batches_and_slices_come_back():
    run = flawed(12)
    batches = [run.isel(slice(0, 5)).to_arrow(), run.isel(slice(5, None)).to_arrow().cast(run.to_arrow().schema)]
    table = pa.Table.from_batches([batches[0], batches[1].replace_schema_metadata(batches[0].schema.metadata)])
    same(from_table(table), run)
    same(from_table(table.slice(2, 7)), run.isel(slice(2, 9)))


def test_what_is_read_once_comes_back():
    run = made(1, period=math.inf, due=[7])
    same(from_table(pa.Table.from_batches([run.to_arrow()])), run)
    assert "every" not in repr(run)


def test_names_that_look_like_elements_stay_apart():
    tags = [Tag("a", "hr0[2]"), Tag("a[1]", "hr5"), Tag("a[1]'", "hr6")]
    run = made(2, tags=tags, failed={1: Quality.MISSED})
    assert list(run.to_pandas()) == ["a[0]", "a[1]''", "a[1]", "a[1]'"]
    same(from_table(pa.Table.from_batches([run.to_arrow()])), run)


def test_tags_come_back_with_all_their_settings():
    tags = [
        Tag("f", "hr0:f32@CDAB", missing=[float("nan"), -1.0, float("inf")], valid=[0, 5], units="°C", access="rw"),
        Tag("i", "hr2:i16", missing=[0x8000], scale=0.5, offset=-40, write_limits=[0, 3], description="tür"),
        Tag("s", "hr3:str4", missing=["none"]),
    ]
    assert list(from_table(pa.Table.from_batches([made(1, tags=tags).to_arrow()])).meta.values()) == tags


def test_tables_of_others_are_refused():
    with pytest.raises(ValueError, match="no metadata of fastmodbus"):
        from_table(pa.table({"time": [1]}))
    later = made(1).to_arrow()
    metadata = {key: text.replace(b"samples/1", b"samples/9") for key, text in later.schema.metadata.items()}
    with pytest.raises(ValueError, match="samples/9"):
        from_table(pa.Table.from_batches([later.replace_schema_metadata(metadata)]))


# ------------------------------------------------------------------------------------------------ files


def test_parquet_is_read_by_everyone(tmp_path):
    run, path = flawed(), tmp_path / "run.parquet"
    run.to_parquet(path)
    same(from_table(parquet.read_table(path)), run)
    assert pl.read_parquet(path)["big"].to_list()[1:3] == [None, 2**63 + 2]
    assert pd.read_parquet(path)["power"].isna().sum() == 1
    told = duckdb.sql(f"select voltage, _quality['voltage'] from '{path}' where _quality is not null order by time")
    assert told.fetchall() == [(None, int(Quality.TIMEOUT)), (230.75, None)]


def test_csv_has_a_field_for_each_element(tmp_path):
    flawed().to_csv(tmp_path / "run.csv")
    with open(tmp_path / "run.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["time"] == "2026-09-21T14:13:20.000000000Z"
    assert lines[0]["big"] == str(2**63)
    assert lines[0]["power"] == "13.7"
    assert lines[0]["cells[2]"] == "2"
    assert lines[1]["energy"] == lines[1]["serial"] == lines[1]["pump"] == ""
    assert len(pd.read_csv(tmp_path / "run.csv", parse_dates=["time"])) == 6


# ------------------------------------------------------------------------------------------------ pandas


def test_to_pandas_has_floats_and_a_time_index():
    frame = flawed().to_pandas()
    assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    assert frame.index.name == "time"
    assert frame["energy"].dtype == np.float64
    assert frame["voltage"].dtype == np.float32
    assert frame["state"].isna().tolist() == [False, True, False, False, False, False]
    assert frame["pump"].isna().sum() == 2
    assert frame["cells[1]"].tolist()[0] == 1
    assert frame["serial"].isna().sum() == 1
    assert frame.attrs["units"]["voltage"] == "V"


def test_to_pandas_with_integers_and_na():
    frame = flawed().to_pandas(nullable=True)
    names = ("energy", "power", "voltage", "cells[0]", "state", "pump", "big")
    assert {name: str(frame[name].dtype) for name in names} == {
        "energy": "UInt32", "power": "Float64", "voltage": "Float32", "cells[0]": "Int16", "state": "UInt16",
        "pump": "boolean", "big": "UInt64",
    }  # fmt: skip
    assert frame["big"].tolist()[2] == 2**63 + 2
    assert frame["power"].isna().sum() == 1


def test_to_pandas_in_a_zone():
    assert str(made(1).to_pandas(tz="Europe/Berlin").index[0]) == "2026-09-21 16:13:20+02:00"
    assert made(1).to_pandas(tz=None).index.tz is None


# ------------------------------------------------------------------------------------------------ xarray


def test_to_xarray_follows_the_conventions():
    data = flawed().to_xarray()
    assert data.attrs["Conventions"] == "CF-1.11"
    assert data["voltage"].attrs["units"] == "V"
    assert data["voltage"].attrs["long_name"] == "phase 1"
    assert data["voltage"].attrs["ancillary_variables"] == "voltage_quality"
    assert data["state"].attrs["flag_meanings"] == "off on fault"
    assert data["alarms"].attrs["flag_masks"].tolist() == [1, 8]
    assert data["cells"].dims == ("time", "cells_element")
    assert data["voltage_quality"].values.tolist() == [0, 1, 0, 0, 0, 0]
    assert float(data["power"].mean()) == pytest.approx(np.nanmean(flawed()["power"]))
    assert not [name for name in flawed().to_xarray(quality=False) if name.endswith("_quality")]


def test_netcdf_is_written_unaided(tmp_path):
    run, path = flawed(), tmp_path / "run.nc"
    run.to_xarray().to_netcdf(path)
    with xr.open_dataset(path) as data:
        np.testing.assert_array_equal(data["time"].values, run["time"])
        np.testing.assert_array_equal(data["voltage"].values, run["voltage"])
        np.testing.assert_array_equal(data["state"].values, run["state"])
        assert data["pump"].dtype == bool
        assert data["serial"].values.tolist() == run["serial"].tolist()
        assert data["state_quality"].values.tolist() == [0, 1, 0, 0, 0, 0]


def test_names_with_slashes_and_rivals_go_into_netcdf(tmp_path):
    run = made(2, tags=[Tag("3/ir", "hr0"), Tag("v", "hr1"), Tag("v_quality", "hr2")])
    run.to_xarray().to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as data:
        assert data["3_ir"].attrs["long_name"] == "3/ir"
        assert data[data["v"].attrs["ancillary_variables"]].attrs["standard_name"] == "status_flag"
        assert "standard_name" not in data["v_quality"].attrs


def test_devices_side_by_side(tmp_path):
    data = fm.to_xarray(
        [made(4, device="a"), flawed(4, first=0, device="b"), made(2, first=3, device="c")], dim="device"
    )
    assert data.sizes["device"] == 3
    assert data.sizes["time"] == 5
    assert data["device"].values.tolist() == ["a", "b", "c"]
    assert data["voltage_quality"].sel(device="a").values.tolist() == [0, 0, 0, 0, Quality.MISSED]
    assert data["voltage"].sel(device="c").isnull().values.tolist() == [True] * 3 + [False] * 2
    assert data["state"].dtype == np.uint16
    assert data["pump"].dtype == bool
    data.to_netcdf(tmp_path / "all.nc")
    assert fm.to_xarray([made(2)], dim="meter").sizes["meter"] == 1
    with pytest.raises(ValueError, match="at least one"):
        fm.to_xarray([])
