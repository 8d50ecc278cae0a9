"""Small files that are kept: whole or not at all."""

import pytest

from fastmodbus.files import write_whole


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "kept.json"
    for data in (b"first", b"second, longer", b""):
        write_whole(str(path), data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "kept.json"
    write_whole(path, b"first")
    (tmp_path / "kept.json.partial").mkdir()
    with pytest.raises(OSError, match="kept"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
