"""The check names what is wrong with a data set, and draws it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.image_files.label_files import read_nifti
from tests.support.training.synthetic_datasets import made_case, moved, write_image, write_mask, write_raw
from training.datasets.checking import Checked, check, same_scans, statistics
from training.datasets.contact_sheet import TILE, volume_tile, write_sheet
from training.datasets.importing import Wishes, import_dataset
from training.datasets.layout import Dataset

CASES = {name: seed for seed, name in enumerate("abcdef", start=1)}
LABELS = {"background": 0, "sacrum": 1, "thing": 2}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    source = write_raw(tmp_path / "source", CASES, LABELS)
    return import_dataset(source, tmp_path / "dataset", Wishes())


def codes(checked: Checked, level: str) -> dict[str, tuple[str, ...]]:
    return {remark.code: remark.cases for remark in checked.remarks if remark.level == level}


def test_a_clean_set_has_no_fault_and_says_what_is_in_it(dataset: Dataset) -> None:
    checked = check(dataset)
    assert codes(checked, "fault") == {}
    assert set(codes(checked, "warning")) == {"structure_unknown"}
    first, second = statistics(checked, dataset)
    _, truth = made_case(1)
    ball_ml = np.count_nonzero(truth.labels == 1) * truth.grid.voxel_volume_mm3 / 1000
    assert first["cases"] == second["cases"] == 6
    assert float(first["median_ml"]) == pytest.approx(ball_ml, rel=0.03)
    assert {one.orientation for one in checked.facts} == {"LPS"}


def test_a_structure_of_an_impossible_size_is_named(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 1}, {"background": 0, "hip_left": 1, "thing": 2})
    checked = check(import_dataset(source, tmp_path / "dataset", Wishes()))
    assert codes(checked, "warning")["implausible_size"] == ("a",)


def test_what_is_wrong_with_a_case_is_named(dataset: Dataset) -> None:
    _, labels = made_case(1)
    paths = {case.name: dataset.labels(case) for case in dataset.cases}
    write_mask(moved(labels, (1.0, 0, 0)), paths["a"])
    write_mask(LabelMap(np.where(labels.labels, 7, 0).astype(np.uint8), labels.grid), paths["b"])
    write_mask(LabelMap(np.zeros_like(labels.labels), labels.grid), paths["c"])
    speck = read_nifti(paths["d"]).labels.copy()
    speck[2, 2, 2] = 1
    write_mask(LabelMap(speck, labels.grid), paths["d"])
    paths["e"].unlink()
    checked = check(dataset)
    faults, warnings = codes(checked, "fault"), codes(checked, "warning")
    assert faults["grids_differ"] == ("a",)
    assert faults["unknown_label"] == ("b",)
    assert faults["missing"] == ("e",)
    assert warnings["empty"] == ("c",)
    assert warnings["stray_pieces"] == ("d",)
    assert "changed" in warnings
    assert "rare_structure" in warnings


def test_copies_and_patients_that_appear_twice_are_found(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 1, "b": 1, "c": 2, "d": 3}, LABELS)
    image, _ = made_case(2)
    noisy = np.asarray(image.hu, np.int64) + np.random.default_rng(5).integers(-20, 20, image.hu.shape)
    write_image(CtVolume(noisy.astype(np.int16), image.grid), source / "imagesTr/e_0000.nii.gz")
    write_mask(made_case(2)[1], source / "labelsTr/e.nii.gz")
    wishes = Wishes(patients={"c": "p", "d": "p"})
    checked = check(import_dataset(source, tmp_path / "dataset", wishes))
    faults = [remark for remark in checked.remarks if remark.level == "fault"]
    assert ("identical", ("a", "b")) in [(remark.code, remark.cases) for remark in faults]
    warnings = codes(checked, "warning")
    assert warnings["patient_twice"] == ("c", "d")
    copies = [remark for remark in checked.remarks if remark.code == "near_copy"]
    assert [remark.cases for remark in copies] == [("a", "b"), ("c", "e")]
    assert all("is it one?" in remark.text for remark in copies)


def test_images_of_one_patient_may_look_alike_and_copies_of_copies_are_one_group() -> None:
    rng = np.random.default_rng(1)
    blocks = [np.kron(rng.integers(0, 200, (12, 12)), np.ones((16, 16))).astype(np.uint8) for _ in range(2)]
    images = [blocks[0], blocks[1], blocks[0] + np.uint8(3), np.fliplr(blocks[0])]
    (one,) = same_scans("abcd", images, dict.fromkeys("abcd", "p"))
    assert one.cases == ("a", "c", "d")
    assert one.text.endswith("of one patient")


def test_another_orientation_and_spacing_are_named(tmp_path: Path) -> None:
    source = write_raw(tmp_path / "source", {"a": 1, "b": 2}, LABELS)
    image, labels = made_case(3)
    affine = image.grid.ijk_to_lps.copy()
    affine[:, 2] *= 4
    affine[:3, 3] += affine[:3, 0] * (image.grid.shape[0] - 1)
    affine[:, 0] *= -1
    grid = replace(image.grid, ijk_to_lps=affine)
    write_image(CtVolume(image.hu, grid), source / "imagesTr/c_0000.nii.gz")
    write_mask(LabelMap(labels.labels, grid), source / "labelsTr/c.nii.gz")
    warnings = codes(check(import_dataset(source, tmp_path / "dataset", Wishes())), "warning")
    assert warnings["orientation"] == ("c",)
    assert "spacing" in warnings


def test_the_contact_sheet_shows_labels_as_viewers_show_patients(dataset: Dataset, tmp_path: Path) -> None:
    image, labels = made_case()
    tile = volume_tile(image, labels)
    assert tile.shape == (TILE, 2 * TILE, 3)
    coloured = np.ptp(tile.astype(int), axis=2) > 60
    # Bone 1 lies to the patient's right, so left in the picture, bone 2 to the left of it
    first = coloured & (tile[..., 0] > tile[..., 2])
    second = coloured & (tile[..., 2] > tile[..., 0])
    axial = slice(None), slice(0, TILE)
    assert np.argwhere(first[axial])[:, 1].mean() < np.argwhere(second[axial])[:, 1].mean()
    # In the coronal half bone 1, which lies higher, is higher in the picture
    coronal = slice(None), slice(TILE, None)
    assert np.argwhere(first[coronal])[:, 0].min() < np.argwhere(second[coronal])[:, 0].min()
    other = flipped(image)
    mirrored = LabelMap(np.flip(labels.labels, 0), other)
    turned = volume_tile(CtVolume(np.flip(image.hu, 0), other), mirrored)
    np.testing.assert_array_equal(turned, tile)
    path = write_sheet(check(dataset).tiles, tmp_path)
    with Image.open(path) as sheet:
        assert sheet.width > 4 * 2 * TILE


def flipped(image: CtVolume) -> Grid:
    affine = image.grid.ijk_to_lps.copy()
    affine[:3, 3] += affine[:3, 0] * (image.grid.shape[0] - 1)
    affine[:, 0] *= -1
    return replace(image.grid, ijk_to_lps=affine)
