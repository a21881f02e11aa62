"""Pieces of one scan are read as one; if they are not, exclusions are reported."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, HU, LONG, assert_right_by_value, only, warned


def turned(angle: float) -> list[float]:
    return [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0]


@pytest.mark.parametrize("angles", [[0, 0.0015], [0, -0.001, 0.001, 0.0005], list(np.linspace(0, 0.004, 10))])
def test_direction_cosines_with_noise_are_one_volume_and_said(tmp_path: Path, angles: list[float]) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.ImageOrientationPatient = [round(x, 6) for x in turned(angles[k % len(angles)])]

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert len(series.frames) == 10
    assert warned(series, "direction cosines differ from slice to slice by up to 0.00")
    assert np.array_equal(read_volume(series).hu, HU)


def test_the_header_of_a_series_is_that_of_its_grid(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.ImageOrientationPatient = turned(0.004 if k == 0 else 0)

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert series.header.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert_right_by_value(series)


def test_stacks_of_different_orientation_stay_apart_and_the_loss_is_said(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.ImageOrientationPatient = turned(0.02 * (k % 2))

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (len(first.frames), len(second.frames)) == (5, 5)
    assert warned(first, "5 other slices of the series are not in this volume: they differ in orientation")


@pytest.mark.parametrize(("one", "other"), [(0.9765625, 0.98), (0.7, 0.699219), (0.7, 0.7000001)])
def test_pixel_spacings_that_are_rounded_differently_are_one(
    tmp_path: Path, one: float, other: float
) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.PixelSpacing = [other, other] if k % 3 == 1 else [one, one]

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert len(series.frames) == 10
    assert series.grid is not None
    assert series.grid.spacing_mm[:2] == pytest.approx((one, one))


def missing_frame(dataset: Dataset, k: int) -> None:
    if k % 4 == 1:
        dataset.FrameOfReferenceUID = ""


def frame_of_its_own(dataset: Dataset, k: int) -> None:
    dataset.FrameOfReferenceUID = f"1.2.4.{k + 1}"


def missing_modality(dataset: Dataset, k: int) -> None:
    if k % 2:
        dataset.Modality = ""


def patient_spelled_twice(dataset: Dataset, k: int) -> None:
    dataset.PatientName = "PHANTOM^A" if k % 2 else "Phantom^A"
    dataset.PatientID = "phantom " if k % 2 else "PHANTOM"


def acquisition_of_its_own(dataset: Dataset, k: int) -> None:
    dataset.AcquisitionNumber = k + 1


def kernel_spelled_twice(dataset: Dataset, k: int) -> None:
    dataset.ConvolutionKernel = "Br44f" if k % 2 else "Br44"


def alternating_acquisitions(dataset: Dataset, k: int) -> None:
    dataset.AcquisitionNumber, dataset.SliceThickness = 1 + k % 2, 3


def acquisitions_in_blocks(dataset: Dataset, k: int) -> None:
    dataset.AcquisitionNumber = 1 + k // 3 % 2
    del dataset.SliceThickness


@pytest.mark.parametrize(
    "edit",
    [
        missing_frame, frame_of_its_own, missing_modality, patient_spelled_twice, acquisition_of_its_own,
        kernel_spelled_twice, alternating_acquisitions, acquisitions_in_blocks,
    ],
)  # fmt: skip
def test_an_attribute_that_differs_within_one_scan_drops_no_slice(
    tmp_path: Path, edit: phantoms.Edit
) -> None:
    phantoms.write_ct(tmp_path, LONG[:, :, :12], AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert len(series.frames) == 12
    assert_right_by_value(series)


def test_acquisitions_between_each_other_that_are_complete_stay_apart_and_say_so(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.AcquisitionNumber, dataset.SliceThickness = 1 + k % 2, 6

    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (len(first.frames), len(second.frames)) == (20, 20)
    assert warned(first, "the slices between these are in other parts")


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        ({"PatientID": "PHANTOM"}, {"PatientID": "OTHER"}, "patient id"),
        (
            {"PatientBirthDate": "19500101", "PatientName": "A^B"},
            {"PatientBirthDate": "19600101", "PatientName": "C^D"},
            "patient birth date",
        ),
        (
            {"PatientBirthDate": "", "PatientName": "A^B"},
            {"PatientBirthDate": "", "PatientName": "C^D"},
            "patient name",
        ),
    ],
)
def test_slices_of_another_patient_under_the_same_series_are_kept_apart_and_counted(
    tmp_path: Path, one: dict[str, str], other: dict[str, str], named: str
) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        for keyword, value in (one if k % 2 else other).items():
            setattr(dataset, keyword, value)

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (first.part, second.part) == (f"part 1 of 2 by {named}", f"part 2 of 2 by {named}")
    assert warned(first, f"5 other slices under this SeriesInstanceUID differ in {named}")


def test_one_patient_whose_name_has_changed_is_one(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.PatientBirthDate = "19500101"
        dataset.PatientName = "A^B" if k % 2 else "C^B"

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    (series,) = scan(tmp_path).series
    assert len(series.frames) == HU.shape[2]


def test_where_the_distance_varies_each_stretch_is_read(tmp_path: Path) -> None:
    keep = [k for k in range(40) if 12 <= k < 30 or k % 3 == 0]
    phantoms.write_ct(tmp_path, LONG, AFFINE, keep=keep)
    sparse, dense, upper = scan(tmp_path).series
    assert [len(each.frames) for each in (sparse, dense, upper)] == [4, 19, 3]
    assert (dense.part, dense.fault) == ("stretch 2 of 3", None)
    assert warned(
        dense, "the distance between slices varies, and each stretch is read separately: 4 slices 9.00"
    )
    assert_right_by_value(dense)
    assert sum(len(each.frames) for each in (sparse, dense, upper)) == len(keep)


def test_slices_that_were_lost_from_the_midst_are_missing_and_no_stretch(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, LONG, AFFINE, keep=[k for k in range(40) if not 15 <= k < 22])
    series = only(scan(tmp_path))
    assert series.fault is not None
    assert series.fault.code == "missing_slices"


def test_a_slice_off_the_grid_is_used_where_the_grid_has_no_other(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        if k == 6:
            moved = AFFINE.copy()
            moved[2, 3] += 1.2
            dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], float(moved[2, 3] + 3 * k)]
            hu = phantoms.position_volume((8, 6, 40), moved)
            dataset.PixelData = phantoms.ct_slice(hu, moved, k).PixelData

    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert [frame.k for frame in series.frames] == pytest.approx([*range(6), 6.4, *range(7, 40)])
    assert warned(series, "gaps between slices vary")
    assert_right_by_value(series, tolerance_hu=1.1)


def test_slices_beside_the_line_are_counted(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        if k == 6:
            dataset.ImagePositionPatient[0] += 5

    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=edit)
    series = scan(tmp_path).series[0]
    assert warned(series, "slices off the line of the others were left out: 1")


@pytest.mark.real_data
def test_a_real_chest_with_a_frame_of_reference_for_each_slice_is_one_volume() -> None:
    series = only(scan(Path(__file__).parents[6] / "shared" / "data" / "real_ct" / "chest_2.5mm"))
    assert len(series.frames) == 133
    assert series.grid is not None
    assert series.grid.spacing_mm[2] == pytest.approx(2.5)
    assert warned(series, "133 slices name 133 frames of reference")
