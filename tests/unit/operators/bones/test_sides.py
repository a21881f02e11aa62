"""Left is the patient's left, +x in LPS, for any array order and patient position."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.sides import MidlinePlane, midline_plane, plane_of_pairs, split_pairs
from operators.packages.coarse_to_fine import SideRules
from tests.support.dicom.phantoms import all_orientations, oblique_affine
from tests.support.packages.synthetic_packages import centred_affine, positions

NOTHING = np.zeros((0, 3))
X = np.array([1.0, 0.0, 0.0])
WIDEST_MM = SideRules().widest_mm


def turned(points: NDArray[np.float64], degrees: float, axis: str) -> NDArray[np.float64]:
    """Points turned about the patient's long axis (z) or front-to-back axis (y)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrices = {"z": [[c, -s, 0], [s, c, 0], [0, 0, 1]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
    return points @ np.array(matrices[axis]).T + (13.0, -40.0, 220.0)


def clouds(rng: np.random.Generator, count: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two mirrored bones that all but meet at the midline."""
    spread = rng.uniform([2, -50, -90], [120, 60, 90], size=(2 * count, 3))
    left = spread[:count]
    return left, spread[count:] * (-1, 1, 1)


def is_left(plane: MidlinePlane, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Each point as a grid of one voxel."""
    return points @ plane.normal > plane.offset_mm


@pytest.mark.parametrize("axis", ["y", "z"])
@pytest.mark.parametrize("degrees", [-35, -20, 0, 10, 35])
def test_the_plane_parts_left_from_right_of_a_turned_patient(degrees: float, axis: str) -> None:
    left, right = (turned(side, degrees, axis) for side in clouds(np.random.default_rng(1)))
    plane = midline_plane(left, right, NOTHING)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.98
    assert is_left(plane, right).mean() < 0.02


@pytest.mark.parametrize(("of_left", "of_right"), [(0.05, 0.05), (0.05, 0.0), (0.0, 0.05), (0.02, 0.05)])
@pytest.mark.parametrize("degrees", [-30, 0, 30])
def test_the_plane_holds_where_some_voxels_bear_the_wrong_side(
    degrees: float, of_left: float, of_right: float
) -> None:
    rng = np.random.default_rng(2)
    left, right = (turned(side, degrees, "z") for side in clouds(rng))
    wrong_left, wrong_right = rng.random(len(left)) < of_left, rng.random(len(right)) < of_right
    called_left = np.concatenate([left[~wrong_left], right[wrong_right]])
    called_right = np.concatenate([right[~wrong_right], left[wrong_left]])
    plane = midline_plane(called_left, called_right, NOTHING)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.97
    assert is_left(plane, right).mean() < 0.03


def test_the_plane_lies_in_the_gap_between_bones_that_stand_apart() -> None:
    left, right = clouds(np.random.default_rng(3))
    plane = midline_plane(left + np.array([30, 0, 0]), right - np.array([10, 0, 0]), NOTHING)
    assert plane is not None
    assert is_left(plane, left + np.array([30, 0, 0])).all()
    assert not is_left(plane, right - np.array([10, 0, 0])).any()


def test_with_one_side_seen_the_plane_goes_through_the_unpaired_bones() -> None:
    left, _ = clouds(np.random.default_rng(4))
    middle = np.random.default_rng(4).uniform(-30, 30, (500, 3)) + np.array([7, 0, 0])
    plane = midline_plane(left, NOTHING, middle)
    assert plane is not None
    np.testing.assert_array_equal(plane.normal, (1, 0, 0))
    assert plane.offset_mm == pytest.approx(7, abs=4)


def test_with_only_unpaired_bones_seen_the_plane_goes_through_them() -> None:
    plane = midline_plane(NOTHING, NOTHING, np.full((20, 3), 12.0))
    assert plane is not None
    assert plane.offset_mm == 12.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bone_seen_alone_lies_wholly_on_its_side(side: str) -> None:
    bone = clouds(np.random.default_rng(5))[0] + (50, 0, 0)
    plane = midline_plane(bone, NOTHING, NOTHING) if side == "left" else midline_plane(NOTHING, bone, NOTHING)
    assert plane is not None
    grown = np.concatenate([bone, bone + 6 * X, bone - 6 * X])
    assert (is_left(plane, grown) == (side == "left")).all()


def test_a_bone_seen_with_a_little_of_its_pair_is_parted_from_it() -> None:
    left, right = clouds(np.random.default_rng(6))
    little = right[right[:, 0] > -20][:300]
    plane = midline_plane(left, little, NOTHING)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.99
    assert not is_left(plane, little).any()


def test_scattered_wrong_sides_do_not_cut_a_bone_that_is_seen_alone() -> None:
    left, _ = clouds(np.random.default_rng(7))
    plane = midline_plane(left[300:], left[:300], NOTHING)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.99


def test_sides_that_cannot_be_parted_still_give_a_plane() -> None:
    left, _ = clouds(np.random.default_rng(8))
    plane = midline_plane(left[:3200], left[3200:], NOTHING)
    assert plane is not None
    assert np.isfinite(plane.offset_mm)


def test_where_nothing_was_found_there_is_no_plane() -> None:
    assert midline_plane(NOTHING, NOTHING, NOTHING) is None


@pytest.mark.parametrize("affine", [*all_orientations(), oblique_affine()])
def test_left_is_plus_x_whatever_the_order_of_the_array(affine: NDArray[np.float64]) -> None:
    shape = (7, 6, 5)
    centred = centred_affine(affine[:3, :3], shape)
    plane = MidlinePlane(np.array([1.0, 0.0, 0.0]), 0.3)
    np.testing.assert_array_equal(plane.left_of(centred, shape), positions(shape, centred)[..., 0] > 0.3)


@pytest.mark.parametrize(("offset_mm", "expected"), [(-np.inf, True), (np.inf, False)])
def test_a_plane_at_infinity_has_all_voxels_on_one_side(offset_mm: float, expected: bool) -> None:
    plane = MidlinePlane(np.array([1.0, 0.0, 0.0]), offset_mm)
    assert (plane.left_of(oblique_affine(), (4, 5, 6)) == expected).all()


def test_pairs_without_sides_are_parted_by_the_bones_of_the_midline() -> None:
    left, right = clouds(np.random.default_rng(9))
    middle = np.random.default_rng(9).uniform([-25, -20, -90], [25, 20, 90], (500, 3))
    plane = plane_of_pairs(np.concatenate([left, right]), middle, NOTHING, WIDEST_MM)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.98
    assert is_left(plane, right).mean() < 0.02


def test_a_cloud_wider_than_one_bone_is_two_without_a_midline() -> None:
    left, right = clouds(np.random.default_rng(10))
    of_left, of_right = split_pairs(np.concatenate([left, right]) + 300 * X, NOTHING, NOTHING, WIDEST_MM)
    assert np.ptp(np.concatenate([left, right])[:, 0]) > WIDEST_MM
    assert (of_left[:, 0] > 300).mean() > 0.99
    assert (of_right[:, 0] < 300).mean() > 0.99
    assert len(of_left) == pytest.approx(len(left), rel=0.03)


@pytest.mark.parametrize(("degrees", "axis"), [(-20, "y"), (20, "y"), (0, "z"), (-20, "z"), (20, "z")])
def test_midline_bones_behind_the_axis_of_a_turned_patient_do_not_mislead(degrees: float, axis: str) -> None:
    rng = np.random.default_rng(13)
    left, right = clouds(rng)
    behind = rng.uniform([-15, 60, 0], [15, 100, 90], size=(800, 3))
    wing = left[:, 0] > 10 + 50 * (left[:, 2] > 0)
    left, right = left[wing], right[-right[:, 0] > 10 + 50 * (right[:, 2] > 0)]
    left, right = turned(left, degrees, axis), turned(right, degrees, axis)
    plane = plane_of_pairs(np.concatenate([left, right]), turned(behind, degrees, axis), NOTHING, WIDEST_MM)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.99
    assert is_left(plane, right).mean() < 0.01


@pytest.mark.parametrize("degrees", [-15, 0, 15])
def test_a_gap_beside_the_midline_is_no_midline(degrees: float) -> None:
    """A broken ramus leaves fewer voxels in its gap than lie about the joint between the sides."""
    rng = np.random.default_rng(14)
    left, right = clouds(rng)
    gap = (left[:, 0] > 25) & (left[:, 0] < 39)
    left = left[~gap]
    behind = rng.uniform([-40, 30, 0], [40, 90, 90], size=(800, 3))
    left, right = turned(left, degrees, "z"), turned(right, degrees, "z")
    plane = plane_of_pairs(np.concatenate([left, right]), turned(behind, degrees, "z"), NOTHING, WIDEST_MM)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.98
    assert is_left(plane, right).mean() < 0.02


def test_a_side_that_was_pushed_up_hardly_tilts_the_plane() -> None:
    """A vertical shear: one half of the pelvis stands 15 mm higher."""
    rng = np.random.default_rng(15)
    left, right = clouds(rng)
    left[:, 2] += 15
    behind = rng.uniform([-40, 30, 0], [40, 90, 90], size=(800, 3))
    plane = plane_of_pairs(np.concatenate([left, right]), behind, NOTHING, WIDEST_MM)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.98
    assert is_left(plane, right).mean() < 0.02


@pytest.mark.parametrize("further_out_mm", [60.0, -60.0])
def test_a_bone_seen_alone_lies_on_the_side_of_its_lateral_neighbour(further_out_mm: float) -> None:
    bone, _ = clouds(np.random.default_rng(11))
    of_left, of_right = split_pairs(bone, NOTHING, bone[:200] + further_out_mm * X, WIDEST_MM)
    assert (len(of_left), len(of_right)) == ((len(bone), 0) if further_out_mm > 0 else (0, len(bone)))


def test_a_side_is_not_guessed() -> None:
    bone, _ = clouds(np.random.default_rng(12))
    assert [len(side) for side in split_pairs(bone, NOTHING, NOTHING, WIDEST_MM)] == [0, 0]
    assert [len(side) for side in split_pairs(NOTHING, bone, bone, WIDEST_MM)] == [0, 0]


@pytest.mark.parametrize(("degrees", "axis"), [(-20, "y"), (30, "y"), (20, "z"), (30, "z")])
def test_the_thin_waist_of_a_bone_is_not_taken_for_the_joint_between_the_sides(
    degrees: float, axis: str
) -> None:
    """Across the waist fewer voxels are cut than across the joint, low in front, where the two meet."""
    rng = np.random.default_rng(15)
    left, right = clouds(rng)
    thin = {"y": 2, "z": 1}[axis]

    def shaped(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, low = np.abs(points[:, 0]), points[:, thin] < -20
        return points[(x > 55) | (low & ((x < 22) | (rng.random(len(points)) < 0.5)))]

    left, right = turned(shaped(left), degrees, axis), turned(shaped(right), degrees, axis)
    behind = turned(rng.uniform([-15, 60, 30], [15, 100, 90], size=(800, 3)), degrees, axis)
    plane = plane_of_pairs(np.concatenate([left, right]), behind, NOTHING, WIDEST_MM)
    assert plane is not None
    assert is_left(plane, left).mean() > 0.99
    assert is_left(plane, right).mean() < 0.01
