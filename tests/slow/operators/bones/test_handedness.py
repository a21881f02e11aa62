"""The side of a single bone from its own shape, in any pose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.bones.handedness import Handedness, handedness
from operators.bones.reference_shapes import ReferenceShape, both_sides
from operators.geometry.meshes import Mesh, mesh_of
from operators.geometry.spheres import find_sphere
from operators.geometry.surface_points import SurfacePoints, surface_points
from operators.packages.structures import Side
from tests.support.bones.synthetic_long_bones import RADIUS_MM, RULES, capsule, draw, long_bone
from tests.support.bones.synthetic_shapes import Points, Solid

Mask = NDArray[np.bool_]


def handed_bone(points: Points) -> Mask:
    """Returns the bone of solids with two ridges that make its mirror image another shape."""
    upper: Solid = capsule(np.array([-5.0, 10.0, 0.0]), np.array([-5.0, 18.0, -60.0]), 10.0)
    lower: Solid = capsule(np.array([5.0, -10.0, -110.0]), np.array([12.0, -16.0, -170.0]), 10.0)
    found: Mask = long_bone(130.0)(points) | upper(points) | lower(points)
    return found


@pytest.fixture(scope="module")
def whole() -> Mesh:
    label_map = draw({1: handed_bone}, 2.5)
    return mesh_of(label_map.labels == 1, label_map.grid)


def mean_of(mesh: Mesh) -> ReferenceShape:
    vertices = mesh.vertices_lps.astype(np.float64)
    head = find_sphere(surface_points(mesh), RULES.head_radius_mm)
    assert head is not None
    assert head.radius_mm == pytest.approx(RADIUS_MM, abs=1.0)
    return ReferenceShape("left", vertices, mesh.faces, (head.centre, head.radius_mm))


def turned(surface: SurfacePoints, mirrored: bool) -> SurfacePoints:
    matrix = Rotation.from_euler("xyz", (170, 40, 100), degrees=True).as_matrix()
    flip = np.array([-1.0, 1.0, 1.0]) if mirrored else np.ones(3)
    return SurfacePoints(
        surface.points * flip @ matrix.T, surface.normals * flip @ matrix.T, surface.area_mm2
    )


def compared(surface: SurfacePoints, mean: ReferenceShape) -> Handedness:
    head = find_sphere(surface, RULES.head_radius_mm)
    return handedness(surface, head if head and head.cover > 0.45 else None, both_sides(mean))


@pytest.mark.parametrize(("mirrored", "side"), [(False, "left"), (True, "right")])
def test_a_bone_in_any_pose_has_the_side_of_its_shape(whole: Mesh, mirrored: bool, side: Side) -> None:
    found = compared(turned(surface_points(whole, 3000), mirrored), mean_of(whole))
    assert found.side() == side
    assert found.fit.misfit_mm < 0.7


def test_a_piece_of_shaft_has_no_side(whole: Mesh) -> None:
    surface = surface_points(whole, 6000)
    heights = surface.points[:, 2]
    found = compared(turned(surface.where((heights < -60) & (heights > -130)), True), mean_of(whole))
    assert found.side() is None
