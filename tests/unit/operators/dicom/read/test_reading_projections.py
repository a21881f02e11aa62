"""Radiographs of a folder: a series each, its spacing, and what is none."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from operators.dicom.headers.projection_spacing import projection_spacing
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.radiographs.projection_files import (
    DX,
    SC,
    SHAPE,
    UID_ROOT,
    picture,
    radiograph,
    read,
    save,
    series_of,
)

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((8, 6, 5), AFFINE)


def test_each_view_is_a_series_of_its_own(tmp_path: Path) -> None:
    for number, view in ((3, "LL"), (1, "PA"), (2, "LLO")):
        save(radiograph(number=number, ViewPosition=view), tmp_path / f"{view}.dcm")
    found = series_of(tmp_path)
    assert [series.part for series in found] == ["image 1 of 3", "image 2 of 3", "image 3 of 3"]
    assert [series.header.ViewPosition for series in found] == ["PA", "LLO", "LL"]
    for series in found:
        (frame,) = series.frames
        assert (frame.k, series.fault, series.is_projection) == (0, None, True)
        assert series.grid is not None
        assert series.grid.shape == (SHAPE[1], SHAPE[0], 1)
        assert series.grid.spacing_mm == (0.2, 0.15, 1.0)
        assert series.instances == 1


def test_a_single_image_needs_no_part_and_no_frame_of_reference(tmp_path: Path) -> None:
    save(radiograph(), tmp_path / "1.dcm")
    (series,) = series_of(tmp_path)
    assert (series.part, series.warnings, series.frame_of_reference_uid) == ("", (), "")


def test_images_without_a_number_come_last(tmp_path: Path) -> None:
    for number in (1, 2):
        save(radiograph(number=number, InstanceNumber=None if number == 1 else 5), tmp_path / f"{number}.dcm")
    assert [series.frames[0].sop_instance_uid[-1] for series in series_of(tmp_path)] == ["2", "1"]


def test_several_frames_are_a_fault(tmp_path: Path) -> None:
    dataset = radiograph(np.concatenate([picture()] * 3), NumberOfFrames=3, SOPClassUID=SC)
    dataset.Rows = SHAPE[0]
    save(dataset, tmp_path / "1.dcm")
    (series,) = series_of(tmp_path)
    assert series.fault is not None
    assert (series.grid, series.fault.code) == (None, "multi_frame")
    assert series.fault.text.endswith("got 3 frames")


def test_copies_count_once_and_other_images_under_the_uid_are_a_fault(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "1.dcm")
    shutil.copy(path, tmp_path / "2.dcm")
    (series,) = series_of(tmp_path)
    assert len(series.frames) == 1
    assert ["more than once" in text for text in series.warnings] == [True]
    save(radiograph(picture() // 2), tmp_path / "3.dcm")
    (series,) = series_of(tmp_path)
    assert series.fault is not None
    assert (series.grid, series.fault.code, len(series.frames)) == (None, "shared_uid", 3)


def test_a_copy_in_another_transfer_syntax_counts_once(tmp_path: Path) -> None:
    save(radiograph(), tmp_path / "1.dcm")
    save(radiograph(), tmp_path / "2.dcm", "1.2.840.10008.1.2.4.80")
    (series,) = series_of(tmp_path)
    assert (len(series.frames), series.fault) == (1, None)


def test_deflated_copies_are_compared(tmp_path: Path) -> None:
    for name, stored in (("1", picture()), ("2", picture() // 2)):
        save(radiograph(stored), tmp_path / f"{name}.dcm", "1.2.840.10008.1.2.1.99")
    (series,) = series_of(tmp_path)
    assert series.fault is not None
    assert series.fault.code == "shared_uid"


def test_a_truncated_image_is_named_in_the_others_of_its_series(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "1.dcm")
    save(radiograph(number=2), tmp_path / "2.dcm")
    path.write_bytes(path.read_bytes()[:-100])
    found = scan(tmp_path)
    assert [file.code for file in found.unreadable] == ["truncated_file"]
    (series,) = found.series
    assert ["1.dcm was left out" in text for text in series.warnings] == [True]


def test_a_ct_beside_radiographs_is_read_as_without_them(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    (alone,) = series_of(tmp_path)
    for number in (1, 2):
        save(radiograph(number=number), tmp_path / f"{number}.dcm")
    found = series_of(tmp_path)
    assert [series.modality for series in found] == ["CT", "DX", "DX"]
    assert (found[0].warnings, found[0].part, found[0].frames) == (alone.warnings, alone.part, alone.frames)
    assert found[0].grid is not None
    assert alone.grid is not None
    assert found[0].grid.same_as(alone.grid)


def test_a_capture_in_a_ct_series_stays_apart(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    capture = radiograph(SOPClassUID=SC, Modality="CT")
    capture.StudyInstanceUID, capture.SeriesInstanceUID = f"{phantoms.UID_ROOT}.1", f"{phantoms.UID_ROOT}.1.1"
    save(capture, tmp_path / "1.dcm")
    found = series_of(tmp_path)
    assert sorted((len(series.frames), series.is_projection) for series in found) == [(1, True), (5, False)]


def test_patients_under_one_series_are_kept_apart(tmp_path: Path) -> None:
    for number, patient in ((1, "A"), (2, "B")):
        save(radiograph(number=number, PatientID=patient), tmp_path / f"{number}.dcm")
    assert [series.part for series in series_of(tmp_path)] == [
        "part 1 of 2 by patient id",
        "part 2 of 2 by patient id",
    ]


IMAGER = {"ImagerPixelSpacing": [0.15, 0.2]}


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        (IMAGER, (0.15, 0.2, "detector", "ImagerPixelSpacing")),
        (IMAGER | {"PixelSpacing": [0.15, 0.2]}, (0.15, 0.2, "detector", "ImagerPixelSpacing")),
        (IMAGER | {"PixelSpacing": [0.12, 0.16]}, (0.12, 0.16, "patient", "PixelSpacing")),
        (
            IMAGER | {"PixelSpacing": [0.12, 0.16], "PixelSpacingCalibrationType": "GEOMETRY"},
            (0.12, 0.16, "patient", "PixelSpacing"),
        ),
        (
            {"PixelSpacing": [0.12, 0.16], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.12, 0.16, "patient", "PixelSpacing"),
        ),
        ({"PixelSpacing": [0.12, 0.16]}, (0.12, 0.16, "detector", "PixelSpacing")),
        (
            IMAGER | {"EstimatedRadiographicMagnificationFactor": "1.25"},
            (0.12, 0.16, "patient", "ImagerPixelSpacing, EstimatedRadiographicMagnificationFactor"),
        ),
        (
            IMAGER | {"EstimatedRadiographicMagnificationFactor": "0.5"},
            (0.15, 0.2, "detector", "ImagerPixelSpacing"),
        ),
        (
            {"NominalScannedPixelSpacing": [0.1, 0.1]},
            (0.1, 0.1, "detector", "NominalScannedPixelSpacing"),
        ),
        (
            {"NominalScannedPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.09, 0.09]},
            (0.09, 0.09, "patient", "PixelSpacing"),
        ),
        ({}, None),
        ({"ImagerPixelSpacing": [0, 0]}, None),
        ({"ImagerPixelSpacing": [500, 500]}, None),
    ],
)
def test_spacing(attributes: dict[str, object], spacing: tuple[float, float, str, str] | None) -> None:
    dataset = radiograph(ImagerPixelSpacing=None)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    found, notes = projection_spacing(dataset)
    if spacing is None:
        assert found is None
        assert [note.code for note in notes] == ["no_spacing"]
    else:
        assert found is not None
        got = (found.between_rows_mm, found.between_columns_mm)
        assert got == pytest.approx(spacing[:2])
        assert (found.plane, found.source) == spacing[2:]
        assert notes == ()


def test_without_spacing_the_grid_counts_pixels(tmp_path: Path) -> None:
    save(radiograph(ImagerPixelSpacing=None), tmp_path / "1.dcm")
    (series,) = series_of(tmp_path)
    assert series.grid is not None
    assert series.grid.spacing_mm == (1.0, 1.0, 1.0)
    assert read(tmp_path).spacing is None


def test_classes_are_told_apart_by_their_uid(tmp_path: Path) -> None:
    save(radiograph(SOPClassUID=DX), tmp_path / "1.dcm")
    (series,) = series_of(tmp_path)
    assert series.series_instance_uid == f"{UID_ROOT}.1.1"
