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
class Movement:
    """The rigid movement that took a fragment from its place: a turn (rotation vector in degrees) about
    `centre_lps`, where the middle of its surface is now (mm), and a shift; all LPS.
    """

    centre_lps: tuple[float, float, float]
    shift_lps_mm: tuple[float, float, float]
    turn_lps_deg: tuple[float, float, float]


@dataclass(frozen=True)
class Displacement:
    """The displacement of a fragment against its bone's main one, measured on the mirrored intact
    other side; `movement` is the same with its directions.
    """

    rotation_deg: Measured
    translation_mm: Measured
    movement: Movement | None = None


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


@dataclass(frozen=True)
class BodyHeights:
    """The heights in mm of a vertebral body, in the middle from side to side."""

    anterior: Measured
    middle: Measured
    posterior: Measured


@dataclass(frozen=True)
class HeightLoss:
    """The loss of height of a vertebral body against neighbours, as a share, with Genant's grade 0 to 3.

    `form` is wedge, biconcave or crush; empty at grade 0. `neighbours` are the values of the segments of the
    bones compared with.
    """

    share: float
    grade: int
    form: str
    neighbours: tuple[int, ...]


@dataclass(frozen=True)
class CobbAngle:
    """The angle in degrees, from the front, of the upper endplate of a bone and the lower one of another.

    `lower` is the value of the other's segment.
    """

    angle_deg: Measured
    lower: int


@dataclass(frozen=True)
class VertebralBody:
    """What is measured of a vertebral body; None where its package does not ask for it.

    `trabecular_hu` is the median inside it, not corrected for contrast medium. `curve` is of the whole row,
    and stands with the bone at its upper end only.
    """

    heights_mm: BodyHeights | NotMeasurable | None = None
    loss: HeightLoss | NotMeasurable | None = None
    trabecular_hu: Measured | NotMeasurable | None = None
    curve: CobbAngle | None = None


@dataclass(frozen=True)
class Place:
    """Where on its bone a fragment lies: the names of the places, and their shares of its surface."""

    names: tuple[str, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class SegmentMeasurements:
    """The measurements of the segment with the label `value`; `gap`, `displacement`, `place` may be None.

    `long_bone` and `vertebral_body` are of the whole bone, and stand with its first segment only.
    """

    value: int
    volume_mm3: Measured
    area_mm2: Measured
    diameter_mm: Measured
    mesh: Mesh
    gap: Gap | None = None
    displacement: Displacement | None = None
    place: Place | NotMeasurable | None = None
    long_bone: LongBone | None = None
    vertebral_body: VertebralBody | None = None
