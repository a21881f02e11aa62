"""Secondary captures of fractures: valid, of the source's patient, and of the slice that they name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.capture.secondary_captures import (
    check_picture,
    read_picture,
    write_pictures,
    write_turntable,
)
from operators.dicom.headers.series import Series
from operators.errors import OutputError
from operators.render.fracture_pictures import FracturePicture
from operators.render.turntable import View
from tests.support.dicom.seg_cases import (
    blobs,
    bone,
    grid,
    header,
    multi_frame,
    provenance,
    segmentation,
    series,
)
from tests.support.dicom.validator import errors_in
from tests.unit.operators.dicom.seg.test_seg_identity import stored

MADE = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))
PIXELS = np.random.default_rng(3).integers(0, 256, (41, 13, 3)).astype(np.uint8)
PICTURES = (FracturePicture(PIXELS, 2, "Left hip bone, slice 3"), FracturePicture(PIXELS[::-1], 5, "slice 6"))


def written(folder: Path, source: Series, revision: int = 1) -> list[Dataset]:
    return valid(write_pictures(PICTURES, provenance(MADE, source, revision=revision), folder))


def valid(paths: list[Path]) -> list[Dataset]:
    """As they are read back, once dciodvfy has found no error."""
    for path in paths:
        assert errors_in(path, "SCImage") == []
    return [dcmread(path) for path in paths]


def test_a_picture_holds_its_pixels_and_names_the_slice_it_shows(tmp_path: Path) -> None:
    first, second = written(tmp_path, series(grid()))
    np.testing.assert_array_equal(first.pixel_array, PIXELS)
    assert first.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.3"
    assert second.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.6"
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_a_picture_is_marked_as_made_by_an_algorithm_and_not_for_diagnosis(tmp_path: Path) -> None:
    first, _ = written(tmp_path, series(grid()), revision=2)
    assert first.BurnedInAnnotation == "YES"
    assert "not for diagnosis" in first.SeriesDescription
    assert "replaces v1" in first.SeriesDescription
    assert "Left hip bone, slice 3" in first.ImageComments
    assert first.ContributingEquipmentSequence[0].ManufacturerModelName == "Osteon bones"
    assert first.SeriesNumber == 9701


def test_patient_and_study_are_the_sources_own_in_any_script(tmp_path: Path) -> None:
    given = header(SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎", PatientSex=None, StudyID=None)
    first, _ = written(tmp_path, series(grid(), stored(tmp_path, given)))
    assert (str(first.PatientName), first.PatientSex, first.StudyID) == ("山田^太郎", "", "")


def test_a_frame_of_a_multi_frame_source_is_named_by_its_number(tmp_path: Path) -> None:
    first, _ = written(tmp_path, multi_frame(grid()))
    reference = first.SourceImageSequence[0]
    assert (reference.ReferencedSOPInstanceUID, int(reference.ReferencedFrameNumber)) == ("1.2.3.1", 3)


@pytest.mark.parametrize(
    ("axes", "orientation"),
    [
        (np.eye(3), ["L", "P"]),
        (np.diag([-1.0, 1.0, 1.0]), ["R", "P"]),
        (np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]), ["L", "F"]),
    ],
)
def test_rows_and_columns_say_where_they_run(
    tmp_path: Path, axes: np.ndarray, orientation: list[str]
) -> None:
    first, _ = written(tmp_path, series(grid(axes=axes * [0.75, 0.5, 2.5])))
    assert list(first.PatientOrientation) == orientation


def test_the_same_input_gives_the_same_files_and_a_shorter_result_leaves_none_behind(tmp_path: Path) -> None:
    written(tmp_path, series(grid()))
    before = (tmp_path / "1.dcm").read_bytes()
    write_pictures(PICTURES[:1], provenance(MADE, series(grid())), tmp_path)
    assert (tmp_path / "1.dcm").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["1.dcm"]


def test_views_from_all_around_are_a_series_of_their_own_in_their_order(tmp_path: Path) -> None:
    views = tuple(View(PIXELS[::step], degrees) for step, degrees in ((1, 0), (-1, 30), (1, 270)))
    paths = write_turntable(views, provenance(MADE, series(grid())), tmp_path / "turntable")
    front, next_view, right = valid(paths)
    np.testing.assert_array_equal(front.pixel_array, PIXELS)
    orientations = [list(view.PatientOrientation) for view in (front, next_view, right)]
    assert orientations == [["L", "F"], ["LP", "F"], ["A", "F"]]
    assert [view.InstanceNumber for view in (front, next_view, right)] == [1, 2, 3]
    assert "30 degrees" in next_view.ImageComments
    picture, _ = written(tmp_path / "pictures", series(grid()))
    assert front.SeriesInstanceUID == next_view.SeriesInstanceUID != picture.SeriesInstanceUID
    assert front.SOPInstanceUID != picture.SOPInstanceUID
    assert front.SeriesNumber > picture.SeriesNumber


def test_a_picture_can_be_read_back_with_what_it_shows(tmp_path: Path) -> None:
    written(tmp_path, series(grid()))
    pixels, title = read_picture(tmp_path / "1.dcm")
    np.testing.assert_array_equal(pixels, PIXELS)
    assert title.startswith("Left hip bone, slice 3")


def test_a_picture_of_another_patient_or_without_its_pixels_never_leaves(tmp_path: Path) -> None:
    first, _ = written(tmp_path, series(grid()))
    path = tmp_path / "1.dcm"
    assert check_picture(path, series(grid())).sop_instance_uid == first.SOPInstanceUID
    with pytest.raises(OutputError, match="PatientID"):
        check_picture(path, replace(series(grid()), header=header(PatientID="P2")))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(OutputError):
        check_picture(path, series(grid()))
