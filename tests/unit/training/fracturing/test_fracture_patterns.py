"""Where bones break: surfaces that follow a bone's own form, rough at several scales."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.bones.synthetic_bones import SPACING_MM, block, dumbbell
from training.fracturing.patterns import (
    PATTERNS,
    across_narrow,
    lengthwise,
    off_a_tip,
    under_flat_face,
    wall_of_hollow,
)
from training.fracturing.shape import shape_of
from training.fracturing.surfaces import Plane, Roughness, away_mm, fractal, height_mm

SEEDS = range(12)


def test_a_narrow_place_is_found_and_cut_across() -> None:
    shape = shape_of(dumbbell().fragments > 0, SPACING_MM)
    planes = [across_narrow(np.random.default_rng(seed), shape) for seed in SEEDS]
    assert np.median([abs(plane.through_mm[0] - 30 * SPACING_MM) for plane in planes]) < 8
    assert np.median([abs(plane.normal[0]) for plane in planes]) > 0.9


def test_a_lengthwise_cut_runs_along_the_long_axis() -> None:
    shape = shape_of(dumbbell().fragments > 0, SPACING_MM)
    assert all(abs(lengthwise(np.random.default_rng(seed), shape).normal[0]) < 0.4 for seed in SEEDS)


def test_a_cut_under_a_flat_face_is_parallel_to_it_and_inside() -> None:
    shape = shape_of(block().fragments > 0, SPACING_MM)
    for seed in SEEDS:
        plane = under_flat_face(np.random.default_rng(seed), shape)
        assert np.abs(plane.normal).max() > 0.9
        axis = int(np.abs(plane.normal).argmax())
        assert shape.inside[:, axis].min() < plane.through_mm[axis] < shape.inside[:, axis].max()


def test_a_wall_is_knocked_off_where_the_bone_is_hollow() -> None:
    i, j, k = np.indices((40, 40, 30))
    cup = (np.abs(i - 20) < 16) & (np.abs(j - 20) < 16) & (k > 4) & (k < 26)
    cup &= (i - 20) ** 2 + (j - 20) ** 2 + (k - 26) ** 2 > 11**2
    shape = shape_of(cup, SPACING_MM)
    for seed in SEEDS:
        plane = wall_of_hollow(np.random.default_rng(seed), shape)
        assert plane.local
        assert np.linalg.norm(plane.through_mm - np.array([20, 20, 26]) * SPACING_MM) < 35


def test_a_tip_comes_off_at_the_end_of_a_pointed_bone() -> None:
    i, j, k = np.indices((60, 30, 30))
    cone = ((j - 15) ** 2 + (k - 15) ** 2 < ((58 - i) / 4.5) ** 2) & (i > 3) & (i < 56)
    shape = shape_of(cone, SPACING_MM)
    planes = [off_a_tip(np.random.default_rng(seed), shape) for seed in SEEDS]
    at_point = [plane for plane in planes if plane.through_mm[0] > 36 * SPACING_MM]
    # The base's rim is pointed as well
    assert len(at_point) >= len(planes) / 4
    assert all(plane.normal[0] > 0.7 for plane in at_point)


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_every_pattern_gives_a_unit_normal_even_in_a_crumb(pattern: object) -> None:
    assert callable(pattern)
    for bone in (np.ones((2, 9, 9), bool), np.ones((1, 1, 1), bool), block().fragments > 0):
        plane = pattern(np.random.default_rng(1), shape_of(bone, SPACING_MM))
        assert abs(np.linalg.norm(plane.normal) - 1) < 1e-6
        assert np.isfinite(plane.through_mm).all()


def test_the_shares_of_the_patterns_add_up() -> None:
    assert abs(sum(PATTERNS.values()) - 1) < 1e-9


def test_roughness_has_waves_at_several_scales() -> None:
    noise = fractal(np.random.default_rng(0), (64, 64, 64), SPACING_MM, Roughness(3.0, 0.6))
    power = np.abs(np.fft.rfft(noise - noise.mean(), axis=0)).mean(axis=(1, 2))
    # Waves of 77 / n mm
    assert power[2:5].mean() > power[8:12].mean() > power[16:24].mean() > 0.02 * power[2:5].mean()


def test_a_bowed_surface_leaves_its_plane_on_one_side() -> None:
    plane = Plane(np.array([36.0, 36.0, 36.0]), np.array([0, 0, 1.0]))
    height = height_mm(np.random.default_rng(0), plane, (60, 60, 60), SPACING_MM, Roughness(0, 0.5, 1 / 50))
    flat = (np.arange(60) * SPACING_MM - 36).astype(np.float32)
    assert (height - flat).min() > -1e-3
    assert (height - flat).max() > 5


def test_distances_from_a_tilted_surface_are_true_ones() -> None:
    height = (3 * (np.indices((30, 5, 5))[0] - 15) * SPACING_MM).astype(np.float32)
    true_mm = np.abs(np.arange(30) - 15) * SPACING_MM
    assert np.allclose(away_mm(height, SPACING_MM)[:, 2, 2], true_mm, atol=1e-4)
