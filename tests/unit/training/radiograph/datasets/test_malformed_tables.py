"""Malformed tables of data sets: a row is left out with a reason, or the table is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import (
    distinct_radiograph,
    write_dataset,
    write_fracatlas,
    write_graz,
)
from training.progress import silent
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.cleaning import clean
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.reading import Exclusion, listed, read_all

NUMBERS = range(4)


def read(folder: Path) -> tuple[dict[str, bool], dict[str, Exclusion]]:
    """Labels of the images that are used, and the exclusions."""
    readings, faults = read_all(listed(layout_of(folder), folder), silent)
    labels = {one.member.image.name: one.member.image.fractured for one in readings}
    return labels, {one.name: one for one in faults}


def own(folder: Path) -> Path:
    write_dataset(folder, [distinct_radiograph(n, n % 2 == 1) for n in NUMBERS])
    return folder / "images.csv"


def fracatlas(folder: Path) -> Path:
    return write_fracatlas(folder, NUMBERS, ("coco",)) / "dataset.csv"


def graz(folder: Path) -> Path:
    return write_graz(folder, 2) / "dataset.csv"


@pytest.mark.parametrize(
    ("write", "row", "text"),
    [
        (own, "new.jpg,train", "the row ends before fractured"),
        (own, "new.jpg,train,yes" + ",0" * len(ATTRIBUTES), "expected 0 or 1 as fractured, got 'yes'"),
        (own, "new.jpg,train,2" + ",0" * len(ATTRIBUTES), "expected 0 or 1 as fractured, got '2'"),
        (own, "new.jpg,train,1" + ",inf" * len(ATTRIBUTES), "expected 0 or 1 as "),
        (own, "new.jpg,train,1,0" + ",0" * len(ATTRIBUTES), "got 1 more"),
        (own, ",train,1" + ",0" * len(ATTRIBUTES), "expected the name of an image as file, got none"),
        (own, "../new.jpg,train,0" + ",0" * len(ATTRIBUTES), "expected the name of a file, got a path"),
        (fracatlas, "new.jpg", "the row ends before "),
        (graz, "new", "the row ends before patient_id"),
        (graz, "new;1;2", "the row ends before patient_id"),
        (graz, "new,1,1,,,no,", "expected 0 or 1 as fracture_visible, got 'no'"),
        (graz, "new,1,1,,,nan,", "expected 0 or 1 as fracture_visible, got 'nan'"),
    ],
)
def test_a_malformed_row_is_left_out_alone(
    tmp_path: Path, write: Callable[[Path], Path], row: str, text: str
) -> None:
    table = write(tmp_path / "set")
    with table.open("a", encoding="utf-8") as file:
        file.write(row)
    labels, faults = read(table.parent)
    (fault,) = faults.values()
    assert len(labels) == 4
    assert fault.code == "row_unreadable"
    assert text in fault.text


@pytest.mark.parametrize("write", [own, fracatlas, graz])
def test_an_unclosed_quotation_mark_refuses_the_table(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    table = write(tmp_path / "set")
    with table.open("a", encoding="utf-8") as file:
        file.write('"new.jpg,train')
    with pytest.raises(UsageError, match=f"comma-separated values in {table.name}.* after line 5: "):
        read(table.parent)


def test_an_image_listed_with_both_labels_is_left_out(tmp_path: Path) -> None:
    table = own(tmp_path / "set")
    line = table.read_text(encoding="utf-8").splitlines()[1]
    with table.open("a", encoding="utf-8") as file:
        file.write(line.replace(",train,0", ",train,1"))
    labels, faults = read(table.parent)
    assert len(labels) == 3
    assert "IMG0000000.jpg" in faults
    assert "IMG0000000.jpg" not in labels


def test_a_set_of_which_no_image_can_be_read_is_refused_with_the_reasons(tmp_path: Path) -> None:
    table = own(tmp_path / "set")
    for path in (table.parent / "images").iterdir():
        path.write_bytes(b"x")
    (table.parent / "images/IMG0000003.jpg").unlink()
    with pytest.raises(UsageError, match=r"no image can be read \(3 of 4: its file is .*; 1 of 4: .*missing"):
        clean(table.parent)


def test_a_set_without_fractured_images_is_refused(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "set", [distinct_radiograph(n, fractured=False) for n in NUMBERS])
    with pytest.raises(UsageError, match="expected fractured and other images to train on, got 0 and 4"):
        clean(folder)
