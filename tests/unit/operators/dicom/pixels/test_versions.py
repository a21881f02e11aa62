"""Differences between two versions of an instance, independent of their encodings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from operators.dicom.elements.file_meta import file_head
from operators.dicom.pixels.version_differences import Difference, belonging, difference
from operators.errors import UnreadableError
from tests.slow.operators.dicom.read.test_reading_costs import ITEMS, OPEN
from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import UID, ct
from tests.support.dicom.reading_cases import AFFINE
from tests.support.faults.wire import CT, EXPLICIT
from tests.unit.operators.dicom.read.test_reading_causes import with_syntax

SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90",
)  # fmt: skip
SAME = Difference((), ())
OTHER_PIXELS = Difference(("PixelData",), ())
LARGER = phantoms.position_volume((40, 40, 2), AFFINE)


def written(folder: Path, syntax: str, edit: phantoms.Edit | None = None) -> Path:
    return phantoms.write_ct(folder, LARGER, AFFINE, edit=edit, transfer_syntax_uid=syntax)[0]


def one_pixel(dataset: Dataset, _: int) -> None:
    dataset.PixelData = dataset.PixelData[:-2] + bytes((dataset.PixelData[-2] ^ 1, dataset.PixelData[-1]))


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("other", SYNTAXES)
def test_pixels_are_compared_in_whichever_transfer_syntax(tmp_path: Path, syntax: str, other: str) -> None:
    first = written(tmp_path / "first", syntax)
    assert difference(first, written(tmp_path / "same", other)) == SAME
    assert difference(first, written(tmp_path / "other", other, one_pixel)) == OTHER_PIXELS


def test_pixels_that_are_not_compressed_although_the_syntax_says_so_are_compared(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", EXPLICIT), written(tmp_path / "b", EXPLICIT)
    with_syntax(second, b"1.2.840.10008.1.2.4.90")
    assert difference(first, second) == SAME


def test_a_version_without_its_last_pixels_is_another_image(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", EXPLICIT), written(tmp_path / "b", EXPLICIT)
    second.write_bytes(second.read_bytes()[:-2])
    assert difference(first, second) == OTHER_PIXELS


def test_a_version_of_elements_without_number_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "wide.dcm"
    path.write_bytes(file_head(CT, f"{UID}.1.1", EXPLICIT, "CT1") + OPEN + ITEMS + ct())
    other = tmp_path / "other.dcm"
    other.write_bytes(file_head(CT, f"{UID}.1.1", EXPLICIT, "CT1") + ct())

    with pytest.raises(UnreadableError) as caught:
        difference(other, path)
    assert caught.value.code == "too_many_elements"


def test_versions_that_go_meanwhile_are_not_called_unreadable(tmp_path: Path) -> None:
    path = written(tmp_path / "ct", EXPLICIT)
    with pytest.raises(FileNotFoundError):
        difference(path, tmp_path / "gone.dcm")
    with pytest.raises(FileNotFoundError):
        belonging(tmp_path / "gone.dcm")
