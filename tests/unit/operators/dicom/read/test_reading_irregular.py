"""Slices that are missing, cut short, stray or uneven are mended within limits."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import (
    AFFINE,
    HU,
    SHAPE,
    assert_right_by_value,
    only,
    setting,
)


def test_a_missing_slice_is_filled_from_its_neighbours_and_warned_of(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, keep=[n for n in range(10) if n != 4])
    series = only(scan(tmp_path))
    assert "1 of 10 slices are missing" in series.warnings[0]
    assert [frame.k for frame in series.frames] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert_right_by_value(series, tolerance_hu=1.1)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1.99"]
)
def test_a_truncated_file_counts_as_a_missing_slice_and_is_named(tmp_path: Path, syntax: str) -> None:
    paths = phantoms.write_ct(tmp_path, HU, AFFINE, transfer_syntax_uid=syntax)
    paths[4].write_bytes(paths[4].read_bytes()[:-30])
    found = scan(tmp_path)
    series = only(found)
    assert [file.path for file in found.unreadable] == ["1_004.dcm"]
    assert any("slices are missing" in warning for warning in series.warnings)
    assert_right_by_value(series, tolerance_hu=1.1)


def test_a_truncated_file_is_named_in_the_warnings_of_its_series(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path, HU, AFFINE)
    paths[9].write_bytes(paths[9].read_bytes()[:-30])
    series = only(scan(tmp_path))
    assert any("1_009.dcm was left out" in warning for warning in series.warnings)


def test_a_file_cut_within_its_header_is_unreadable(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path, HU, AFFINE)
    for n, length in enumerate((140, 200, 400, 700, 900)):
        (tmp_path / f"cut{n}").write_bytes(paths[4].read_bytes()[:length])
    found = scan(tmp_path)
    assert len(only(found).frames) == 10
    assert len(found.unreadable) == 5


def test_an_extra_slice_off_the_grid_is_split_off(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    moved = AFFINE.copy()
    moved[2, 3] += 13.4
    phantoms.write_ct(
        tmp_path / "extra", HU, moved, keep=[0], edit=setting(SOPInstanceUID="1.2.3", InstanceNumber=11)
    )
    main, extra = scan(tmp_path).series
    assert (len(main.frames), len(extra.frames)) == (10, 1)
    assert extra.part == "slices off the grid"
    assert extra.grid is None
    assert np.array_equal(read_volume(main).hu, HU)


def test_a_tilted_gantry_gives_a_sheared_grid_with_a_warning(tmp_path: Path) -> None:
    affine = phantoms.tilted_affine(20)
    phantoms.write_ct(tmp_path, phantoms.position_volume(SHAPE, affine), affine)
    series = only(scan(tmp_path))
    assert series.warnings == ("the gantry was tilted by 20.0 degrees: the grid is sheared",)
    assert_right_by_value(series, tolerance_hu=0.52)


def test_uneven_slices_are_resampled_and_each_finds_its_plane(tmp_path: Path) -> None:
    depths = np.array([0, 2, 4, 6, 8, 10, 13, 16, 19, 22]) / 3

    def edit(dataset: Dataset, k: int) -> None:
        place = AFFINE.copy()
        place[:3, 3] += depths[k] * AFFINE[:3, 2]
        moved = phantoms.ct_slice(phantoms.position_volume((8, 6, 1), place), place, 0)
        dataset.ImagePositionPatient, dataset.PixelData = moved.ImagePositionPatient, moved.PixelData

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    series = only(scan(tmp_path))
    assert [frame.k for frame in series.frames] == pytest.approx(depths * 1.5)
    assert_right_by_value(series, tolerance_hu=1.1)
