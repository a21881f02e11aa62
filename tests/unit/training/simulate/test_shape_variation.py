"""New bone shapes between two of a kind."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.bone_patches import BoneSubject
from training.simulate.shape_variation import between, bones_between


def ellipsoid(radii_mm: tuple[float, float, float], spacing_mm: float, fragments: int = 1) -> BoneSubject:
    """A bone whose centre is the array's."""
    shape = tuple(int(2 * radius / spacing_mm) + 9 for radius in radii_mm)
    at = np.indices(shape).reshape(3, -1).T - (np.array(shape) - 1) / 2
    inside = (((at * spacing_mm / radii_mm) ** 2).sum(axis=1) <= 1).reshape(shape)
    labels = inside.astype(np.uint8)
    labels[: shape[0] // 2][labels[: shape[0] // 2] > 0] = fragments
    return BoneSubject("ellipsoid", labels, inside.astype(np.float32), None, np.full(3, spacing_mm))


def radii_of(bone: BoneSubject) -> np.ndarray:
    voxels = np.argwhere(bone.fragments > 0) * bone.spacing_mm
    return np.ptp(voxels, axis=0) / 2


def volume_ml(bone: BoneSubject) -> float:
    return float((bone.fragments > 0).sum() * np.prod(bone.spacing_mm) / 1000)


SMALL, LARGE = ellipsoid((20, 12, 30), 1.0), ellipsoid((28, 20, 36), 1.5)


@pytest.mark.parametrize("share", [-0.2, 0.0, 0.3, 0.5, 1.0, 1.2])
def test_extents_and_volume_lie_as_far_between_the_two_as_asked(share: float) -> None:
    made = between(SMALL, LARGE, share, "new")
    expected = np.array([20, 12, 30]) ** (1 - share) * np.array([28, 20, 36]) ** share
    np.testing.assert_allclose(radii_of(made), expected, atol=2.0)
    assert volume_ml(made) == pytest.approx(4 / 3 * np.pi * np.prod(expected) / 1000, rel=0.1)


def test_at_either_end_it_is_that_bone() -> None:
    made = between(SMALL, LARGE, 0.0, "new")
    same = between(SMALL, SMALL, 0.5, "same")
    assert volume_ml(same) == pytest.approx(volume_ml(SMALL), rel=0.02)
    assert volume_ml(made) == pytest.approx(volume_ml(SMALL), rel=0.05)


def test_a_shape_is_whole_without_texture_and_off_the_edge() -> None:
    made = between(SMALL, LARGE, 0.6, "new")
    assert made.hu is None
    assert not made.fractured
    assert made.fragments.shape == made.mask.shape
    for axis in range(3):
        assert not np.take(made.fragments, [0, -1], axis=axis).any()


def test_only_intact_bones_of_one_kind_are_mixed() -> None:
    broken = ellipsoid((20, 12, 30), 1.0, fragments=2)
    made = bones_between({"femur": [SMALL, LARGE, broken], "humerus": [SMALL]}, 2)
    assert len(made) == 2
    assert {bone.name.split()[0] for bone in made} == {"femur"}
    assert len({bone.name for bone in made}) == 2


def test_they_are_always_the_same() -> None:
    kinds = {"femur": [SMALL, LARGE]}
    first, again = bones_between(kinds, 1), bones_between(kinds, 1)
    np.testing.assert_array_equal(first[0].mask, again[0].mask)


def test_none_are_made_where_none_are_asked_for() -> None:
    assert bones_between({"femur": [SMALL, LARGE]}, 0) == []
