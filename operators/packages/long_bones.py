"""What structures.toml says of a long bone: its head, its axes, the regions of its fractures, its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import with_config

from operators.packages.toml_files import STRICT

Colour = tuple[int, int, int]
Segment = Literal["head_end", "shaft", "far_end"]


@with_config(STRICT)
@dataclass(frozen=True)
class RegionRule:
    """A region of a fracture classification: a segment of the bone, and how far it reaches along the neck.

    `along_neck` is in radii of the head from its centre towards the shaft; without it the region is all that
    the rows before it leave of the segment.
    """

    code: str
    meaning: str
    segment: Segment
    along_neck: float | None = None


@with_config(STRICT)
@dataclass(frozen=True)
class PartRule:
    """A part of the bone that can break off: what people read, its colour, and where it lies.

    `place` is on the sphere of the head, along the shaft, or in between at `turn_deg` about the shaft, least
    and greatest: counted from the head's direction to the front of the body.
    """

    meaning: str
    rgb: Colour
    place: Literal["head", "between", "shaft"]
    turn_deg: tuple[float, float] = (0.0, 360.0)


@with_config(STRICT)
@dataclass(frozen=True)
class DisplacedPart:
    """A fragment that moved by more than one of both is a displaced part."""

    distance_mm: float
    angle_deg: float


@with_config(STRICT)
@dataclass(frozen=True)
class LongBoneRules:
    """How a long bone with a spherical head is measured.

    `head_radius_mm` are the least and greatest radius of its head, which is a sphere by at least the share
    `head_cover` of its area. `neck` is a row of NECK_AXES. The shaft's axis runs through sections that lie
    `shaft_squares` sides of the end's square from the head's end. `regions` are tried in order. `shape` is a
    mean shape beside structures.toml. `parts` are what its head's end breaks into.
    """

    head_radius_mm: tuple[float, float]
    head_cover: float
    neck: Literal["narrowest", "cap"]
    shaft_squares: tuple[float, float]
    regions: tuple[RegionRule, ...]
    shape: Path | None = None
    parts: tuple[PartRule, ...] = ()
    displaced: DisplacedPart | None = None
