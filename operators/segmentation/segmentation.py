"""The result of the image path: segments on the source grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from operators.geometry.volume import LabelMap
from operators.packages.levels import LevelEvidence
from operators.packages.packages import ModelPackage
from operators.packages.seen import PackageOutcome, SeenStructure
from operators.packages.structures import Code
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.radiograph_answer import RadiographAnswer


@dataclass(frozen=True)
class LevelName:
    """How one bone of a row was named, and the `probability` that all bones of the row are named rightly.

    `is_certain`: the naming is used; otherwise the bone is numbered. `likeliest` is its level in that naming
    either way, `own_probability` that of this level alone. `runner_up` is its level in the next likely
    naming, of `runner_up_probability`. `missing_below`: by the naming a bone below it was not outlined.
    `shown` is what people read.
    """

    likeliest: str
    is_certain: bool
    probability: float
    own_probability: float
    runner_up: str
    runner_up_probability: float
    missing_below: bool = False
    shown: str = ""


@dataclass(frozen=True)
class Segment:
    """One label value of a Segmentation: an intact bone, or one fragment of a fractured one.

    `fragment` is 1 for the largest fragment, then by size; None for an intact bone. `volume_ml` is measured
    on the source grid. `network_mean` is the mean output of the networks over the segment's voxels, in 0..1;
    it is not a probability. Calibrated probabilities in whole percent, None if the package has no
    calibration: `bone_probability` that the bone is present, `fracture_probability` that it is fractured,
    `fragment_probability` that a fragment is a separate piece (None for an intact bone). `side_unknown`: the
    bone is one of a pair, and it is not known of which side. `part` names the parts of the bone that a
    fragment is, where its package names them. `evidence` is on the level of a bone of a row, `level` how it
    was named by that.
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
    side_unknown: bool = False
    part: str = ""
    evidence: LevelEvidence | None = None
    level: LevelName | None = None

    @property
    def confidence(self) -> float | None:
        """The probability that the shown bone or piece is present. No other number is called confidence."""
        return self.bone_probability if self.fragment is None else self.fragment_probability


@dataclass(frozen=True)
class Contact:
    """A face between two fragments of a bone, and the calibrated probability that it is a fracture."""

    bone: str
    fragments: tuple[int, int]
    probability: float


@dataclass(frozen=True)
class Flag:
    """Why a result may be wrong: `code` is a row of flags.MEANINGS, `values` are the segments concerned."""

    code: str
    sentence: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class NetworkRun:
    """How a network was run, for the record.

    `tiling` is "exact" (as the original's), "fast", or "own" for Osteon's coarse-to-fine pipeline. `tile` is
    in the network's voxels; `overlap` is the least share of a tile that overlaps the next.
    """

    network: str
    runtime: str
    precision: str
    tiling: str
    tile: tuple[int, ...]
    overlap: float


@dataclass(frozen=True)
class Correction:
    """What people made of a prediction: the SOP instance UID of their SEG, and the tracking UIDs of its
    segments by tracking identifier.
    """

    sop_instance_uid: str
    tracking_uids: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Segments on the source grid, and the package that made them.

    `contacts` between fragments are empty if the package has no calibration for them, `network_runs` if a
    pipeline does not record how its networks were run, `measurements` and `flags` until they are computed.
    `answer` is the answer for a radiograph, whose segments are its fractures, if any; None for a CT. `seen`
    is what a coarse network saw in the scan, `outcomes` what became of each package that may read it.
    `correction` is None for a prediction that nobody has changed.
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
    seen: tuple[SeenStructure, ...] = ()
    outcomes: tuple[PackageOutcome, ...] = ()
    correction: Correction | None = None
