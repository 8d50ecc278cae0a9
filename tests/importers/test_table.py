"""Plain tables as maps."""

import pytest

from fastmodbus.errors import MapError
from fastmodbus.importers import load_csv


def test_a_table(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("name;address;group;units\nv;ir0:f32;fast;V\na;ir2:f32;slow;A\n", encoding="utf-8")
    loaded = load_csv(path, order="CDAB", groups={"fast": "100ms"})
    assert (loaded.name, loaded.groups) == ("meter", {"fast": 0.1, "slow": None})
    assert [str(tag.address) for tag in loaded] == ["ir0:f32@CDAB", "ir2:f32@CDAB"]
    assert load_csv(path, name="SDM").name == "SDM"


def test_errors(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("name,address\nv,ir0:f33\n", encoding="utf-8")
    with pytest.raises(MapError, match=r"meter\.csv, line 2: tag 'v': address: .*did you mean"):
        load_csv(path)
    with pytest.raises(ValueError, match="unknown order"):
        load_csv(path, order="ACBD")
    with pytest.raises(MapError, match="cannot be read"):
        load_csv(tmp_path / "none.csv")
