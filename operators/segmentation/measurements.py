"""Measurements of bones and fragments, each number with its uncertainty if known."""

from __future__ import annotations

from dataclasses import dataclass

from operators.geometry.meshes import Mesh


@dataclass(frozen=True)
class Measured:
    """A number and the greatest error that voxels or fits make likely; None if unknown.

    The error does not include wrongly labelled voxels.
    """

    value: float
    uncertainty: float | None = None


@dataclass(frozen=True)
class Gap:
    """Distances in mm from a fragment's fracture faces, along their normals, to the opposite faces.

    `uncertainty_mm` applies to each of the three.
    """

    mean_mm: float
    p95_mm: float
    greatest_mm: float
    uncertainty_mm: float


@dataclass(frozen=True)
class Displacement:
    """The displacement of a fragment against its bone's main one, measured on the mirrored intact
    other side.
    """

    rotation_deg: Measured
    translation_mm: Measured


@dataclass(frozen=True, eq=False)
class SegmentMeasurements:
    """The measurements of the segment with the label `value`; `gap` and `displacement` may be None."""

    value: int
    volume_mm3: Measured
    area_mm2: Measured
    diameter_mm: Measured
    mesh: Mesh
    gap: Gap | None = None
    displacement: Displacement | None = None
