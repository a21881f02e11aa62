"""A model package: one anatomy as data. `operators.package_files` reads it from disk.

Each class that stands for a table of package.toml is read as it is, strictly: no other key, no other type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import with_config

from operators.packages.structures import STRICT, Structure


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
class QualityRules:
    """When a result is flagged; a limit of 0 is none.

    `thickest_mm`: slices farther apart are too thick; `greatest_ratio` of the volumes of a left and a
    right bone.
    """

    thickest_mm: float = 0.0
    greatest_ratio: float = 0.0


# The rows of MEASUREMENTS, all of them where a package does not say. Packages are read without the table,
# as its libraries take 0.2 s to import
MEASURED = ("gap", "displacement")


@dataclass(frozen=True)
class ModelPackage:
    """The common part of all packages: accepted series, labels, networks, and when results are flagged.

    `kind` is a row of the table of pipelines, `measurements` are rows of MEASUREMENTS. `reads` is the type of
    image that its pipeline reads: "volume" (CtVolume) or "projection" (Projection).
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
