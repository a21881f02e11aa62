"""Resampling is checked by value in patient space: a linear field reveals where it was sampled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.geometry.resampling import (
    AIR_HU,
    covering_box,
    grid_between,
    interpolate_scalar,
    isotropic_grid,
    resample_hu,
    shrink_factors,
)
from operators.geometry.volume import CtVolume, Grid
from tests.support.dicom.phantoms import Affine, all_orientations, oblique_affine, position_hu, tilted_affine
from tests.support.packages.synthetic_packages import centred_affine, positions

SHAPE = (22, 20, 7)


def linear_volume(shape: tuple[int, int, int], affine: Affine) -> CtVolume:
    """float32, so that no value is rounded."""
    return CtVolume(position_hu(positions(shape, affine)).astype(np.float32), Grid(shape, affine, "1.2.3"))


def sheared_affine() -> Affine:
    affine = tilted_affine(30.0)
    affine[:3, 2] += (0.4, -0.3, 0.0)
    return affine


def within(volume: CtVolume, lps: NDArray[np.float64], inset: float) -> NDArray[np.bool_]:
    """Which points lie inside the outermost voxel centres of `volume`, by `inset` voxels."""
    ijk = lps @ volume.grid.lps_to_ijk[:3, :3].T + volume.grid.lps_to_ijk[:3, 3]
    return np.all((ijk >= inset) & (ijk <= np.array(volume.grid.shape) - 1 - inset), axis=-1)


@pytest.mark.parametrize("affine", [*all_orientations(), oblique_affine(), tilted_affine(), sheared_affine()])
def test_a_linear_field_is_reproduced_wherever_the_source_reaches(affine: Affine) -> None:
    source = linear_volume(SHAPE, affine)
    moved = resample_hu(source, isotropic_grid(source.grid, (1.0, 1.0, 1.0)))
    lps = positions(moved.grid.shape, moved.grid.ijk_to_lps)
    inner = within(source, lps, 0.01)
    assert inner.sum() > 300
    np.testing.assert_allclose(moved.hu[inner], position_hu(lps)[inner], atol=0.05)


@pytest.mark.parametrize("affine", [*all_orientations()[::5], oblique_affine(), sheared_affine()])
def test_a_probability_keeps_its_place_on_any_grid(affine: Affine) -> None:
    source = linear_volume((20, 20, 20), np.diag([1.0, 1.0, 1.0, 1.0]))
    target = Grid((6, 5, 4), affine)
    moved = interpolate_scalar(np.asarray(source.hu, np.float32), source.grid, target, -1.0)
    lps = positions(target.shape, affine)
    inner = within(source, lps, 0.0)
    np.testing.assert_allclose(moved[inner], position_hu(lps)[inner], atol=0.05)
    assert np.all(moved[~within(source, lps, -0.51)] == -1.0)


@pytest.mark.parametrize("affine", [*all_orientations()[::7], oblique_affine(), sheared_affine()])
def test_averaging_finer_voxels_keeps_their_positions(affine: Affine) -> None:
    source = linear_volume((41, 43, 13), affine)
    moved = resample_hu(source, isotropic_grid(source.grid, (6.0, 6.0, 6.0)))
    lps = positions(moved.grid.shape, moved.grid.ijk_to_lps)
    inner = within(source, lps, 3.0)
    assert max(shrink_factors(source.grid, moved.grid)) > 2
    assert inner.sum() > 3
    np.testing.assert_allclose(moved.hu[inner], position_hu(lps)[inner], atol=0.05)


@pytest.mark.parametrize("voxels", [36, 37, 38, 39, 40, 41])
def test_the_last_voxels_are_averaged_too_where_the_blocks_do_not_fit(voxels: int) -> None:
    hu = np.full((voxels, 12, 12), 500, np.int16)
    source = CtVolume(hu, Grid(hu.shape, np.diag([0.5, 0.5, 0.5, 1.0])))
    target = Grid((voxels, 1, 1), np.diag([0.5, 4.0, 4.0, 1.0]))
    coarse = Grid((voxels // 8 + 1, 1, 1), np.diag([4.0, 4.0, 4.0, 1.0]))
    assert max(shrink_factors(source.grid, coarse)) == 4
    assert np.all(resample_hu(source, target).hu == 500)
    assert np.all(resample_hu(source, coarse).hu[: (voxels - 1) // 8 + 1] == 500)


def test_outside_the_source_there_is_air() -> None:
    source = CtVolume(np.zeros((5, 5, 5), np.int16), Grid((5, 5, 5), np.eye(4)))
    wide = grid_between(np.full(3, -10.0), np.full(3, 14.0), (1.0, 1.0, 1.0), "")
    moved = resample_hu(source, wide)
    lps = positions(wide.shape, wide.ijk_to_lps)
    assert np.all(moved.hu[~within(source, lps, -0.51)] == AIR_HU)
    assert np.all(moved.hu[within(source, lps, 0.0)] == 0)


def test_a_target_that_the_source_does_not_reach_is_all_air() -> None:
    source = CtVolume(np.zeros((5, 5, 5), np.int16), Grid((5, 5, 5), np.eye(4)))
    far = np.eye(4)
    far[:3, 3] = 500
    assert np.all(resample_hu(source, Grid((3, 4, 5), far)).hu == AIR_HU)


@pytest.mark.parametrize("affine", [*all_orientations(), oblique_affine(), sheared_affine()])
def test_an_isotropic_grid_runs_along_the_patient_and_covers_the_source(affine: Affine) -> None:
    source = Grid(SHAPE, affine, "1.2.3")
    grid = isotropic_grid(source, (1.5, 1.5, 1.5))
    np.testing.assert_allclose(grid.ijk_to_lps[:3, :3], np.eye(3) * 1.5)
    assert grid.frame_of_reference_uid == "1.2.3"
    ijk = positions(SHAPE, grid.lps_to_ijk @ affine)
    assert ijk.min() >= -0.5
    assert np.all(ijk.max(axis=(0, 1, 2)) <= np.array(grid.shape) - 0.5)


def test_a_grid_that_already_fits_keeps_its_shape() -> None:
    source = Grid((9, 8, 7), np.diag([1.2, 1.2, 1.2, 1.0]))
    assert isotropic_grid(source, (1.2, 1.2, 1.2)).same_as(source)


def test_the_covering_box_holds_every_voxel_that_the_other_grid_reaches() -> None:
    affine = oblique_affine()
    affine[:3, 3] = (20.0, 18.0, 37.0)
    grid, other = Grid((40, 40, 40), np.eye(4)), Grid((4, 4, 2), affine)
    box = covering_box(grid, other, margin=0)
    assert box is not None
    ijk = positions(other.shape, other.ijk_to_lps)
    inside = np.all((ijk >= 0) & (ijk <= 39), axis=-1)
    assert inside.any()
    assert np.all(ijk[inside] >= box.start)
    assert np.all(ijk[inside] < box.stop)


@settings(max_examples=25)
@given(
    turn=st.lists(st.floats(-1, 1), min_size=9, max_size=9),
    spacing=st.tuples(*[st.floats(0.6, 2.5)] * 3),
    wave_mm=st.floats(60, 120),
)
def test_a_smooth_volume_comes_back_from_the_isotropic_grid(
    turn: list[float], spacing: tuple[float, float, float], wave_mm: float
) -> None:
    rotation, _ = np.linalg.qr(np.array(turn).reshape(3, 3) + 3 * np.eye(3))
    shape = (18, 17, 16)
    affine = centred_affine(rotation * np.array(spacing), shape)
    field = 100 * np.sin(positions(shape, affine) @ (2 * np.pi / wave_mm * np.array([0.6, 0.5, 0.62])))
    source = CtVolume(field.astype(np.float32), Grid(shape, affine))
    there = resample_hu(source, isotropic_grid(source.grid, (1.0, 1.0, 1.0)))
    back = resample_hu(there, source.grid)
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(back.hu[inner], source.hu[inner], atol=2.5)
