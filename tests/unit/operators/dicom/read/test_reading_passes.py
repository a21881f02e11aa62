"""Passes of one series that follow each other and overlap are one volume; exclusions are reported."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, assert_right_by_value, warned


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
    assert warned(whole, f"{len(passes)} passes by acquisition number follow each other and are read as one")
    assert warned(whole, f"{left_out} slices where they overlap were left out")
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
