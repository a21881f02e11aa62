"""Simulated fractures: what is cut, what moves, and where the fragments touch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from training.bone_patches import BoneSubject, bone_patch
from training.fractures import (
    Bone,
    FractureRules,
    contact_target,
    cut,
    darken_interfaces,
    displace,
    fracture,
    separate,
    several_fragments,
)
from training.sampling import Pose

SPACING_MM = 1.2
RULES = FractureRules()
LEAST = RULES.smallest_mm3 / SPACING_MM**3


def block() -> Bone:
    fragments = np.zeros((36, 30, 30), np.uint8)
    fragments[5:31, 5:25, 5:25] = 1
    return Bone(np.where(fragments > 0, 700, 40).astype(np.float32), fragments)


def halves(gap: int = 0) -> NDArray[np.uint8]:
    fragments = np.zeros((20, 12, 12), np.uint8)
    fragments[2 : 10 - gap, 2:10, 2:10], fragments[10:18, 2:10, 2:10] = 1, 2
    return fragments


def sizes(fragments: NDArray[np.uint8]) -> dict[int, int]:
    values, counts = np.unique(fragments[fragments > 0], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_a_seed_gives_the_same_fracture(seed: int) -> None:
    first, again = (fracture(np.random.default_rng(seed), block(), SPACING_MM, RULES) for _ in range(2))
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.fragments, again.fragments)


def test_an_intact_bone_stays_as_it_is() -> None:
    bone = block()
    assert fracture(np.random.default_rng(0), bone, SPACING_MM, FractureRules(intact=1.0)) is bone


@pytest.mark.parametrize("seed", range(12))
def test_cuts_leave_connected_pieces_of_at_least_the_least_volume(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bone = block()
    for _ in range(3):
        bone = cut(rng, bone, SPACING_MM, RULES)
    for value, count in sizes(bone.fragments).items():
        parts, n = ndimage.label(bone.fragments == value)
        large = [size for size in np.bincount(parts.ravel())[1 : n + 1] if size >= LEAST]
        assert count >= LEAST
        assert len(large) == 1
    assert not bone.fragments[block().fragments == 0].any()


def test_a_cut_that_would_leave_a_splinter_is_not_made() -> None:
    bone = block()
    rules = FractureRules(smallest_mm3=1e9)
    assert all(cut(np.random.default_rng(n), bone, SPACING_MM, rules) is bone for n in range(5))


def test_gaps_hold_blood_and_belong_to_no_fragment() -> None:
    opened = [cut(np.random.default_rng(seed), block(), SPACING_MM, RULES) for seed in range(10)]
    gaps = [(bone, (block().fragments > 0) & (bone.fragments == 0)) for bone in opened]
    assert any(gap.any() for _, gap in gaps)
    for bone, gap in gaps:
        if gap.any():
            assert bone.hu[gap].mean() < 500


def test_crumbs_join_their_nearest_piece_and_are_not_lost() -> None:
    fragments = halves()
    fragments[0, 0, 0] = 3
    joined = separate(fragments, smallest=10)
    assert joined[0, 0, 0] == joined[2, 2, 2] == 1
    assert np.array_equal(joined > 0, fragments > 0)


def test_pieces_that_are_all_too_small_stay_what_they_were() -> None:
    fragments = halves()
    assert np.array_equal(separate(fragments, smallest=1e6), fragments)


def test_one_label_in_two_places_becomes_two_fragments() -> None:
    fragments = np.minimum(halves(gap=2), 1)
    assert len(sizes(separate(fragments, smallest=10))) == 2


@pytest.mark.parametrize("seed", range(10))
def test_the_largest_fragment_stays_where_it_is(seed: int) -> None:
    fragments = block().fragments.copy()
    fragments[22:31][fragments[22:31] > 0] = 2
    bone = Bone(block().hu, fragments)
    moved = displace(np.random.default_rng(seed), bone, SPACING_MM, FractureRules(undisplaced=0))
    apart = (fragments == 1) & ~several_fragments(moved.fragments, 3)
    assert np.array_equal(moved.fragments == 1, fragments == 1)
    assert np.array_equal(moved.hu[apart], bone.hu[apart])


def test_an_undisplaced_fracture_is_cut_and_stays_where_it_is() -> None:
    bone = Bone(np.where(halves() > 0, 700, 40).astype(np.float32), halves())
    assert displace(np.random.default_rng(0), bone, SPACING_MM, FractureRules(undisplaced=1.0)) is bone


def test_a_line_of_blood_is_drawn_where_fragments_touch_and_nowhere_else() -> None:
    bone = Bone(np.where(halves() > 0, 700, 40).astype(np.float32), halves())
    darkened = darken_interfaces(np.random.default_rng(0), bone).hu
    assert (darkened[9:11, 3:9, 3:9] < 500).all()
    away = np.ones(bone.hu.shape, bool)
    away[9:11] = False
    assert np.array_equal(darkened[away], bone.hu[away])


def test_the_smaller_fragment_moves_and_takes_its_texture_along() -> None:
    fragments = np.where(halves() > 0, halves(), 0).astype(np.uint8)
    fragments[15:18] = 0
    bone = Bone(np.where(fragments == 2, 900, 40).astype(np.float32), fragments)
    rules = FractureRules(shift_mm=12, turn_deg=0, undisplaced=0)
    results = [displace(np.random.default_rng(seed), bone, SPACING_MM, rules) for seed in range(6)]
    assert any(not np.array_equal(result.fragments == 2, fragments == 2) for result in results)
    for result in results:
        inner = ndimage.binary_erosion(result.fragments == 2, np.ones((3, 3, 3)))
        assert not inner.any() or result.hu[inner].min() > 600


def brute_contact(fragments: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Voxels with two fragments within `reach` voxels along each axis, by looking at each of them."""
    near = [ndimage.maximum_filter(fragments == value, 2 * reach + 1) for value in sizes(fragments)]
    several: NDArray[np.bool_] = np.sum(near, axis=0) > 1
    return several


@pytest.mark.parametrize("spacing_mm", [0.8, 1.2, 2.4])
def test_contact_is_what_lies_within_2_4_mm_of_two_fragments(spacing_mm: float) -> None:
    fragments = halves()
    target = contact_target(fragments, spacing_mm)
    expected = brute_contact(fragments, round(2.4 / spacing_mm)) & (fragments > 0)
    assert np.array_equal(target == 2, expected)
    assert np.array_equal(target > 0, fragments > 0)
    along = np.flatnonzero((target == 2).any(axis=(1, 2)))
    reach = round(2.4 / spacing_mm)
    assert (along[0], along[-1]) == (10 - reach, 9 + reach)


def test_a_narrow_gap_between_fragments_counts_as_contact() -> None:
    target = contact_target(halves(gap=2), SPACING_MM)
    assert (target[8:10, 4:8, 4:8] == 2).all()


def test_fragments_far_apart_are_not_in_contact() -> None:
    assert not (contact_target(halves(gap=6), SPACING_MM) == 2).any()


def test_an_intact_bone_has_no_contact() -> None:
    fragments = np.minimum(halves(), 1)
    assert np.array_equal(contact_target(fragments, SPACING_MM), fragments)
    assert not contact_target(np.zeros_like(fragments), SPACING_MM).any()


def test_contact_reaches_the_border_of_the_patch() -> None:
    target = contact_target(halves()[:, 2:10, 2:10], SPACING_MM)
    assert (target[8:12] == 2).all()


def subject(hu: NDArray[np.int16] | None, fragments: NDArray[np.uint8]) -> BoneSubject:
    mask = (fragments > 0).astype(np.float32)
    depth = (np.minimum(ndimage.distance_transform_edt(mask), 12) * 10).astype(np.uint8)
    return BoneSubject("bone", fragments, mask, depth, hu, np.full(3, SPACING_MM))


@pytest.mark.parametrize("textured", [True, False])
def test_a_bone_patch_is_repeatable_and_blank_far_from_the_bone(textured: bool) -> None:
    bone = block()
    source = subject(bone.hu.astype(np.int16) if textured else None, bone.fragments)
    shape = (32, 32, 32)
    first, again = (
        bone_patch(np.random.default_rng(5), source, shape, SPACING_MM, Pose(), RULES) for _ in range(2)
    )
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.target, again.target)
    assert set(np.unique(first.target)) <= {0, 1, 2}
    away_mm = ndimage.distance_transform_edt(first.target == 0) * SPACING_MM
    assert (first.hu[away_mm > 8] == -1000).all()
    assert first.hu[first.target == 1].mean() > 100


def test_true_fragments_make_a_bone_fractured() -> None:
    assert subject(None, halves()).fractured
    assert not subject(None, np.minimum(halves(), 1)).fractured
