"""What a run of the image path found."""

from __future__ import annotations

from dataclasses import dataclass

from operators.imaging.packages import Code, ModelPackage
from operators.imaging.volume import LabelMap


@dataclass(frozen=True)
class Segment:
    """One label value of a Segmentation: an intact bone, or one fragment of a fractured one.

    `fragment` is 1 for the largest fragment, then by size; None for an intact bone.
    `volume_ml` is measured on the source grid; `confidence` is the mean probability that the
    networks gave to the segment's voxels, in 0..1.
    """

    value: int
    bone: str
    label: str
    fragment: int | None
    category: Code
    type: Code
    region: Code
    laterality: Code | None
    rgb: tuple[int, int, int]
    volume_ml: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Segments on the source grid, and the package that made them."""

    label_map: LabelMap
    segments: tuple[Segment, ...]
    package: ModelPackage
    warnings: tuple[str, ...] = ()
