"""Surfaces of masks: closed, turned outwards, and of the right size."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.geometry.meshes import Mesh, farthest_pair, mesh_of
from operators.geometry.volume import Grid
from tests.support.bones.synthetic_shapes import box, grid_around, points_of, sphere
from tests.support.dicom.phantoms import all_orientations


def assert_closed(mesh: Mesh) -> None:
    """Every edge belongs to two faces that run along it in opposite directions."""
    edges = np.concatenate([mesh.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]).astype(np.int64)
    count = len(mesh.vertices_lps)
    there, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    assert len(np.unique(there)) == len(there)
    np.testing.assert_array_equal(np.sort(there), np.sort(back))
    assert np.isfinite(mesh.vertices_lps).all()


@pytest.mark.parametrize("spacing_mm", [(0.8, 0.8, 1.0), (0.7, 0.9, 2.0)])
def test_a_sphere_has_its_area_volume_and_diameter(spacing_mm: tuple[float, float, float]) -> None:
    grid = grid_around((44, 44, 44), spacing_mm)
    mesh = mesh_of(sphere(18.0)(points_of(grid)), grid)
    assert_closed(mesh)
    assert mesh.area_mm2 == pytest.approx(4 * np.pi * 18**2, rel=0.03)
    assert mesh.volume_mm3 == pytest.approx(4 / 3 * np.pi * 18**3, rel=0.02)
    one, other = farthest_pair(mesh.vertices_lps)
    assert np.linalg.norm(one - other) == pytest.approx(36, abs=max(spacing_mm))


def test_a_box_has_its_area_and_diagonal() -> None:
    grid = grid_around((40, 50, 60), (1.0, 1.0, 1.0))
    mesh = mesh_of(box((-10, -15, -20), (10, 15, 20))(points_of(grid)), grid)
    assert mesh.area_mm2 == pytest.approx(2 * (20 * 30 + 20 * 40 + 30 * 40), rel=0.03)
    one, other = farthest_pair(mesh.vertices_lps)
    assert np.linalg.norm(one - other) == pytest.approx(np.sqrt(20**2 + 30**2 + 40**2), abs=2.0)


@pytest.mark.parametrize("axes", all_orientations()[::7])
def test_faces_look_outwards_in_every_orientation(axes: NDArray[np.float64]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = axes[:3, :3]
    mask = np.zeros((9, 8, 7), bool)
    mask[2:7, 2:6, 2:5] = True
    mesh = mesh_of(mask, Grid(mask.shape, affine))
    assert mesh.volume_mm3 > 0
    centre = mesh.vertices_lps.mean(axis=0)
    assert ((mesh.vertices_lps - centre) * mesh.normals).sum(axis=1).min() > 0


@pytest.mark.parametrize("seed", range(5))
def test_any_voxels_have_a_closed_surface_also_at_the_border(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 8, 7)) < 0.4
    assert_closed(mesh_of(mask, Grid(mask.shape, np.eye(4))))


def test_one_voxel_and_a_plate_one_voxel_thick_keep_a_surface() -> None:
    voxel, plate = np.zeros((3, 3, 3), bool), np.zeros((12, 12, 3), bool)
    voxel[1, 1, 1] = plate[1:11, 1:11, 1] = True
    for mask in (voxel, plate):
        mesh = mesh_of(mask, Grid(mask.shape, np.eye(4)))
        assert_closed(mesh)
        assert mesh.volume_mm3 > 0
        assert farthest_pair(mesh.vertices_lps)
