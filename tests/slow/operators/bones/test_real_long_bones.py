"""Axes and sides of real bones of a thigh: both of one person, and short pieces of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.long_bones.shapes import read_surface
from operators.bones.handedness import handedness
from operators.bones.long_bones import end_square_mm, shaft_of
from operators.bones.neck_axes import NECK_AXES
from operators.bones.reference_shapes import read_shape
from operators.geometry.spheres import Sphere, find_sphere
from operators.geometry.surface_points import SurfacePoints, surface_points
from operators.packages.long_bones import LongBoneRules
from operators.packages.structures import Side, read_structures

DATA = Path(__file__).parents[5] / "shared" / "data" / "femur_surfaces"

pytestmark = pytest.mark.real_data


def rules() -> LongBoneRules:
    found = read_structures()["femur"].long_bone
    assert found is not None
    return found


def bone(name: str) -> tuple[SurfacePoints, Sphere]:
    """Returns a bone in another pose than that of its scan, and its head."""
    surface = surface_points(read_surface(DATA / f"{name}femur.stl", 1.0))
    turn = Rotation.from_euler("xyz", (90, 200, 30), degrees=True).as_matrix()
    turned = SurfacePoints(surface.points @ turn.T, surface.normals @ turn.T, surface.area_mm2)
    head = find_sphere(turned, rules().head_radius_mm)
    assert head is not None
    assert head.cover > rules().head_cover
    return turned, head


def angle_deg(name: str) -> float:
    surface, head = bone(name)
    shaft = shaft_of(surface, head, rules().shaft_squares)
    assert shaft is not None
    assert 80 < end_square_mm(surface.points, shaft) < 110
    neck = NECK_AXES[rules().neck](surface, head, shaft)
    assert neck is not None
    return 180 - float(np.degrees(np.arccos(neck @ shaft.direction)))


@pytest.mark.parametrize("person", ["m3", "m4"])
def test_both_sides_of_a_person_have_about_the_same_head_and_angle(person: str) -> None:
    (_, left), (_, right) = bone(f"{person}_l"), bone(f"{person}_r")
    assert left.radius_mm == pytest.approx(right.radius_mm, abs=0.6)
    assert max(left.residual_mm, right.residual_mm) < 0.5
    # Humans have 115 to 140 degrees (Gilligan, Chandraphak & Mahakkanukrauh, J Anat 2013;223:133)
    assert 110 < angle_deg(f"{person}_l") < 140
    assert angle_deg(f"{person}_l") == pytest.approx(angle_deg(f"{person}_r"), abs=3.0)


@pytest.mark.parametrize(("name", "side"), [("m7_l", "left"), ("m7_r", "right")])
def test_a_head_with_nine_centimetres_of_bone_has_its_side(name: str, side: Side) -> None:
    surface, head = bone(name)
    path = rules().shape
    assert path is not None
    assert handedness(surface, head, read_shape(path)).side() == side
    assert shaft_of(surface, head, rules().shaft_squares) is None
