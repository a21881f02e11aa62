"""One DICOM series may hold several volumes: they are separated and never mixed."""

import shutil
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


def test_a_localizer_inside_the_series_is_split_off(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    sagittal = setting(
        SOPInstanceUID="1.2.3",
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    phantoms.write_ct(tmp_path / "scout", HU, AFFINE, keep=[0], edit=sagittal)
    volume, scout = scan(tmp_path).series
    assert np.array_equal(read_volume(volume).hu, HU)
    assert scout.grid is None
    assert "localizer, orientation" in scout.part


# What tells phase n from the other at slice k.
PHASES: dict[str, tuple[str, str]] = {
    "acquisition number": ("AcquisitionNumber", "{n}"),
    "temporal position": ("TemporalPositionIdentifier", "{n}"),
    "cardiac phase": ("TriggerTime", "{n}00"),
    "order of acquisition time": ("AcquisitionTime", "12{n:02d}{k:02d}.5"),
    "order of content time": ("ContentTime", "12{n:02d}{k:02d}"),
    "order of instance number": ("InstanceNumber", "{n}{k:02d}"),
}


@pytest.mark.parametrize("name", PHASES)
def test_phases_at_the_same_positions_are_split(tmp_path: Path, name: str) -> None:
    for n in range(2):

        def edit(dataset: Dataset, k: int, n: int = n) -> None:
            dataset.SOPInstanceUID = f"1.2.3.{(n + k) % 2}.{k + 1}"
            dataset.InstanceNumber = k
            keyword, value = PHASES[name]
            setattr(dataset, keyword, value.format(n=n, k=k))

        phantoms.write_ct(tmp_path / f"{n}", HU + 100 * n, AFFINE, edit=edit)
    first, second = scan(tmp_path).series
    assert (first.part, second.part) == ("phase 1 of 2", "phase 2 of 2")
    assert f"split into phases by {name}" in first.warnings
    assert np.array_equal(read_volume(first).hu, HU)
    assert np.array_equal(read_volume(second).hu, HU + 100)


def second_acquisition(dataset: Dataset, k: int) -> None:
    dataset.AcquisitionNumber, dataset.SOPInstanceUID = 2, f"1.2.3.{k + 1}"


def test_a_phase_with_a_missing_slice_takes_none_from_the_other(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "a", HU, AFFINE, keep=[n for n in range(10) if n != 5])
    phantoms.write_ct(tmp_path / "b", HU + 100, AFFINE, edit=second_acquisition)
    first, second = scan(tmp_path).series
    assert (len(first.frames), len(second.frames)) == (9, 10)
    assert np.array_equal(read_volume(second).hu, HU + 100)


def test_interleaved_acquisitions_are_not_mixed(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "a", HU, AFFINE)
    moved = AFFINE.copy()
    moved[2, 3] += 1.5
    phantoms.write_ct(tmp_path / "b", phantoms.position_volume(SHAPE, moved), moved, edit=second_acquisition)
    first, second = scan(tmp_path).series
    assert_right_by_value(first)
    assert_right_by_value(second)
    assert first.grid is not None
    assert first.grid.spacing_mm[2] == pytest.approx(3.0)


def test_one_repeated_slice_does_not_make_two_phases(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    again = setting(SOPInstanceUID="1.2.3", InstanceNumber=50)
    phantoms.write_ct(tmp_path / "again", HU + 50, AFFINE, keep=[3], edit=again)
    main, repeated = scan(tmp_path).series
    assert np.array_equal(read_volume(main).hu, HU)
    assert repeated.part == "repeated slices 1"
    assert any("repeat the position" in warning for warning in main.warnings)


def test_copies_of_an_image_count_once(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path / "a", HU, AFFINE)
    shutil.copytree(paths[0].parent, tmp_path / "b" / "c")
    series = only(scan(tmp_path))
    assert series.instances == 10
    assert any("more than once" in warning for warning in series.warnings)


def test_slices_that_differ_only_in_their_uid_are_warned_of(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "a", HU, AFFINE)

    def edit(dataset: Dataset, k: int) -> None:
        dataset.SOPInstanceUID = f"1.2.3.{k + 1}"

    phantoms.write_ct(tmp_path / "b", HU, AFFINE, edit=edit)
    first, _ = scan(tmp_path).series
    assert any("differ only in their UID" in warning for warning in first.warnings)


def other_frame(dataset: Dataset, k: int) -> None:
    dataset.FrameOfReferenceUID, dataset.SOPInstanceUID = "1.2.4", f"1.2.3.{k + 1}"


def other_matrix(dataset: Dataset, k: int) -> None:
    stored = np.frombuffer(dataset.PixelData, "<i2").reshape(6, 8)[:, :5]
    dataset.Columns, dataset.PixelData = 5, stored.tobytes()
    dataset.SOPInstanceUID = f"1.2.3.{k + 1}"


@pytest.mark.parametrize(
    ("edit", "label"), [(other_frame, "frame of reference"), (other_matrix, "matrix size")]
)
def test_slices_that_cannot_be_one_volume_are_split(tmp_path: Path, edit: phantoms.Edit, label: str) -> None:
    phantoms.write_ct(tmp_path / "a", HU, AFFINE)
    phantoms.write_ct(tmp_path / "b", HU, AFFINE, edit=edit)
    parts = scan(tmp_path).series
    assert len(parts) == 2
    for n, series in enumerate(parts, 1):
        assert series.part == f"part {n} of 2 by {label}"
        assert_right_by_value(series)
