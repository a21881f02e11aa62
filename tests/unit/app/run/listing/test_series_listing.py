"""The table of a folder's series that a user sees before anything is run."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from app.run.listing.series_listing import render, rows_of
from operators.dicom.read.scan import scan
from operators.errors import UnreadableError
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.unit.operators.dicom.select.test_selection import AFFINE, HU, package


def test_the_listing_says_what_would_become_of_each_series(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, series=1)
    phantoms.write_ct(tmp_path, HU, AFFINE, series=2, edit=setting(Modality="MR"))
    accepted, refused = json.loads(json.dumps(rows_of(scan(tmp_path), [package()])))
    assert accepted["package"] == "trunk"
    assert accepted["refusal"] is None
    assert accepted["ijk_to_lps"] == AFFINE.tolist()
    assert accepted["spacing_mm"] == [4.0, 4.0, 3.0]
    assert (accepted["slices"], accepted["rows"], accepted["columns"]) == (10, 6, 8)
    assert refused["refusal"]["code"] == "other_modality"
    assert refused["ijk_to_lps"] is None
    assert refused["package"] is None


def test_the_table_shows_reasons_warnings_and_unreadable_files(tmp_path: Path) -> None:
    edit = setting(SeriesDescription="bone [red] 1.0")
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit, keep=[n for n in range(10) if n != 4])
    (tmp_path / "cut").write_bytes((tmp_path / "1_003.dcm").read_bytes()[:300])
    output = StringIO()
    console = Console(file=output, width=300)
    render(rows_of(scan(tmp_path), [package(minimum_slices=50)]), console, scan(tmp_path).unreadable)
    shown = output.getvalue()
    assert "bone [red] 1.0" in shown
    assert "expected at least 50 slices, got 9 (too_few_slices)" in shown
    assert "slices are missing" in shown
    assert "unreadable: cut" in shown


def test_an_empty_folder_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="empty folder"):
        rows_of(scan(tmp_path), [package()])


def test_a_terminal_of_80_columns_shows_every_word(tmp_path: Path) -> None:
    edit = setting(SeriesDescription="CT pelvis 1.0 mm bone kernel, reconstructed for surgery")
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit, keep=[n for n in range(10) if n != 4])
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None)
    render(rows_of(scan(tmp_path), [package(minimum_slices=50)]), console)
    lines = output.getvalue().splitlines()
    words = {word for line in lines for word in line.replace("│", " ").split()}
    assert max(map(len, lines)) <= 80
    assert {"reconstructed", "surgery", "(too_few_slices)", "CT,", "9", "slices", "3.00", "mm"} <= words
