"""One scan that came under several SeriesInstanceUIDs is one volume; two scans never are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, LONG, assert_right_by_value, only, warned


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


@pytest.mark.parametrize("number", [halves, odd_and_even, lambda k: 1 + k // 10, lambda k: 2 - (k >= 18)])
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
