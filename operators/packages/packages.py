"""A model package: one anatomy as data. `operators.package_files` reads it from disk.

Classes that represent a table of package.toml are validated strictly: no other key, no other type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from pydantic import with_config

from operators.packages.levels import LevelRules
from operators.packages.operating_points import AUTO
from operators.packages.structures import Structure
from operators.packages.toml_files import STRICT


@with_config(STRICT)
@dataclass(frozen=True)
class Normalisation:
    """The normalisation of intensities; `scheme` is a row of the table in `normalisation.py`.

    `mean` and `std` are of the training's foreground, for schemes that use them; `masked`: only nonzero
    voxels are normalised.
    """

    scheme: str = "window"
    mean: float = 0.0
    std: float = 1.0
    masked: bool = False


@dataclass(frozen=True)
class NetworkSpec:
    """A network: its architecture, the file of its weights, and its input.

    `patch` is in voxels of `spacing_mm`; `window_hu` is the range to which normalisation schemes that clip
    do so, mapped to 0..1 by the scheme "window"; `classes` names each output channel, the first is
    background. `guide` names its conditioning channels: classes of the coarse network whose probabilities it
    reads beside the image. `precision` is the precision that the weights require, `runtime` the one that
    must be used for float32 on a CPU; if empty, runtime and device decide.
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
        """The number of input channels: the image and the conditioning channels."""
        return 1 + len(self.guide)

    @property
    def dimensions(self) -> int:
        """2 or 3, from the spacing."""
        return len(self.spacing_mm)

    def runs_like(self, other: NetworkSpec) -> bool:
        """Returns whether both give the same output for every image, whatever their names and folders."""
        return replace(self, name=other.name, weights=other.weights) == other


@dataclass(frozen=True)
class Detection:
    """How the coarse-to-fine pipeline detects a structure: the classes of its networks, the least volume.

    `instances` is a row of the table in `operators.bones.instances`, which selects its voxels of that class.
    """

    coarse_class: str
    fine_class: str
    minimum_ml: float
    instances: str = "by_class"

    @property
    def is_one_by_one(self) -> bool:
        """Whether every bone of its classes is given to a label on its own."""
        return self.instances == "by_bone"

    @property
    def is_of_row(self) -> bool:
        """Whether it is one of the bones of a row, which are outlined one after another."""
        return self.instances == "iterative"

    @property
    def is_by_side(self) -> bool:
        """Whether it is the part of its class on one side of the midline."""
        return self.instances == "by_side"


@dataclass(frozen=True)
class Label:
    """A structure that the package delivers, and the values reserved for it and its fragments.

    An intact bone takes `first_value`; fragments take `first_value`, `first_value + 1`, ... up to
    `last_value`. If the network's classes are the labels, there is no `detection`.
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
        """The structure's meaning, for people."""
        return self.structure.meaning

    @property
    def spoken(self) -> str:
        """What its bone is called before it is named: that of a row is a bone of its class, no level yet."""
        if self.detection is None or not self.detection.is_of_row:
            return self.meaning
        return self.detection.fine_class.replace("_", " ").capitalize()

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
        """How it is detected. Raises ValueError if the network's classes are the labels."""
        if self.detection is None:
            raise ValueError(f"expected a label with classes of networks, {self.name} has none")
        return self.detection


@with_config(STRICT)
@dataclass(frozen=True)
class Acceptance:
    """Which series a package accepts; each limit is a row of the table of selection rules.

    `body_parts` are the terms of BodyPartExamined (PS3.16 annex L) that may hold the anatomy: a
    series that names another region is ranked behind the others. The anatomy counts as
    found if the coarse network's mean probability over it is at least `minimum_probability`.
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
class QualityRules:
    """The limits from which a result is flagged; 0 means none.

    `thickest_mm` is the greatest slice spacing. Beyond `coarsest_mm` fractures can be neither shown nor
    excluded, and the coarse-to-fine pipeline splits no pieces of a bone that touch. `greatest_ratio` is that
    of the volumes of a left and a right bone.
    """

    thickest_mm: float = 0.0
    coarsest_mm: float = 0.0
    greatest_ratio: float = 0.0

    def too_coarse(self, spacing_mm: tuple[float, float, float]) -> bool:
        """Returns whether voxels of that spacing are too coarse for fractures."""
        return 0 < self.coarsest_mm < max(spacing_mm)


# The rows of MEASUREMENTS: those by default, and all. Packages are read without importing the table, as its
# libraries take 0.2 s to import
MEASURED = ("gap", "displacement", "place")
OF_LONG_BONES = ("head_sphere", "neck_shaft_angle", "bone_length", "long_bone_region")
OF_BODIES = ("body_heights", "height_loss", "trabecular_density", "cobb_angle")
MEASURABLE = (*MEASURED, *OF_LONG_BONES, *OF_BODIES)
# The rows of NAMES
NAMED = ("from_class", "neer_parts", "vertebral_levels")


@dataclass(frozen=True)
class ModelPackage:
    """The common part of all packages: accepted series, labels, networks, and when results are flagged.

    `kind` is a row of the table of pipelines, `measurements` are rows of MEASUREMENTS, `names` is one of
    NAMES, `levels` what it takes to name the bones of a row. `reads` is the type of image that its pipeline
    reads: "volume" (CtVolume) or "projection" (Projection). `operating_point` is the name of one, or a
    probability as text; empty if the package has none.
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
    operating_point: str = field(default="", kw_only=True)
    names: str = field(default=NAMED[0], kw_only=True)
    levels: LevelRules | None = field(default=None, kw_only=True)

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
        """Settings that determine results beside the weights; other settings give results other UIDs."""
        return (f"operating point {self.operating_point}",) if self.operating_point else ()

    def at(self, operating_point: str) -> Self:
        """Returns the package at an operating point; itself if it has none, and for "auto"."""
        if operating_point == AUTO or not self.operating_point:
            return self
        return replace(self, operating_point=operating_point)

    def maker_of(self, bone: str) -> ModelPackage:
        """Returns the package that delivers one of its bones: itself, unless it represents several."""
        del bone
        return self
