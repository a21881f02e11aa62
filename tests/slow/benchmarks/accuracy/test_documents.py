"""The document of accuracy with its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy import pictures
from benchmarks.accuracy.document import write_document
from benchmarks.accuracy.rows import Rows, picture_name
from tests.unit.benchmarks.accuracy.test_accuracy_metrics import some_rows


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return some_rows(tmp_path / "rows")


def test_the_document_is_the_same_when_it_is_written_again(rows: Rows, tmp_path: Path) -> None:
    page = tmp_path / "accuracy.md"
    write_document(rows, 0.8, tmp_path / "none", page)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_document(rows, 0.8, tmp_path / "none", page)
    assert first == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    text = page.read_text(encoding="utf-8")
    assert "| anatomy IoU, mean of the bones | 0.950 | 0.981 | 0.935 | 0.850 | not met |" in text
    assert (tmp_path / "accuracy" / "bones.svg").exists()
    assert "Not run yet: 7 of 8 simulated, 34 of 36 degradations, 11 of 12 positions." in text
    assert str(tmp_path) not in text


def test_pictures_are_small_and_those_of_no_row_are_removed(rows: Rows, tmp_path: Path) -> None:

    patient = rows.kept["patients", "003", "shipped"]
    name = picture_name(("patients", "003", "shipped"))
    source, folder = tmp_path / "drawn", tmp_path / "shown"
    source.mkdir()
    folder.mkdir()
    (folder / "old.png").touch()
    noise = np.random.default_rng(0).integers(0, 255, (250, 500, 3), np.uint8)
    Image.fromarray(noise).save(source / name)
    assert list(pictures.copy_pictures([patient], source, folder)) == [name]
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).stat().st_size <= pictures.LARGEST_BYTES
