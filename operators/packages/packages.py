"""A model package: one anatomy as data. `operators.package_files` reads it from disk.

Each class that stands for a table of package.toml is read as it is, strictly: no other key, no other type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import with_config

from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.structures import Structure
from operators.packages.toml_files import STRICT


@with_config(STRICT)
@dataclass(frozen=True)
class Normalisation:
    """The normalisation of intensities; `scheme` is a row of the table in `normalisation.py`.

    `mean` and `std` are of the training's foreground, for schemes that use them; `masked`: only
    where the image is not zero.
    """

    scheme: str = "window"
    mean: float = 0.0
    std: float = 1.0
    masked: bool = False


@dataclass(frozen=True)
class NetworkSpec:
    """One network: what it is, where its weights are, and what it reads.

    `patch` is in voxels of `spacing_mm`; `window_hu` is clipped by the schemes of normalisation
    that clip, and mapped to 0..1 by the scheme "window"; `classes` names each output channel, the
    first is background. `guide` names the classes of the coarse network whose probabilities it
    reads beside the image. `precision` is the arithmetic that the weights ask for, `runtime` the one
    that has to do it in float32 on a CPU; empty leaves it to the runtime, and to the device.
    """

    name: str
    architecture: str
    arguments: dict[str, object]
    weights: Path
    sha256: str
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    classes: tuple[str, ...]
    guide: tuple[str, ...] = ()
    normalisation: Normalisation = Normalisation()
    precision: str = ""
    runtime: str = ""

    @property
    def inputs(self) -> int:
        """Channels that it reads: the image and its guide."""
        return 1 + len(self.guide)

    @property
    def dimensions(self) -> int:
        """2 or 3, from the spacing."""
        return len(self.spacing_mm)


@dataclass(frozen=True)
class Detection:
    """How the coarse-to-fine pipeline finds a structure: the classes of its networks, and the least volume.

    `instances` is a row of the table in `operators.bones.instances`: which voxels of its class are this one.
    """

    coarse_class: str
    fine_class: str
    minimum_ml: float
    instances: str = "by_class"

    @property
    def is_one_by_one(self) -> bool:
        """Whether every bone of its classes is given to a label on its own."""
        return self.instances == "by_bone"


@dataclass(frozen=True)
class Label:
    """A structure that the package delivers, and the values kept for it and its fragments.

    An intact bone takes `first_value`; fragments take `first_value`, `first_value + 1`, ... up to
    `last_value`. Where the network's classes are the labels there is no `detection`.
    """

    structure: Structure
    first_value: int
    last_value: int
    detection: Detection | None = None

    @property
    def name(self) -> str:
        """The structure's name, with its side."""
        return self.structure.name

    @property
    def meaning(self) -> str:
        """What people read."""
        return self.structure.meaning

    @property
    def values(self) -> range:
        """All values that this bone may use."""
        return range(self.first_value, self.last_value + 1)

    @property
    def is_of_unknown_side(self) -> bool:
        """Whether it is for bones of a pair whose side is not known."""
        return self.detection is not None and self.detection.is_one_by_one and self.structure.side is None

    @property
    def found_by(self) -> Detection:
        """How it is found. Raises ValueError where the network's classes are the labels."""
        if self.detection is None:
            raise ValueError(f"expected a label with classes of networks, {self.name} has none")
        return self.detection


@with_config(STRICT)
@dataclass(frozen=True)
class Acceptance:
    """Which series a package reads; each limit is one row of the table of selection rules.

    `body_parts` are the terms of BodyPartExamined (PS3.16 annex L) that may hold the anatomy: a
    series that names another region ranks behind the others. The anatomy counts as
    found where the coarse network's mean probability of what it found is `minimum_probability`.
    """

    modalities: tuple[str, ...]
    sop_class_uids: tuple[str, ...]
    body_parts: tuple[str, ...]
    minimum_slices: int
    minimum_extent_mm: float
    maximum_slice_spacing_mm: float
    maximum_pixel_spacing_mm: float
    minimum_probability: float = 0.0


@with_config(STRICT)
@dataclass(frozen=True)
class FragmentRules:
    """How fragments are told apart; `strategy` is a row of FRAGMENTS in `operators.fragments.fragments`.

    `fracture_logit` makes the log-odds that two pieces are parted by a fracture: a constant, and
    factors of the mean contact over their face, of the decimal logarithm of the smaller piece's
    volume (mm3), and of that of the face (mm2). `seed_probability`: contact that parts basins.
    """

    strategy: str
    minimum_mm3: float
    seed_probability: float
    fracture_logit: tuple[float, ...]


@with_config(STRICT)
@dataclass(frozen=True)
class OutlineRules:
    """Where a bone ends: at `edge` (0 to 1) of the way from soft tissue's HU to the cortex's."""

    edge: float


@with_config(STRICT)
@dataclass(frozen=True)
class SideRules:
    """Classes of the coarse network that tell the sides where it is blind to them.

    `middle` lie on the midline; `lateral` lie further out than the paired bones. What is wider than
    `widest_mm` from side to side is a pair, not one bone: the default is for hip bones, of which the widest
    at hand reached 154 mm.
    """

    middle: tuple[str, ...] = ()
    lateral: tuple[str, ...] = ()
    widest_mm: float = 180.0


@with_config(STRICT)
@dataclass(frozen=True)
class FindRules:
    """Which of the coarse network's findings are the anatomy; `keep` is a row of FINDERS.

    `keep` = "largest": the greatest group of pieces less than 25 mm apart, for bones that touch each other;
    "all": every group as large as the smallest bone, for bones that lie apart.
    """

    keep: str = "largest"


@with_config(STRICT)
@dataclass(frozen=True)
class QualityRules:
    """When a result is flagged; a limit of 0 is none.

    `thickest_mm`: slices farther apart are too thick; `greatest_ratio` of the volumes of a left and a
    right bone.
    """

    thickest_mm: float = 0.0
    greatest_ratio: float = 0.0


# The rows of MEASUREMENTS: those of every package that does not say, and all. Packages are read without the
# table, as its libraries take 0.2 s to import
MEASURED = ("gap", "displacement")
MEASURABLE = (*MEASURED, "head_sphere", "neck_shaft_angle", "bone_length", "long_bone_region")


# The rows of NAMES
NAMED = ("from_class", "neer_parts")


@dataclass(frozen=True)
class ModelPackage:
    """The common part of all packages: accepted series, labels, networks, and when results are flagged.

    `kind` is a row of the table of pipelines, `measurements` are rows of MEASUREMENTS, `names` is one of
    NAMES. `reads` is the type of image that its pipeline reads: "volume" (CtVolume) or "projection"
    (Projection).
    """

    kind: ClassVar[str] = ""
    reads: ClassVar[str] = "volume"

    name: str
    version: str
    title: str
    algorithm_name: str
    accepts: Acceptance
    labels: tuple[Label, ...]
    folder: Path
    quality: QualityRules = field(default=QualityRules(), kw_only=True)
    measurements: tuple[str, ...] = field(default=MEASURED, kw_only=True)
    names: str = field(default=NAMED[0], kw_only=True)

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """All networks, in the order in which they run."""
        raise NotImplementedError

    @property
    def highest_value(self) -> int:
        """The highest label value that a result can hold."""
        return max(label.last_value for label in self.labels)

    @property
    def options(self) -> tuple[str, ...]:
        """Settings beside the weights that decide results: another one gives other results new UIDs."""
        return ()

    def at(self, operating_point: str) -> ModelPackage:
        """The package at an operating point: itself, unless it decides between yes and no."""
        del operating_point
        return self

    def maker_of(self, bone: str) -> ModelPackage:
        """The package that delivers a bone of this one's: itself, unless it stands for several."""
        del bone
        return self


@dataclass(frozen=True)
class CoarseToFinePackage(ModelPackage):
    """One anatomy in the coarse-to-fine pipeline: bones found, outlined, split into fragments."""

    kind: ClassVar[str] = "coarse_to_fine"

    coarse: NetworkSpec
    fine: NetworkSpec
    fracture: NetworkSpec
    fragments: FragmentRules
    sides: SideRules = SideRules()
    find: FindRules = FindRules()
    confidence: Confidence = UNCALIBRATED
    outline: OutlineRules | None = None

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return self.coarse, self.fine, self.fracture
