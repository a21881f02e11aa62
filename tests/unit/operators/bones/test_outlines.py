"""Outlines on the scan's own voxels: at the edges in the scan, close to the network's prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.bones.outlines import outline_bone
from operators.bones.regions import BoneRegion
from operators.geometry.volume import CtVolume, Grid
from operators.packages.coarse_to_fine import OutlineRules
from tests.support.dicom.phantoms import Affine, all_orientations, oblique_affine, tilted_affine
from tests.support.packages.synthetic_packages import centred_affine, made_package, positions

RULES = OutlineRules(edge=0.5)
NETWORK_SHAPE = (32, 32, 32)
NETWORK = Grid(NETWORK_SHAPE, centred_affine(np.eye(3) * 1.5, NETWORK_SHAPE))
SOURCE_SHAPE = (64, 64, 40)
LABEL = made_package().labels[0]


def source_grid(affine: Affine | None = None) -> Grid:
    directions = np.diag([0.7, 0.7, 1.0]) if affine is None else affine[:3, :3] * 0.6
    return Grid(SOURCE_SHAPE, centred_affine(directions, SOURCE_SHAPE))


def ball(grid: Grid, radius_mm: float) -> NDArray[np.bool_]:
    lps = positions(grid.shape, grid.ijk_to_lps)
    return np.asarray((lps**2).sum(axis=-1) < radius_mm**2)


def region(radius_mm: float, rivals: NDArray[np.bool_] | None = None) -> BoneRegion:
    inside = ball(NETWORK, radius_mm)
    nowhere = np.zeros(NETWORK_SHAPE, bool)
    margin = np.where(inside, 0.8, -0.8).astype(np.float32)
    return BoneRegion(LABEL, margin, nowhere, nowhere if rivals is None else rivals, NETWORK, 0.9)


def scan(grid: Grid, radius_mm: float, marrow_mm: float, noise: float = 20.0) -> CtVolume:
    """A ball of bone: a bright cortex over marrow that is as dark as the soft tissue around."""
    hu = np.random.default_rng(3).normal(50, noise, grid.shape)
    hu[ball(grid, radius_mm)] += 700
    hu[ball(grid, marrow_mm)] -= 700
    return CtVolume(hu.astype(np.int16), grid)


def found(volume: CtVolume, bone: BoneRegion, rules: OutlineRules | None = RULES) -> NDArray[np.bool_]:
    outline = outline_bone(volume, bone, rules)
    assert outline is not None
    whole = np.zeros(volume.grid.shape, bool)
    whole[outline.box.slices] = outline.inside
    return whole


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("seen_mm", [14.0, 15.0, 16.0])
def test_an_outline_that_errs_by_less_than_a_voxel_of_the_network_is_put_right(seen_mm: float) -> None:
    grid = source_grid()
    volume, truth = scan(grid, 15.0, 11.0), ball(grid, 15.0)
    assert iou(found(volume, region(seen_mm), None), truth) < 0.97
    assert iou(found(volume, region(seen_mm)), truth) > 0.985


@pytest.mark.parametrize("affine", [*all_orientations()[::7], oblique_affine(), tilted_affine(25.0)])
def test_it_is_put_right_on_a_scan_of_any_orientation(affine: Affine) -> None:
    grid = source_grid(affine)
    assert iou(found(scan(grid, 13.0, 9.0), region(12.2)), ball(grid, 13.0)) > 0.98


def test_dark_marrow_behind_the_cortex_stays_bone() -> None:
    grid = source_grid()
    bone = found(scan(grid, 15.0, 14.0), region(15.0))
    assert bone[ball(grid, 13.9)].all()


def test_an_edge_further_than_a_voxel_of_the_network_away_is_left_where_the_network_saw_it() -> None:
    grid = source_grid()
    bone = found(scan(grid, 19.0, 5.0), region(12.0))
    assert not bone[~ball(grid, 12.0 + 2.5 * 1.5)].any()


def test_bright_specks_beside_the_bone_are_none() -> None:
    grid = source_grid()
    volume = scan(grid, 14.0, 10.0)
    hu = volume.hu.copy()
    speck = ball(grid, 15.6) & ~ball(grid, 15.2)
    hu[speck & (positions(grid.shape, grid.ijk_to_lps)[..., 0] > 0)] = 600
    bone = found(CtVolume(hu, grid), region(14.6))
    assert not bone[speck].any()


def test_a_dim_bone_is_found_as_well_as_a_bright_one() -> None:
    grid = source_grid()
    volume = scan(grid, 15.0, 11.0, noise=10.0)
    dim = CtVolume((50 + (volume.hu - 50) * 0.25).astype(np.int16), grid)
    assert iou(found(dim, region(14.2)), ball(grid, 15.0)) > 0.97


def test_without_rules_the_networks_outline_is_kept() -> None:
    grid = source_grid()
    dark = CtVolume(np.zeros(grid.shape, np.int16), grid)
    assert iou(found(dark, region(15.0), None), ball(grid, 15.0)) > 0.95


def test_a_bone_of_one_tissue_throughout_does_not_vanish() -> None:
    grid = source_grid()
    flat = CtVolume(np.full(grid.shape, 40, np.int16), grid)
    assert iou(found(flat, region(15.0)), ball(grid, 15.0)) > 0.8


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), turn=st.floats(-0.5, 0.5))
def test_two_bones_that_touch_never_overlap(seed: int, turn: float) -> None:
    rng = np.random.default_rng(seed)
    away = positions(NETWORK_SHAPE, NETWORK.ijk_to_lps) @ np.array([np.cos(turn), np.sin(turn), 0.2])
    left = away + rng.normal(0, 1.0, NETWORK_SHAPE) > 0
    one, other = region(16.0, ~left), region(16.0, left)
    one = replace(one, margin=np.where(left, one.margin, np.float32(-0.8)))
    other = replace(other, margin=np.where(left, np.float32(-0.8), other.margin))
    volume = scan(source_grid(oblique_affine()), 16.5, 3.0)
    assert not (found(volume, one) & found(volume, other)).any()


def test_a_bone_that_the_scan_does_not_reach_has_no_outline() -> None:
    far = np.eye(4)
    far[:3, 3] = 900
    volume = CtVolume(np.zeros((8, 8, 8), np.int16), Grid((8, 8, 8), far))
    assert outline_bone(volume, region(15.0), RULES) is None
