"""A package of an nnU-Net: its stages, and the preprocessing of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field, with_config

from operators.geometry.components import Largest
from operators.packages.coarse_to_fine import CoarseToFinePackage, FragmentRules
from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.operating_points import SPECIFIC
from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.toml_files import STRICT

# Of splines
Order = Annotated[int, Field(ge=0, le=5)]
Separate = Literal["auto", "always", "never"]
Averaged = Literal["logits", "probabilities"]


@with_config(STRICT)
@dataclass(frozen=True)
class Resampling:
    """Spline orders of resampling, within slices and across them.

    `separate`: whether slices are resampled separately: "auto", if one spacing is more than three times
    another, as in nnU-Net; "always"; "never".
    """

    order: Order
    order_across: Order = 0
    separate: Separate = "auto"


@with_config(STRICT)
@dataclass(frozen=True)
class NnUNetPlans:
    """Preprocessing for a published network and resampling of its output: nnU-Net's plans.

    `orientation` names the patient's directions along x, y, z of the training images (LPS as in DICOM, RAS
    as in most NIfTI). The network's axes are `transpose` of (z, y, x).
    Tiles overlap by 1 - `step`; `mirror_axes` of the network's axes are mirrored and averaged.
    `averaged`: "logits" (v2) or "probabilities" (v1). With `regions` each output is a separate region that
    writes its value where its probability is above 0.5, later ones over earlier ones. `guide` is the
    resampling of the previous stage's labels; `guide_cropped`: they are cropped with the image to its
    nonzero part (v2), else the whole label map is stretched over the cropped image (v1).
    """

    orientation: str
    transpose: tuple[int, ...]
    image: Resampling
    output: Resampling
    step: Annotated[float, Field(gt=0, le=1)] = 0.5
    mirror_axes: tuple[int, ...] = ()
    averaged: Averaged = "logits"
    normalise_first: bool = True
    regions: tuple[int, ...] = ()
    guide: Resampling = Resampling(1)
    guide_cropped: bool = True


@dataclass(frozen=True)
class Stage:
    """One published network with its plans; `folds` are averaged.

    `guide_values` are the labels of the previous stage that it reads, each as one channel. `largest` is
    applied to its labels, in this order.
    """

    folds: tuple[NetworkSpec, ...]
    recipe: NnUNetPlans
    guide_values: tuple[int, ...] = ()
    largest: tuple[Largest, ...] = ()

    @property
    def spec(self) -> NetworkSpec:
        """Returns the common specification of all folds."""
        return self.folds[0]

    @property
    def values(self) -> dict[str, int]:
        """The label value of each class except the background."""
        if self.recipe.regions:
            return dict(zip(self.spec.classes, self.recipe.regions, strict=True))
        return {name: value for value, name in enumerate(self.spec.classes) if value}


@with_config(STRICT)
@dataclass(frozen=True)
class WeightsOrigin:
    """The origin of imported weights, for documentation: no code reads it."""

    format: str
    dataset: str
    configuration: str
    trainer: str


@dataclass(frozen=True)
class NnUNetPackage(ModelPackage):
    """A published network whose classes are the labels: its `stages`, each reading the one before."""

    kind: ClassVar[str] = "nnunet"

    stages: tuple[Stage, ...]
    origin: WeightsOrigin

    @property
    def written(self) -> tuple[int, ...]:
        """Returns the value that the last stage writes for each label."""
        return tuple(label.first_value for label in self.labels)

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return tuple(spec for stage in self.stages for spec in stage.folds)


@with_config(STRICT)
@dataclass(frozen=True)
class SplittingRules:
    """How a bone is cut out for a fracture network, and how that network's classes become fragments.

    Everything outside the bone becomes `blank_hu`. Each class is a fragment; of those named in `pieces` each
    component is one. Fragments under `minimum_mm3` are merged into the nearest other.
    """

    blank_hu: float = 0.0
    pieces: tuple[str, ...] = ()
    minimum_mm3: float = 0.0


@dataclass(frozen=True)
class NnUNetPerBonePackage(NnUNetPackage):
    """An anatomy network whose bones a second one splits: `stages` find them, `fracture` reads one at a time.

    `bones` are the values that the anatomy network writes for each label. A label with one value is
    delivered whole.
    """

    kind: ClassVar[str] = "nnunet_per_bone"

    bones: tuple[int, ...]
    fracture: tuple[Stage, ...]
    splitting: SplittingRules

    @property
    def written(self) -> tuple[int, ...]:
        """See NnUNetPackage."""
        return self.bones

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return super().networks + tuple(spec for stage in self.fracture for spec in stage.folds)


@dataclass(frozen=True)
class NnUNetFragmentsPackage(NnUNetPackage):
    """An nnU-Net whose bones go through a fracture network of Osteon's own, and on as its own bones do.

    `bones` are the values that the nnU-Net writes for each label. A label with one value is delivered whole.
    """

    kind: ClassVar[str] = "nnunet_fragments"

    bones: tuple[int, ...]
    fracture: NetworkSpec
    fragments: FragmentRules
    confidence: Confidence = UNCALIBRATED
    operating_point: str = field(default=SPECIFIC, kw_only=True)

    @property
    def written(self) -> tuple[int, ...]:
        """See NnUNetPackage."""
        return self.bones

    @property
    def least_probability(self) -> float:
        """The least probability with which a bone is shown as fractured."""
        return self.confidence.least_probability(self.operating_point)

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return *super().networks, self.fracture


# What Osteon's own fracture network splits the bones of
SplittingPackage = CoarseToFinePackage | NnUNetFragmentsPackage
