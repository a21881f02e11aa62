"""A long bone of simple solids with known axes: a ball on a neck on a shaft, with a block at the far end."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box, Grid, LabelMap
from operators.packages.long_bones import LongBoneRules, RegionRule
from operators.packages.packages import Label, ModelPackage
from operators.packages.structures import LATERALITY, Structure
from tests.support.bones.synthetic_shapes import Points, Solid, drawn
from tests.support.dicom.seg_cases import ANATOMY, BONE, package

RADIUS_MM, LENGTH_MM = 20.0, 240.0
SHAFT_MM, NECK_MM, NECK_LENGTH_MM = 10.0, 13.0, 45.0
RULES = LongBoneRules(
    head_radius_mm=(15.0, 28.0),
    head_cover=0.45,
    neck="narrowest",
    shaft_squares=(1.0, 2.0),
    regions=(
        RegionRule("1C", "head", "head_end", 0.7),
        RegionRule("1B", "neck", "head_end", 1.4),
        RegionRule("1A", "rest of the end", "head_end"),
        RegionRule("2", "shaft", "shaft"),
        RegionRule("3", "far end", "far_end"),
    ),
)


def capsule(one: Points, other: Points, radius_mm: float) -> Solid:
    """Returns what lies within a distance of a line between two points."""
    along = other - one

    def inside(points: Points) -> NDArray[np.bool_]:
        share = np.clip((points - one) @ along / (along @ along), 0, 1)
        return np.linalg.norm(points - one - share[..., None] * along, axis=-1) <= radius_mm

    return inside


def neck_top(angle_deg: float) -> Points:
    """Returns the centre of the head of a bone along z whose neck leaves the shaft at the origin."""
    angle = np.radians(180 - angle_deg)
    return NECK_LENGTH_MM * np.array([np.sin(angle), 0.0, np.cos(angle)])


def long_bone(angle_deg: float) -> Solid:
    """Returns a bone with that neck-shaft angle: its shaft runs down from the origin, a block ends it."""
    origin, head = np.zeros(3), neck_top(angle_deg)
    bottom_mm = head[2] + RADIUS_MM - LENGTH_MM
    parts = (
        capsule(origin, np.array([0.0, 0.0, bottom_mm + 15]), SHAFT_MM),
        capsule(origin, head, NECK_MM),
        capsule(head, head + 1e-6, RADIUS_MM),
        capsule(np.array([-12.0, 0, bottom_mm + 14]), np.array([14.0, 6.0, bottom_mm + 14]), 14.0),
        capsule(np.array([-10.0, 0, -5]), np.array([-10.0, 0, 12.0]), 12.0),
    )
    return lambda points: np.any([part(points) for part in parts], axis=0)


def broken(solid: Solid, at: Points, normal: Points) -> tuple[Solid, Solid]:
    """Returns both sides of a plane through a solid, 2 mm apart."""

    def side(sign: float) -> Solid:
        return lambda points: solid(points) & (sign * ((points - at) @ normal) > 1.0)

    return side(1.0), side(-1.0)


def draw(solids: dict[int, Solid], spacing_mm: float = 1.5) -> LabelMap:
    """Draws solids of a bone on a grid that holds it all."""
    low, high = np.array([-40.0, -30.0, -212.0]), np.array([70.0, 30.0, 75.0])
    n_i, n_j, n_k = (int(n) for n in np.ceil((high - low) / spacing_mm))
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = low
    return drawn(Grid((n_i, n_j, n_k), affine, "1.2.5"), solids)


def cut_below(label_map: LabelMap, z_mm: float) -> LabelMap:
    """Returns a label map without what lies below a height."""
    grid = label_map.grid
    first = int(np.ceil((z_mm - grid.ijk_to_lps[2, 3]) / grid.spacing_mm[2]))
    box = Box((0, 0, first), grid.shape)
    return LabelMap(label_map.labels[box.slices], grid.crop(box))


@cache
def whole_bone(angle_deg: float = 130.0) -> LabelMap:
    """Returns a bone with that neck-shaft angle, drawn once."""
    return draw({11: long_bone(angle_deg)})


def long_bone_package(measurements: tuple[str, ...]) -> ModelPackage:
    """Returns a package that delivers the bone, with its values 11 to 20."""
    structure = Structure(
        "left_hip_bone", "Left bone", ANATOMY, BONE, LATERALITY["left"], (1, 2, 3), long_bone=RULES
    )
    return replace(package(), labels=(Label(structure, 11, 20),), measurements=measurements)
