"""A package of an nnU-Net: its stages, and how an image goes through each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import with_config

from operators.geometry.largest_component import Largest
from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.toml_files import STRICT


@with_config(STRICT)
@dataclass(frozen=True)
class Resampling:
    """Spline orders of resampling, within slices and across them.

    `separate`: whether slices are resampled on their own: "auto" where one spacing is more than three
    times another, as nnU-Net decides it, "always", "never".
    """

    order: int
    order_across: int = 0
    separate: str = "auto"


@with_config(STRICT)
@dataclass(frozen=True)
class NnUNetPlans:
    """How the image reaches a published network and how its answer comes back: nnU-Net's plans.

    `orientation` names the patient's directions to which the training images' x, y, z ran (LPS as
    DICOM has it, RAS as NIfTI mostly has). The network's axes are `transpose` of (z, y, x).
    Tiles overlap by 1 - `step`; `mirror_axes` of the network's axes are mirrored and averaged.
    `averaged`: "logits" (v2) or "probabilities" (v1). With `regions` each output is a region of its
    own that writes that value where its probability is above a half, the later over the earlier.
    `guide` is how the labels of the stage before are resampled; `guide_cropped`: with the image, to
    what is not zero (v2), or stretched whole over what is left of the image (v1).
    """

    orientation: str
    transpose: tuple[int, ...]
    image: Resampling
    output: Resampling
    step: float = 0.5
    mirror_axes: tuple[int, ...] = ()
    averaged: str = "logits"
    normalise_first: bool = True
    regions: tuple[int, ...] = ()
    guide: Resampling = Resampling(1)
    guide_cropped: bool = True


@dataclass(frozen=True)
class Stage:
    """One published network with its recipe; `folds` are averaged.

    `guide_values` are the labels of the stage before that it reads, each as one channel. `largest` is done
    to its labels, in this order.
    """

    folds: tuple[NetworkSpec, ...]
    recipe: NnUNetPlans
    guide_values: tuple[int, ...] = ()
    largest: tuple[Largest, ...] = ()

    @property
    def spec(self) -> NetworkSpec:
        """Returns what all folds have in common."""
        return self.folds[0]

    @property
    def values(self) -> dict[str, int]:
        """The value that each class writes, but the background."""
        if self.recipe.regions:
            return dict(zip(self.spec.classes, self.recipe.regions, strict=True))
        return {name: value for value, name in enumerate(self.spec.classes) if value}


@with_config(STRICT)
@dataclass(frozen=True)
class WeightsOrigin:
    """Where imported weights came from, for the record: not read by any code."""

    format: str
    dataset: str
    configuration: str
    trainer: str


@dataclass(frozen=True)
class NnUNetPackage(ModelPackage):
    """A published network whose classes are the labels, after the `stages` that it builds on."""

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
class Arrangement:
    """How a bone is cut out for a network of fractures, and what that network's answer means.

    All that is not the bone becomes `blank_hu`. Each class is a fragment; of those named in `pieces` each
    component is one. Fragments under `minimum_mm3` go to the nearest other.
    """

    blank_hu: float = 0.0
    pieces: tuple[str, ...] = ()
    minimum_mm3: float = 0.0


@dataclass(frozen=True)
class NnUNetPerBonePackage(NnUNetPackage):
    """An anatomy network whose bones a second one splits: `stages` find them, `fracture` reads one at a time.

    `bones` are the values that the anatomy network writes of each label. A label with one value is
    delivered whole.
    """

    kind: ClassVar[str] = "nnunet_per_bone"

    bones: tuple[int, ...]
    fracture: tuple[Stage, ...]
    arrangement: Arrangement

    @property
    def written(self) -> tuple[int, ...]:
        """See NnUNetPackage."""
        return self.bones

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return super().networks + tuple(spec for stage in self.fracture for spec in stage.folds)
