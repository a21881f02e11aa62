"""Numbers that no image has, positions that say too little, and frames of reference given by mistake."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import Scan, scan
from operators.errors import UnsuitableError
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, LONG, assert_right_by_value, only, setting, warned

COUNTS = {"PixelSpacing": 2, "ImagePositionPatient": 3, "ImageOrientationPatient": 6}
SINGLE = ("RescaleSlope", "RescaleIntercept")
ODD = ("nan", "inf", "-inf", "1e300", "-1e300", "1e-300", "1e30", "1e10")


def raw(keyword: str, value: str, slices: Callable[[int], bool]) -> phantoms.Edit:
    """The text in place of each number, past pydicom's own checks."""

    def edit(dataset: Dataset, k: int) -> None:
        if slices(k):
            content = "\\".join([value] * COUNTS.get(keyword, 1)).encode()
            content += b" " * (len(content) % 2)
            tag = Tag(keyword)
            dataset._dict[tag] = RawDataElement(
                tag, dictionary_VR(tag), len(content), content, 0, is_implicit_VR=False, is_little_endian=True
            )

    return edit


def at(place: Callable[[int], tuple[float, float, float]]) -> phantoms.Edit:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.ImagePositionPatient = [DSfloat(number, auto_format=True) for number in place(k)]

    return edit


def along(step_mm: float, digits: int) -> phantoms.Edit:
    """Evenly spaced slices whose positions are written with that many decimals."""
    return at(lambda k: (-9.0, -7.0, round(5 + step_mm * k, digits)))


def frames(second: Callable[[int], bool]) -> phantoms.Edit:
    def edit(dataset: Dataset, k: int) -> None:
        if second(k):
            dataset.FrameOfReferenceUID = "1.2.3.4"

    return edit


def found_in(folder: Path, edit: phantoms.Edit, slices: int = LONG.shape[2]) -> Scan:
    """What is found in so many slices; no library warns of it on stderr."""
    phantoms.write_ct(folder, LONG, AFFINE, edit=edit, keep=range(slices))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return scan(folder)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("keyword", [*COUNTS, *SINGLE])
def test_numbers_that_no_image_has_end_with_one_reason(tmp_path: Path, keyword: str, value: str) -> None:
    found = found_in(tmp_path, raw(keyword, value, lambda _: True), 6)
    if found.series:
        fault = only(found).fault
        near_zero = keyword == "RescaleIntercept" and value == "1e-300"
        assert near_zero or (fault is not None and fault.text.startswith("expected"))
    else:
        (reason,) = {file.reason for file in found.unreadable}
        assert keyword in reason
        assert reason.startswith("expected")


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("keyword", [*COUNTS, *SINGLE])
def test_one_slice_with_such_a_number_costs_that_slice_alone(
    tmp_path: Path, keyword: str, value: str
) -> None:
    found = found_in(tmp_path, raw(keyword, value, lambda k: k == 20))
    largest = max(found.series, key=lambda series: len(series.frames))
    assert largest.grid is not None
    assert largest.grid.shape == LONG.shape
    whole = keyword == "RescaleIntercept" and value == "1e-300"
    assert whole or warned(largest, "1 of 40 slices are missing and are interpolated")


@pytest.mark.parametrize("bits", [17, 40, 65535])
def test_more_bits_stored_than_allocated_count_as_all_of_them(tmp_path: Path, bits: int) -> None:
    assert_right_by_value(only(found_in(tmp_path, setting(BitsStored=bits))))


def test_values_that_16_bits_cannot_hold_are_refused_as_such(tmp_path: Path) -> None:
    volume = np.tile(LONG, (4, 4, 2))
    phantoms.write_ct(tmp_path, volume, AFFINE, edit=setting(RescaleIntercept=100_000))
    with pytest.raises(UnsuitableError, match="values that 16 bits cannot hold") as caught:
        read_volume(only(scan(tmp_path)))
    assert caught.value.code == "not_hounsfield"


@pytest.mark.parametrize(
    ("step_mm", "digits"), [(1.25, 0), (2.5, 0), (3.3, 0), (0.8, 0), (0.625, 1), (0.75, 1)]
)
def test_rounded_positions_are_evened_out(tmp_path: Path, step_mm: float, digits: int) -> None:
    series = only(found_in(tmp_path, along(step_mm, digits)))
    assert series.grid is not None
    assert series.grid.shape == LONG.shape
    assert series.grid.spacing_mm[2] == pytest.approx(step_mm, abs=10.0**-digits / 40)
    assert warned(series, "positions are rounded to")
    # No slice is mixed with another
    assert np.array_equal(read_volume(series).hu, LONG)


def numbered_from_gaps(dataset: Dataset, k: int) -> None:
    """Every fifth slice of a scan with 1 mm was lost: its number is missing, too."""
    place = k + k // 4
    dataset.InstanceNumber = place + 1
    dataset.ImagePositionPatient = [-9, -7, 5 + place]


def test_lost_slices_are_not_taken_for_rounding(tmp_path: Path) -> None:
    series = only(found_in(tmp_path, numbered_from_gaps))
    assert series.fault is not None
    assert series.fault.code == "missing_slices"


def test_positions_that_are_even_as_they_are_stay_so(tmp_path: Path) -> None:
    series = only(found_in(tmp_path, along(3, 0)))
    assert series.warnings == ()
    assert_right_by_value(series)


@pytest.mark.parametrize("positions", [2, 3, 6])
def test_many_images_at_few_positions_are_refused_in_one_sentence(tmp_path: Path, positions: int) -> None:
    series = only(found_in(tmp_path, at(lambda k: (-9, -7, 5 + 3 * (k % positions)))))
    assert series.fault is not None
    assert series.fault.code == "few_positions"
    assert f"40 images at {positions} positions" in series.fault.text


def test_slices_side_by_side_are_refused_in_one_sentence(tmp_path: Path) -> None:
    series = only(found_in(tmp_path, at(lambda k: (-9 + 3 * k, -7, 5))))
    assert series.fault is not None
    assert series.fault.code == "irregular_position"
    assert "40 side by side" in series.fault.text


@pytest.mark.parametrize("far", [(39,), (0, 39), (37, 38, 39)])
def test_a_few_slices_far_from_all_others_cost_only_themselves(tmp_path: Path, far: tuple[int, ...]) -> None:
    away = {k: 399.0 if k > 20 else -399.0 for k in far}
    found = found_in(tmp_path, at(lambda k: (-9, -7, 5 + 3 * k + away.get(k, 0))))
    largest = max(found.series, key=lambda series: len(series.frames))
    assert largest.fault is None
    assert len(largest.frames) == 40 - len(far)
    assert warned(largest, f"slices far from all others were left out: {len(far)}")
    assert sum(len(series.frames) for series in found.series) == 40
    assert_right_by_value(largest)


@pytest.mark.parametrize(
    "second",
    [lambda k: k == 20, lambda k: k % 2 == 1, lambda k: k % 5 == 2, lambda k: 12 <= k < 30],
    ids=["one", "every other", "every fifth", "a stretch within"],
)
def test_frames_of_reference_that_fill_each_others_gaps_are_one(
    tmp_path: Path, second: Callable[[int], bool]
) -> None:
    series = only(found_in(tmp_path, frames(second)))
    assert warned(series, "40 slices that lie between each other name 2 frames of reference")
    assert_right_by_value(series)


def other_scan_within(dataset: Dataset, k: int) -> None:
    """The odd slices are of another tube voltage, too: a second scan."""
    if k % 2:
        dataset.FrameOfReferenceUID, dataset.KVP = "1.2.3.4", 80


@pytest.mark.parametrize("edit", [frames(lambda k: k >= 20), other_scan_within])
def test_two_scans_in_two_frames_of_reference_stay_two(tmp_path: Path, edit: phantoms.Edit) -> None:
    found = found_in(tmp_path, edit)
    assert [len(series.frames) for series in found.series] == [20, 20]
    assert all(warned(series, "differ in frame of reference") for series in found.series)
