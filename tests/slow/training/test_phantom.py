"""The procedural pelvis: anatomy, fractures, CT and DICOM series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Box, CtVolume, LabelMap
from training.phantoms import BONES, PhantomCT, Structure, pelvis_labels, phantom_ct, write_series
from training.phantoms.anatomy import EXTENT_MM, LOWEST_Z_MM
from training.phantoms.skeleton.bones import bones
from training.phantoms.subject import grid_at, model_points, random_subject

SPACING_MM = 3.0
CT_SPACING_MM = (2.6, 2.6, 2.6)


@pytest.fixture(scope="module")
def anatomy() -> LabelMap:
    return pelvis_labels(np.random.default_rng(3), SPACING_MM)


@pytest.fixture(scope="module")
def fractured() -> PhantomCT:
    return phantom_ct(np.random.default_rng(0), CT_SPACING_MM)


@pytest.fixture(scope="module")
def five_slices(fractured: PhantomCT) -> CtVolume:
    grid = fractured.ct.grid
    block = Box((0, 0, 40), (grid.shape[0], grid.shape[1], 45))
    return CtVolume(fractured.ct.hu[block.slices], grid.crop(block))


def volume_ml(label_map: LabelMap, value: int) -> float:
    return float((label_map.labels == value).sum() * label_map.grid.voxel_volume_mm3 / 1000)


def middle_lps(label_map: LabelMap, values: tuple[int, ...]) -> NDArray[np.float64]:
    index = np.argwhere(np.isin(label_map.labels, values)).mean(axis=0)
    return np.asarray((label_map.grid.ijk_to_lps @ [*index, 1.0])[:3])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bones_have_the_volume_of_an_adults(seed: int) -> None:
    anatomy = pelvis_labels(np.random.default_rng(seed), 4.0)
    assert 250 < volume_ml(anatomy, Structure.HIP_LEFT) < 560
    assert 250 < volume_ml(anatomy, Structure.HIP_RIGHT) < 560
    assert 150 < volume_ml(anatomy, Structure.SACRUM) < 340


def test_the_standard_phantoms_bones_have_the_volume_of_an_average_adults(fractured: PhantomCT) -> None:
    truth = fractured.truth
    assert 250 < volume_ml(truth, 21) < 450
    assert 250 < sum(volume_ml(truth, v) for v in (11, 12, 13)) < 450
    assert 150 < sum(volume_ml(truth, v) for v in (1, 2)) < 270


def test_every_structure_is_drawn(anatomy: LabelMap) -> None:
    expected = {int(s) for s in Structure} - {Structure.HAEMATOMA}
    assert set(np.unique(anatomy.labels).tolist()) == expected


def test_the_patients_left_is_at_positive_x(anatomy: LabelMap) -> None:
    for left in (Structure.HIP_LEFT, Structure.FEMUR_LEFT):
        assert middle_lps(anatomy, (left,))[0] > 50
    for right in (Structure.HIP_RIGHT, Structure.FEMUR_RIGHT):
        assert middle_lps(anatomy, (right,))[0] < -50


def test_the_sacrum_lies_behind_and_above_the_hip_joints(anatomy: LabelMap) -> None:
    sacrum, femora = middle_lps(anatomy, (1,)), middle_lps(anatomy, (4, 5))
    assert sacrum[1] - femora[1] > 20
    assert sacrum[2] - femora[2] > 50


def test_both_sides_are_nearly_alike(anatomy: LabelMap) -> None:
    left, right = (volume_ml(anatomy, s) for s in (Structure.HIP_LEFT, Structure.HIP_RIGHT))
    assert abs(left - right) < 0.1 * left


def test_each_bone_is_in_one_piece(anatomy: LabelMap) -> None:
    for bone in BONES[:5]:
        parts, _ = ndimage.label(anatomy.labels == bone, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert sizes.max() > 0.98 * sizes.sum()


def test_bones_do_not_overlap() -> None:
    rng = np.random.default_rng(5)
    grid = grid_at((3.0, 3.0, 3.0), EXTENT_MM, LOWEST_Z_MM)
    claims = np.zeros(grid.shape, dtype=np.uint8)
    for solid in bones(model_points(grid, random_subject(rng))).values():
        claims[solid.block] += solid.distance_mm < 0
    assert claims.max() == 1


def test_a_seed_gives_the_same_anatomy_and_another_seed_another() -> None:
    first, again, other = (pelvis_labels(np.random.default_rng(seed), 6.0).labels for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_default_case_has_three_left_fragments_two_sacral_ones_and_a_whole_right_side(
    fractured: PhantomCT,
) -> None:
    assert set(np.unique(fractured.truth.labels).tolist()) == {0, 1, 2, 11, 12, 13, 21}


def test_fragments_are_connected_and_numbered_by_size(fractured: PhantomCT) -> None:
    labels = fractured.truth.labels
    for value in (1, 2, 11, 12, 13, 21):
        assert ndimage.label(labels == value)[1] == 1
    left_hip = [int((labels == value).sum()) for value in (11, 12, 13)]
    assert left_hip == sorted(left_hip, reverse=True)


def test_without_fractures_every_bone_is_whole() -> None:
    whole = phantom_ct(np.random.default_rng(0), (4.0, 4.0, 4.0), fractures={})
    assert set(np.unique(whole.truth.labels).tolist()) == {0, 1, 11, 21}


def test_bone_is_denser_than_flesh_and_flesh_than_air(fractured: PhantomCT) -> None:
    hu, labels = fractured.ct.hu, fractured.truth.labels
    bone = hu[labels == 21]
    assert 230 < np.median(bone) < 480
    assert np.percentile(bone, 95) > 750
    assert hu[0, 0].mean() < -950
    middle = hu[hu.shape[0] // 2, hu.shape[1] // 2]
    assert -150 < np.median(middle) < 150


def test_a_series_gives_back_the_affine_and_the_hounsfield_units(
    tmp_path: Path, five_slices: CtVolume
) -> None:
    paths = write_series(five_slices, tmp_path)
    headers = [pydicom.dcmread(path) for path in paths]
    affine = np.eye(4)
    first, last = headers[0], headers[-1]
    affine[:3, 0] = np.array(first.ImageOrientationPatient[:3], float) * first.PixelSpacing[1]
    affine[:3, 1] = np.array(first.ImageOrientationPatient[3:], float) * first.PixelSpacing[0]
    step = np.subtract(last.ImagePositionPatient, first.ImagePositionPatient).astype(float)
    affine[:3, 2] = step / (len(headers) - 1)
    affine[:3, 3] = first.ImagePositionPatient
    assert np.allclose(affine, five_slices.grid.ijk_to_lps, atol=1e-5)
    stored = np.stack([h.pixel_array.T.astype(int) + int(h.RescaleIntercept) for h in headers], axis=2)
    assert np.array_equal(stored, five_slices.hu)


def test_a_name_fixes_the_uids_and_each_slice_has_its_own(tmp_path: Path, five_slices: CtVolume) -> None:
    uids = []
    for folder, name in (("a", "one"), ("b", "one"), ("c", "two")):
        paths = write_series(five_slices, tmp_path / folder, name)
        uids.append([pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in paths])
    assert uids[0] == uids[1]
    assert not set(uids[0]) & set(uids[2])
    assert len(set(uids[0])) == 5


def test_the_same_images_have_the_same_uids_and_others_have_other_ones(
    tmp_path: Path, five_slices: CtVolume
) -> None:
    hu = five_slices.hu.copy()
    hu[0, 0, 0] += 1
    moved = np.array(five_slices.grid.ijk_to_lps)
    moved[0, 3] += 1
    grid = replace(five_slices.grid, ijk_to_lps=moved)
    volumes = (five_slices, five_slices, CtVolume(hu, five_slices.grid), CtVolume(five_slices.hu, grid))
    uids = []
    for number, volume in enumerate(volumes):
        paths = write_series(volume, tmp_path / str(number))
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
        names = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
        uids.append({header[name].value for header in headers for name in names})
    assert uids[0] == uids[1]
    assert uids[0].isdisjoint(uids[2] | uids[3])
    assert uids[2].isdisjoint(uids[3])
