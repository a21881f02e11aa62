"""Pieces of one scan are read as one; where they are not, what is left out is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.pixels import read_volume
from operators.dicom.scan import scan
from operators.dicom.series import Series
from tests import phantoms
from tests.integration.reading_cases import AFFINE, HU, assert_right_by_value, only

LONG = phantoms.position_volume((8, 6, 40), AFFINE)


def warned(series: Series, text: str) -> bool:
    return any(text in warning for warning in series.warnings)


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
    assert warned(first, "those between these are in other parts")


def test_slices_of_another_patient_under_the_same_series_are_kept_apart_and_counted(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.PatientID = "OTHER" if k % 2 else "PHANTOM"

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (first.part, second.part) == ("part 1 of 2 by patient id", "part 2 of 2 by patient id")
    assert warned(first, "5 other slices under this SeriesInstanceUID differ in patient id")


def write_passes(
    folder: Path, *passes: range, attribute: str = "AcquisitionNumber", shift_mm: float = 0
) -> None:
    """Each pass shows its slices of LONG; the second is shifted along z."""
    for n, places in enumerate(passes):
        affine = AFFINE.copy()
        affine[2, 3] += shift_mm * n

        def edit(dataset: Dataset, k: int, n: int = n) -> None:
            dataset.SOPInstanceUID, dataset.InstanceNumber = f"1.2.3.{n + 1}.{k + 1}", 100 * n + k
            setattr(dataset, attribute, str(n + 1))

        phantoms.write_ct(
            folder / str(n), phantoms.position_volume((8, 6, 40), affine), affine, keep=places, edit=edit
        )


@pytest.mark.parametrize(
    ("passes", "left_out"),
    [
        ((range(24), range(16, 40)), 8),
        ((range(30), range(8, 40)), 22),
        ((range(18), range(12, 30), range(24, 40)), 12),
    ],
)
def test_passes_that_overlap_are_one_volume_and_what_is_left_out_is_said(
    tmp_path: Path, passes: tuple[range, ...], left_out: int
) -> None:
    write_passes(tmp_path, *passes)
    whole, *rest = scan(tmp_path).series
    assert (whole.part, len(whole.frames)) == ("", 40)
    assert_right_by_value(whole)
    assert warned(whole, f"{len(passes)} passes by acquisition number that follow each other are read as one")
    assert warned(whole, f"{left_out} slices where they overlap are left out")
    assert sum(len(series.frames) for series in rest) == left_out


def test_passes_meet_in_the_middle_of_their_overlap(tmp_path: Path) -> None:
    write_passes(tmp_path, range(24), range(16, 40))
    whole, _ = scan(tmp_path).series
    passes = [int(frame.sop_instance_uid.split(".")[3]) for frame in whole.frames]
    assert passes == [1] * 20 + [2] * 20


def test_passes_that_lie_between_each_other_where_they_overlap_are_not_mixed(tmp_path: Path) -> None:
    write_passes(tmp_path, range(24), range(16, 39), shift_mm=1.5)
    whole, _ = scan(tmp_path).series
    passes = [int(frame.sop_instance_uid.split(".")[3]) for frame in whole.frames]
    assert passes == sorted(passes)
    assert_right_by_value(whole, tolerance_hu=1.1)


def test_a_pass_that_shows_all_that_another_shows_is_a_phase_of_its_own(tmp_path: Path) -> None:
    write_passes(tmp_path, range(40), range(10, 30))
    first, second = scan(tmp_path).series
    assert (first.part, len(first.frames)) == ("phase 1 of 2", 40)
    assert (second.part, len(second.frames)) == ("phase 2 of 2", 20)


def test_passes_of_different_kernels_are_not_one(tmp_path: Path) -> None:
    write_passes(tmp_path, range(24), range(16, 40), attribute="ConvolutionKernel")
    first, second = scan(tmp_path).series
    assert (len(first.frames), len(second.frames)) == (24, 24)


def series_uid(number: Callable[[int], int], **attributes: object) -> phantoms.Edit:
    """Slice k belongs to series `number(k)`; the second has other attributes too."""

    def edit(dataset: Dataset, k: int) -> None:
        dataset.SeriesInstanceUID = f"1.2.3.{number(k)}"
        for keyword, value in attributes.items() if number(k) == 2 else ():
            setattr(dataset, keyword, value)

    return edit


def halves(k: int) -> int:
    return 1 if k < 18 else 2


def odd_and_even(k: int) -> int:
    return 1 + k % 2


@pytest.mark.parametrize(
    "number", [halves, odd_and_even, lambda k: 1 + k // 10, lambda k: 2 - (k >= 18)]
)
def test_one_scan_under_several_series_is_read_as_one(tmp_path: Path, number: Callable[[int], int]) -> None:
    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=series_uid(number, SeriesNumber=7))
    series = only(scan(tmp_path))
    assert_right_by_value(series)
    uids = {f"1.2.3.{number(k)}" for k in range(40)}
    assert {series.series_instance_uid, *series.other_series} == uids
    assert warned(series, f"one scan under {len(uids)} Series Instance UIDs, read as one")
    for frame in series.frames:
        k = round((frame.position_lps_mm[2] - AFFINE[2, 3]) / 3)
        assert frame.series_instance_uid == f"1.2.3.{number(k)}"


def test_slices_that_came_as_a_series_each_are_one_scan(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=series_uid(lambda k: 1 + k))
    series = only(scan(tmp_path))
    assert_right_by_value(series)
    assert len(series.other_series) == 39
    assert warned(series, "one scan under 40 Series Instance UIDs")


@pytest.mark.parametrize("keep", [range(5), [0, 1, 2, 3, 4, 9, 11, 12, 20, 21, 22, 30]])
def test_single_slices_that_make_no_scan_stay_apart(tmp_path: Path, keep: list[int]) -> None:
    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=series_uid(lambda k: 1 + k), keep=keep)
    assert [len(series.frames) for series in scan(tmp_path).series] == [1] * len(keep)


@pytest.mark.parametrize(
    "attributes",
    [
        {"FrameOfReferenceUID": "1.2.9"},
        {"ConvolutionKernel": "Br64"},
        {"BodyPartExamined": "ABDOMEN"},
        {"KVP": 80},
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
        {"PixelSpacing": [0.9, 0.9]},
        {"StudyInstanceUID": "1.2.7"},
        {"PatientID": "OTHER"},
        {"SliceThickness": 2},
    ],
)
def test_series_that_differ_are_not_one_scan(tmp_path: Path, attributes: dict[str, object]) -> None:
    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=series_uid(halves, **attributes))
    assert sorted(len(series.frames) for series in scan(tmp_path).series) == [18, 22]


@pytest.mark.parametrize("gap_mm", [0.0, 1.5, 4.5, 6.0, 60.0])
def test_series_that_do_not_continue_each_other_are_not_one_scan(tmp_path: Path, gap_mm: float) -> None:
    """3 mm apart the second would continue the first."""

    def edit(dataset: Dataset, k: int) -> None:
        if k >= 20:
            dataset.SeriesInstanceUID = "1.2.3"
            dataset.ImagePositionPatient[2] += gap_mm - 3

    phantoms.write_ct(tmp_path, LONG, AFFINE, edit=edit)
    assert [len(series.frames) for series in scan(tmp_path).series] == [20, 20]


def test_where_the_distance_varies_each_stretch_is_read(tmp_path: Path) -> None:
    keep = [k for k in range(40) if 12 <= k < 30 or k % 3 == 0]
    phantoms.write_ct(tmp_path, LONG, AFFINE, keep=keep)
    sparse, dense, upper = scan(tmp_path).series
    assert [len(each.frames) for each in (sparse, dense, upper)] == [4, 19, 3]
    assert (dense.part, dense.fault) == ("stretch 2 of 3", None)
    assert warned(dense, "the distance between slices varies, and each stretch is read apart: 4 slices 9.00")
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
    assert warned(series, "slices beside the line of the others are left out: 1")


@pytest.mark.real_data
def test_a_real_chest_with_a_frame_of_reference_for_each_slice_is_one_volume() -> None:
    series = only(scan(Path(__file__).parents[3] / "shared" / "data" / "real_ct" / "chest_2.5mm"))
    assert len(series.frames) == 133
    assert series.grid is not None
    assert series.grid.spacing_mm[2] == pytest.approx(2.5)
    assert warned(series, "133 slices name 133 frames of reference")
