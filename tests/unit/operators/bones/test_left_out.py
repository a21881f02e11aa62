"""Bones exclude what is more likely absent than present, and distant pieces that are not bone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.left_out import split_off_mimics
from operators.bones.regions import BoneRegion
from operators.geometry.volume import Grid
from operators.packages.confidence import UNCALIBRATED, Confidence
from tests.support.packages.synthetic_packages import made_package

SHAPE = (70, 40, 40)
SPACING_MM = 1.5
GRID = Grid(SHAPE, np.diag([SPACING_MM] * 3 + [1.0]))
LABEL = made_package().labels[0]
Mask = NDArray[np.bool_]


def ball(centre: tuple[int, int, int], radius: float) -> Mask:
    away = [axis - at for axis, at in zip(np.indices(SHAPE), centre, strict=True)]
    return np.sqrt(sum(each**2 for each in away)) <= radius


BONE = ball((18, 20, 20), 14)


def with_cortex(mask: Mask, cortex_hu: float = 900, marrow_hu: float = 200) -> NDArray[np.float64]:
    """Hounsfield units of bone: a bright shell of two voxels about marrow."""
    return np.where(ndimage.binary_erosion(mask, iterations=2), marrow_hu, cortex_hu) * mask


def image(far: Mask, far_hu: NDArray[np.float64]) -> NDArray[np.float32]:
    """A bone and what lies far from it, in soft tissue, blurred and noisy as of a scanner."""
    sharp = np.where(BONE, with_cortex(BONE), np.where(far, far_hu, 40))
    noise = np.random.default_rng(1).normal(0, 15, SHAPE)
    return (ndimage.gaussian_filter(sharp, 1.0) + noise).astype(np.float32)


def region(far: Mask, confidence: float = 0.98) -> BoneRegion:
    nowhere = np.zeros(SHAPE, bool)
    margin = np.where(BONE | far, 0.8, -0.8).astype(np.float32)
    return BoneRegion(LABEL, margin, nowhere, nowhere, GRID, confidence)


def shown(far: Mask, far_hu: NDArray[np.float64]) -> tuple[Mask, tuple[str, ...]]:
    hu = image(far, far_hu)
    (bone,), said = split_off_mimics([region(far)], UNCALIBRATED, lambda _grid: hu)
    return bone.margin > 0, said


FAR = ball((58, 20, 20), 7)


@pytest.mark.parametrize("contrast_hu", [150.0, 300.0, 600.0, 1200.0])
def test_a_far_piece_that_is_filled_evenly_is_left_out_however_bright_and_said(contrast_hu: float) -> None:
    left, said = shown(FAR, np.full(SHAPE, contrast_hu))
    np.testing.assert_array_equal(left, BONE)
    ml = FAR.sum() * SPACING_MM**3 / 1000
    assert said[0].startswith(f"{LABEL.meaning}: a piece of {ml:.1f} ml, 28 mm from the bone")
    assert len(said) == 1


@pytest.mark.parametrize("cortex_hu", [500.0, 900.0])
def test_a_far_piece_with_a_cortex_stays(cortex_hu: float) -> None:
    left, said = shown(FAR, with_cortex(FAR, cortex_hu))
    np.testing.assert_array_equal(left, BONE | FAR)
    assert said == ()


def test_a_far_splinter_without_an_inside_goes_by_its_brightness() -> None:
    splinter = np.zeros(SHAPE, bool)
    splinter[50:62, 18:21, 18:21] = True
    assert shown(splinter, np.full(SHAPE, 1500.0))[0][splinter].all()
    assert not shown(splinter, np.full(SHAPE, 120.0))[0][splinter].any()


def test_a_piece_that_lies_near_is_no_question_of_brightness() -> None:
    near = ball((41, 20, 20), 7)
    assert not (near & ndimage.binary_dilation(BONE)).any()
    left, said = shown(near, with_cortex(near, 180.0, 100.0))
    np.testing.assert_array_equal(left, BONE | near)
    assert said == ()


def test_a_bone_without_far_pieces_is_looked_at_coarsely_only() -> None:
    fine = replace(GRID, ijk_to_lps=np.diag([0.75] * 3 + [1.0]))
    looks = list[Grid]()

    def hu_on(grid: Grid) -> NDArray[np.float32]:
        looks.append(grid)
        return image(np.zeros(SHAPE, bool), np.zeros(SHAPE))[::2, ::2, ::2]

    (bone,), said = split_off_mimics([replace(region(np.zeros(SHAPE, bool)), grid=fine)], UNCALIBRATED, hu_on)
    assert (int((bone.margin > 0).sum()), said) == (int(BONE.sum()), ())
    assert [grid.same_as(fine.strided((2, 2, 2))) for grid in looks] == [True]


@pytest.mark.parametrize(("rod_hu", "noise_hu"), [(990.0, 12.0), (340.0, 20.0), (3000.0, 0.0)])
def test_a_rod_of_one_substance_is_no_bone(rod_hu: float, noise_hu: float) -> None:
    sharp = np.where(BONE, rod_hu, 40.0) + np.random.default_rng(1).normal(0, noise_hu, SHAPE)
    hu = ndimage.gaussian_filter(sharp, 1.0).astype(np.float32)
    shown, said = split_off_mimics([region(np.zeros(SHAPE, bool))], UNCALIBRATED, lambda _grid: hu)
    assert shown == ()
    assert said == (f"{LABEL.meaning}: as uniform as metal or a phantom's rod, and was left out.",)


def test_a_bone_less_likely_there_than_not_is_left_out_and_said() -> None:
    nothing, even = np.zeros(SHAPE, bool), Confidence(bone=(0.0, 1.0))
    pair = [region(nothing, 0.4), replace(region(nothing), network_mean=0.5)]
    bones, said = split_off_mimics(pair, even, lambda _grid: image(nothing, np.zeros(SHAPE)))
    assert [bone.network_mean for bone in bones] == [0.5]
    assert said == (f"{LABEL.meaning}: more likely absent than present (40%), and was left out.",)
    assert len(split_off_mimics(pair, UNCALIBRATED, lambda _grid: image(nothing, np.zeros(SHAPE)))[0]) == 2
