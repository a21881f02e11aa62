"""Simulated bodies: bone starts at the same place in image and target; joints open and close."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from training.sampling import Pose, enlarged, nearest, patch_coordinates, take
from training.simulate.body import Sight, contents, paint, sight
from training.simulate.body.bones import paint_bones, skeleton
from training.simulate.body.paint import draw_means
from training.simulate.body.sight import classes_of
from training.simulate.scanner import EFFECTS
from training.simulate.simulated_ct import simulate
from training.subjects.bone_sets import whole_voxels
from training.subjects.subjects import Subject, from_structures
from training.subjects.surfaces import STEP_MM, bone_surfaces
from training.subjects.tissues import tissue_of

STILL = Pose(rotation_deg=0, scale=0, bend_mm=0)
NAMES = {1: "sacrum", 2: "hip_left", 3: "colon", 4: "urinary_bladder", 5: "aorta"}
PATTERNS = {"one": ["sacrum"], "two": ["hip_left"]}
SHAPE = (48, 48, 48)
CENTRE = np.full(3, 23.5)
Mask = NDArray[np.bool_]


def ball(radius: float, centre: tuple[float, float, float] = (23.5, 23.5, 23.5)) -> Mask:
    grid = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    return np.asarray(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) < radius**2)


def subject_of(structures: NDArray[np.uint8], spacing_mm: float = 1.5) -> Subject:
    made = from_structures("made", structures, NAMES, PATTERNS, spacing_mm, 12)
    return replace(made, skin=np.full(SHAPE, 60, np.int8))


def two_bones(gap: int) -> Subject:
    structures = np.zeros(SHAPE, np.uint8)
    structures[8 : 24 - gap // 2, 10:38, 10:38], structures[24 + gap - gap // 2 : 40, 10:38, 10:38] = 1, 2
    return subject_of(structures)


def seen(subject: Subject, seed: int, pose: Pose = STILL, spacing_mm: float = 1.5) -> Sight:
    rng = np.random.default_rng(seed)
    at = patch_coordinates(rng, CENTRE, SHAPE, spacing_mm, subject.spacing_mm, pose)
    return sight(rng, subject, at, spacing_mm, pose)


def test_distances_are_to_the_surface_between_voxels_and_each_bone_has_its_own() -> None:
    subject = two_bones(0)
    surfaces = subject.surfaces
    first = surfaces.first * STEP_MM
    assert first[8, 24, 24] == pytest.approx(0.75, abs=0.15)
    assert first[7, 24, 24] == pytest.approx(-0.75, abs=0.15)
    assert first[16, 24, 24] == pytest.approx(7.5 * 1.5, abs=0.4)
    assert (surfaces.owner[23, 24, 24], surfaces.owner[24, 24, 24]) == (1, 2)
    assert (first[subject.targets > 0] > 0).all()
    assert (first[subject.targets == 0] < 0).all()
    assert (surfaces.second <= surfaces.first).all()
    assert not bone_surfaces(np.zeros(SHAPE, np.uint8), 1.5).owner.any()


@pytest.mark.parametrize("spacing_mm", [1.5, 4.0])
def test_the_half_way_edge_of_a_painted_and_scanned_bone_is_the_targets_edge(spacing_mm: float) -> None:
    """Volume at the half-way level against volume of the target, over a ball's surface, in voxels."""
    subject = subject_of(ball(17).astype(np.uint8))
    means = np.full(6, 300, np.float32)
    shifts = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        centre = CENTRE + rng.uniform(-1, 1, 3)
        at = patch_coordinates(rng, centre, SHAPE, spacing_mm, subject.spacing_mm, Pose(12, 0, 0))
        view = sight(rng, subject, at, spacing_mm, STILL)
        target = classes_of(view, subject.classes) > 0
        frame = replace(skeleton(rng), cortex_hu=300.0)
        hu = paint_bones(rng, subject, view, means, np.zeros(SHAPE, np.float32), frame)
        for name, strength in (("smooth_kernel", 0.5), ("sharp_kernel", 0.7), ("thick_slices", 2.0)):
            hu = EFFECTS[name](rng, hu, (spacing_mm,) * 3, strength)
        fine = enlarged(hu, tuple(2 * n - 1 for n in SHAPE), 2)
        bright = (np.count_nonzero(hu >= 150) + np.count_nonzero(fine >= 150) / 8) / 2
        radius = 17 * 1.5 / spacing_mm
        shifts.append((bright - target.sum()) / (4 * np.pi * radius**2))
    assert abs(np.mean(shifts)) < 0.1


def test_a_voxel_is_bone_if_at_least_half_of_it_is() -> None:
    """A flat face at any depth within a coarse voxel, against the share of it that is bone."""
    structures = np.zeros(SHAPE, np.uint8)
    structures[:24] = 1
    subject = subject_of(structures)
    for shift in np.linspace(-1, 1, 21):
        rng = np.random.default_rng(0)
        centre = CENTRE + np.array([shift, 0, 0])
        at = patch_coordinates(rng, centre, (12, 9, 9), 4.0, subject.spacing_mm, STILL)
        view = sight(rng, subject, at, 4.0, STILL)
        # Bone fills every source voxel up to index 23, so it ends at 23.5
        share = np.clip((23.5 - at[0]) * 1.5 / 4.0 + 0.5, 0, 1)
        sure = np.abs(share - 0.5) > 0.03
        assert np.array_equal((classes_of(view, subject.classes) > 0)[sure], (share > 0.5)[sure])


def test_joints_open_and_close_and_nothing_else_changes() -> None:
    touching, apart = two_bones(0), two_bones(2)
    opened = closed = False
    for seed in range(12):
        pose = replace(STILL, joint_mm=3.0)
        for subject in (touching, apart):
            target = classes_of(seen(subject, seed, pose), subject.classes)
            change = (target > 0) != (subject.targets > 0)
            assert not change[:17].any()
            assert not change[31:].any()
            opened |= bool((change & (subject.targets > 0)).sum() > 500)
            closed |= bool((change & (subject.targets == 0)).sum() > 500)
            assert {*np.unique(target)} <= {0, 1, 2}
    assert opened
    assert closed


def test_bones_of_label_maps_swell_and_shrink_each_on_its_own_and_a_patients_own_stay() -> None:
    subject = two_bones(6)
    pose = replace(STILL, swell_mm=1.5)
    targets = [classes_of(seen(subject, seed, pose), subject.classes) for seed in range(9)]
    sizes = np.array([np.bincount(target.ravel(), minlength=3)[1:] for target in targets])
    assert (sizes.max(axis=0) > 1.05 * sizes.min(axis=0)).all()
    assert abs(np.corrcoef(sizes.T)[0, 1]) < 0.9
    own = replace(subject, hu=np.ones(SHAPE, np.int16))
    assert np.array_equal(classes_of(seen(own, 1, pose), own.classes), own.targets)


def test_a_person_has_all_bones_of_like_density_and_all_vessels_of_like_contrast() -> None:
    tissues = tuple(tissue_of(name) for name in ("sacrum", "hip_left", "aorta", "iliac_artery_left"))
    spread, between = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        means = draw_means(rng, tissues, skeleton(rng))
        spread.append(abs(means[0] - means[1]) + abs(means[2] - means[3]))
        between.append(means)
    assert max(spread) < 0.2 * (400 + 430)
    assert np.std(between, axis=0).min() > 60


@pytest.mark.parametrize("content", [content for _, content in contents.CONTENTS], ids=lambda c: c.__name__)
def test_contents_change_something_outside_the_bones_and_nothing_in_them(content: contents.Content) -> None:
    structures = np.zeros(SHAPE, np.uint8)
    for value, row in ((3, 4), (4, 14), (5, 24)):
        structures[4:44, row : row + 8, 4:44] = value
    structures[4:44, 36:44, 4:44] = 1
    subject = subject_of(structures)
    depth_mm = (10 - np.abs(np.arange(48) - 20))[None, :, None] * 2
    subject = replace(subject, skin=np.broadcast_to(depth_mm, SHAPE).astype(np.int8))
    changed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        view = seen(subject, seed)
        hu = np.where(view.skin_mm < 0, np.float32(-1000), np.float32(40))
        before = hu.copy()
        content(rng, subject.tissues, view, hu)
        assert hu.dtype == np.float32
        assert np.isfinite(hu).all()
        changed += not np.array_equal(hu, before)
        again = before.copy()
        content(np.random.default_rng(seed), subject.tissues, view, again)
        assert np.array_equal(hu, again)
    assert changed >= 4


def test_nearest_voxels_are_those_that_interpolation_of_order_zero_takes() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(0, 200, (20, 24, 28)).astype(np.uint8)
    at = patch_coordinates(rng, np.array([4.0, 12, 25]), SHAPE, 1.0, np.ones(3), Pose())
    inside = np.abs(at % 1 - 0.5).min(axis=0) > 0.01
    within = inside & np.all([(a > 0) & (a < n - 1) for a, n in zip(at, source.shape, strict=True)], axis=0)
    assert np.array_equal(nearest(at, source.shape).take(source)[within], take(source, at, 0, 0)[within])


def test_texture_is_trusted_only_where_voxels_are_wholly_bone_but_in_thin_sheets() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[8:20, 8:40, 8:40], mask[30:32, 8:40, 8:40] = True, True
    whole = whole_voxels(mask)
    assert not whole[8, 20, 20]
    assert whole[9, 20, 20]
    assert whole[30:32, 20, 20].all()


def test_simulated_patches_are_whole_numbers_of_classes_and_finite_whatever_the_seed() -> None:
    subject = two_bones(2)
    for seed in range(25):
        pose = Pose(ripple_mm=1.5, joint_mm=2.0, step_mm=2)
        made = simulate(np.random.default_rng(seed), subject, CENTRE, (32, 28, 30), 2.0, pose)
        assert made.hu.shape == made.target.shape == (32, 28, 30)
        assert made.hu.dtype == np.float32
        assert made.target.dtype == np.uint8
        assert np.isfinite(made.hu).all()
        assert made.target.max() <= 2


def test_a_boneless_body_shows_soft_tissue_where_its_bones_were_and_has_no_target() -> None:
    subject = replace(two_bones(4), boneless=True)
    rng = np.random.default_rng(5)
    view = seen(subject, 5)
    hu = paint(rng, subject, view)
    assert not classes_of(view, subject.classes).any()
    assert hu[subject.structures > 0].max() < 130
