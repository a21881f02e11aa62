"""The result of the image path: segments on the source grid."""

from __future__ import annotations

from dataclasses import dataclass

from operators.geometry.volume import LabelMap
from operators.packages.packages import ModelPackage
from operators.packages.structures import Code
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.radiograph_answer import RadiographAnswer


@dataclass(frozen=True)
class Segment:
    """One label value of a Segmentation: an intact bone, or one fragment of a fractured one.

    `fragment` is 1 for the largest fragment, then by size; None for an intact bone.
    `volume_ml` is measured on the source grid; `network_mean` is the mean output of the networks for the
    segment's voxels, in 0..1, which is no probability of anything. Calibrated probabilities in whole
    percent, None where the package has no calibration: `bone_probability` that the bone is there,
    `fracture_probability` that it is fractured, `fragment_probability` that a fragment is a piece of its
    own (None for an intact bone).
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
    network_mean: float
    bone_probability: float | None = None
    fracture_probability: float | None = None
    fragment_probability: float | None = None

    @property
    def confidence(self) -> float | None:
        """That what it shows is there: a bone, or a piece of its own. No other number is called so."""
        return self.bone_probability if self.fragment is None else self.fragment_probability


@dataclass(frozen=True)
class Contact:
    """A face between two fragments of a bone, and the calibrated probability that it is a fracture."""

    bone: str
    fragments: tuple[int, int]
    probability: float


@dataclass(frozen=True)
class Flag:
    """Why a result may be wrong: `code` is a row of quality.MEANINGS, `values` the segments it holds for."""

    code: str
    sentence: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class NetworkRun:
    """How a network was run, for the record.

    `tiling`: "exact" as the original's, "fast", or "own" of Osteon's own chain; `tile` in the network's
    voxels, `overlap` the share of a tile that it has in common with the next, at least.
    """

    network: str
    runtime: str
    precision: str
    tiling: str
    tile: tuple[int, ...]
    overlap: float


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Segments on the source grid, and the package that made them.

    `contacts` between fragments are empty where the package has no calibration of them; `network_runs` where
    a path does not say how its networks were run; `measurements` and `flags` until they are made. `answer` is
    that to a radiograph, whose segments are its fractures, perhaps none; None for a CT.
    """

    label_map: LabelMap
    segments: tuple[Segment, ...]
    package: ModelPackage
    warnings: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    network_runs: tuple[NetworkRun, ...] = ()
    measurements: tuple[SegmentMeasurements, ...] = ()
    flags: tuple[Flag, ...] = ()
    answer: RadiographAnswer | None = None
