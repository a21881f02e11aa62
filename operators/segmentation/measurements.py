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


@dataclass(frozen=True)
class NotMeasurable:
    """Why a number cannot be given."""

    reason: str


@dataclass(frozen=True)
class HeadSphere:
    """The sphere of a long bone's head: its centre, LPS in mm, and its radius, with the misfit as error."""

    centre_lps: tuple[float, float, float]
    radius_mm: Measured


@dataclass(frozen=True)
class FractureRegion:
    """The region of a bone in which its fracture lies, by a classification's code."""

    code: str
    meaning: str


@dataclass(frozen=True)
class LongBone:
    """What is measured of a long bone with all its fragments; None where its package does not ask for it."""

    head: HeadSphere | NotMeasurable | None = None
    neck_shaft_deg: Measured | NotMeasurable | None = None
    length_mm: Measured | NotMeasurable | None = None
    region: FractureRegion | NotMeasurable | None = None


@dataclass(frozen=True, eq=False)
class SegmentMeasurements:
    """The measurements of the segment with the label `value`; `gap` and `displacement` may be None.

    `long_bone` is of the whole bone, and stands with its first segment only.
    """

    value: int
    volume_mm3: Measured
    area_mm2: Measured
    diameter_mm: Measured
    mesh: Mesh
    gap: Gap | None = None
    displacement: Displacement | None = None
    long_bone: LongBone | None = None
