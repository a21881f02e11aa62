"""JSON files of the node are written atomically and read back unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.node.storage.json_file import read_json, write_json
from operators.dicom.elements.atomic_file import make_folder
from operators.errors import OutputError, UnwritableError


def test_values_come_back_and_a_later_write_replaces_all(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.json"
    write_json(path, {"study": "1.2", "names": ["Ä", None], "more": {"a": 1}})
    assert read_json(path) == {"study": "1.2", "names": ["Ä", None], "more": {"a": 1}}
    write_json(path, {"study": "1.3"})
    assert read_json(path) == {"study": "1.3"}
    assert [each.name for each in path.parent.iterdir()] == ["x.json"]


def test_what_is_no_object_counts_as_empty_and_what_is_no_json_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[1]")
    assert read_json(path) == {}
    path.write_text('{"study": ')
    with pytest.raises(ValueError, match="Expecting value"):
        read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("make", [make_folder, lambda path, _: write_json(path / "x.json", {})])
def test_a_file_in_the_place_of_a_folder_is_named(
    tmp_path: Path, make: Callable[[Path, str], object]
) -> None:
    (tmp_path / "data").write_text("a file")
    text = r"(be written|writable).*(File exists|Not a directory)"
    with pytest.raises((OutputError, UnwritableError), match=text):
        make(tmp_path / "data", "a data folder")


def test_the_purpose_and_the_place_of_a_folder_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as failed:
        make_folder(tmp_path / "file" / "x", "an output folder")
    expected = f"expected an output folder that can be written, got {tmp_path}/file/x: Not a directory"
    assert (str(failed.value), failed.value.code) == (expected, "output_unwritable")
