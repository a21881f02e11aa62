"""Simulated fractures: into what a bone breaks, how it looks there, and where the pieces go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tests.support.bones.synthetic_bones import (
    MARROW_HU,
    SPACING_MM,
    block,
    bone_of,
    dumbbell,
    halves,
    pieces,
    sizes,
    subject,
)
from training.fracturing import BrokenModel, FractureRules, contact_target, fracture
from training.fracturing.bone import separate
from training.fracturing.breaking import break_bone, cut_bone, parted
from training.fracturing.displacement import displace
from training.fracturing.lines import Line, with_lines_between
from training.fracturing.surfaces import Plane
from training.sampling import Pose
from training.simulate.bone_patches import bone_patch

RULES = FractureRules(intact=0, impacted=0)
LEAST = RULES.smallest_mm3 / SPACING_MM**3
BIG = bone_of(np.pad(np.ones((44, 36, 36), bool), 6))


@pytest.mark.parametrize("seed", range(6))
def test_a_seed_gives_the_same_fracture(seed: int) -> None:
    rules = FractureRules(intact=0)
    first, again = (fracture(np.random.default_rng(seed), block(), SPACING_MM, rules) for _ in range(2))
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.fragments, again.fragments)


def test_an_intact_bone_stays_as_it_is() -> None:
    bone = block()
    assert fracture(np.random.default_rng(0), bone, SPACING_MM, FractureRules(intact=1.0)) is bone


def test_chips_lie_along_one_surface() -> None:
    rng = np.random.default_rng(3)
    one = cut_bone(rng, BIG, SPACING_MM, RULES, Line(1.0), chips=6)
    chips = [v for v, count in sizes(one.fragments).items() if count < 0.1 * BIG.fragments.sum()]
    assert len(chips) >= 3
    at = np.argwhere(np.isin(one.fragments, chips)) * SPACING_MM
    assert np.sqrt(np.linalg.eigvalsh(np.cov(at.T))[0]) < 6


@pytest.mark.parametrize("seed", range(10))
def test_fragments_are_connected_and_lie_where_the_bone_was(seed: int) -> None:
    rules = replace(RULES, comminuted=0.5)
    made = break_bone(np.random.default_rng(seed), block(), SPACING_MM, rules, False).fragments
    assert not made[block().fragments == 0].any()
    for value in sizes(made):
        parts, n = ndimage.label(made == value)
        assert sum(size >= LEAST for size in np.bincount(parts.ravel())[1 : n + 1]) == 1


def test_a_cut_that_would_leave_a_splinter_is_not_made() -> None:
    bone, rules = block(), replace(RULES, smallest_mm3=1e9)
    assert all(
        cut_bone(np.random.default_rng(n), bone, SPACING_MM, rules, Line(1.0)) is bone for n in range(5)
    )


def test_a_thin_plate_breaks_across_and_not_into_flakes() -> None:
    plate = bone_of(np.pad(np.ones((40, 40, 5), bool), 6))
    made = [cut_bone(np.random.default_rng(n), plate, SPACING_MM, RULES, Line(0.5)) for n in range(10)]
    contacts = [(contact_target(one.fragments, SPACING_MM) == 2).sum() for one in made]
    assert sum(len(sizes(one.fragments)) > 1 for one in made) >= 7
    assert max(contacts) < 0.6 * plate.fragments.sum()


def test_a_local_cut_leaves_the_rest_of_the_plane_alone() -> None:
    fork = np.zeros((30, 40, 12), bool)
    fork[2:28, 2:12, 2:10] = fork[2:28, 28:38, 2:10] = fork[2:8, 2:38, 2:10] = True
    height = ((np.indices(fork.shape)[0] - 18.5) * SPACING_MM).astype(np.float32)
    one_tine = Plane(np.array([18.5, 7, 6]) * SPACING_MM, np.array([1.0, 0, 0]), local=True)
    found = parted(fork, height, one_tine, SPACING_MM)
    assert set(np.unique(found.parts[:, 28:])) == {0, 1}
    assert set(np.unique(found.parts[20:, 2:12])) == {0, 2}
    assert found.away_mm[:, 28:].min() > 100
    both = parted(fork, height, replace(one_tine, local=False), SPACING_MM)
    assert set(np.unique(both.parts[20:])) == {0, 2}


def in_two_large_parts(bone: BrokenModel) -> bool:
    counts = sizes(bone.fragments)
    return len(counts) == 2 and min(counts.values()) > 1000


def line_and_beside(bone: BrokenModel, before: BrokenModel) -> tuple[float, float]:
    """Mean HU on the contact's middle, and of the bone away from it."""
    contact = contact_target(bone.fragments, SPACING_MM) == 2
    near = ndimage.maximum_filter(bone.fragments, 3) != 255 - ndimage.maximum_filter(255 - bone.fragments, 3)
    inner = ndimage.binary_erosion(before.fragments > 0, iterations=3)
    return float(bone.hu[near & inner].mean()), float(bone.hu[inner & ~contact].mean())


@pytest.mark.parametrize("gap_mm", [0.3, 0.6, 1.0])
def test_a_hairline_darkens_what_it_crosses_by_more_than_the_noise(gap_mm: float) -> None:
    for seed in range(8):
        made = cut_bone(np.random.default_rng(seed), block(), SPACING_MM, RULES, Line(gap_mm))
        if in_two_large_parts(made):
            line, beside = line_and_beside(made, block())
            assert beside - line > 50
            assert (made.fragments > 0).sum() > 0.95 * block().fragments.sum()


def test_a_gap_holds_blood_and_belongs_to_no_fragment() -> None:
    for seed in range(8):
        made = cut_bone(np.random.default_rng(seed), block(), SPACING_MM, RULES, Line(4.0))
        gap = (block().fragments > 0) & (made.fragments == 0)
        if gap.any():
            assert made.hu[gap].mean() < 120


def test_an_impacted_fracture_is_brighter_than_the_bone_beside_it() -> None:
    for seed in range(8):
        made = cut_bone(np.random.default_rng(seed), block(), SPACING_MM, RULES, Line(0, impacted=True))
        if in_two_large_parts(made):
            line, beside = line_and_beside(made, block())
            assert line > beside + 80
            assert (contact_target(made.fragments, SPACING_MM) == 2).any()


def two_blocks() -> BrokenModel:
    bone = block()
    fragments = bone.fragments.copy()
    fragments[26:][fragments[26:] > 0] = 2
    return BrokenModel(bone.hu, fragments)


@pytest.mark.parametrize("seed", range(12))
def test_displaced_fragments_keep_their_volume_and_the_largest_its_place(seed: int) -> None:
    bone = two_blocks()
    wide = BrokenModel(np.pad(bone.hu, 12, mode="edge"), np.pad(bone.fragments, 12))
    rules = replace(RULES, undisplaced=0, dislocated=0)
    moved = displace(np.random.default_rng(seed), wide, SPACING_MM, rules)
    before, after = sizes(wide.fragments), sizes(moved.fragments)
    assert abs(after[2] / before[2] - 1) < 0.05
    assert np.array_equal(moved.fragments == 1, wide.fragments == 1)


def test_impacted_fragments_go_into_each_other_and_the_overlap_is_dense() -> None:
    rules = replace(RULES, undisplaced=0)
    results = [displace(np.random.default_rng(n), two_blocks(), SPACING_MM, rules, True) for n in range(8)]
    assert max(one.hu.max() for one in results) > MARROW_HU * 1.3
    assert all(sizes(one.fragments)[2] > 0.75 * sizes(two_blocks().fragments)[2] for one in results)


def test_an_undisplaced_fracture_stays_where_it_is() -> None:
    bone = two_blocks()
    assert displace(np.random.default_rng(0), bone, SPACING_MM, replace(RULES, undisplaced=1.0)) is bone


def test_a_line_of_blood_is_drawn_where_fragments_touch_and_nowhere_else() -> None:
    bone = BrokenModel(np.where(halves() > 0, 700, 40).astype(np.float32), halves())
    darkened = with_lines_between(np.random.default_rng(0), bone).hu
    assert (darkened[9:11, 3:9, 3:9] < 500).all()
    away = np.ones(bone.hu.shape, bool)
    away[9:11] = False
    assert np.array_equal(darkened[away], bone.hu[away])


def test_crumbs_join_their_nearest_piece_and_are_not_lost() -> None:
    fragments = halves()
    fragments[0, 0, 0] = 3
    joined = separate(fragments, 10, 10)
    assert joined[0, 0, 0] == joined[2, 2, 2]
    assert np.array_equal(joined > 0, fragments > 0)
    assert np.array_equal(separate(halves(), 1e6, 10), halves())
    assert len(sizes(separate(np.minimum(halves(gap=2), 1), 10, 10))) == 2
    assert len(sizes(separate(halves(gap=2), 10, 1))) == 1


@pytest.mark.parametrize("textured", [True, False])
def test_a_bone_patch_is_repeatable_and_blank_far_from_the_bone(textured: bool) -> None:
    source = subject(dumbbell(), textured)
    first, again = (
        bone_patch(np.random.default_rng(5), source, (32, 32, 32), SPACING_MM, Pose(), FractureRules())
        for _ in range(2)
    )
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.target, again.target)
    assert set(np.unique(first.target)) <= {0, 1, 2}
    away_mm = ndimage.distance_transform_edt(first.target == 0) * SPACING_MM
    assert (first.hu[away_mm > 8] == -1000).all()
    assert (first.hu[ndimage.binary_erosion(first.target == 1, iterations=5)] > -500).all()


def test_true_fragments_make_a_bone_fractured() -> None:
    assert subject(bone_of(halves() > 0), False).fractured is False
    assert subject(BrokenModel(block().hu, two_blocks().fragments), False).fractured
    assert pieces(halves() > 0) == 1
