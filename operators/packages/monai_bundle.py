"""A package of a MONAI bundle: preprocessing steps, sliding window, and the rules of its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import with_config

from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.plans import WeightsOrigin
from operators.packages.structures import STRICT

Arguments = Mapping[str, object]


# Required and optional arguments of each step
STEP_ARGUMENTS: dict[str, tuple[set[str], set[str]]] = {
    "orientation": ({"directions"}, set()),
    "spacing": ({"mm"}, set()),
    "crop": ({"margin"}, set()),
    "scale_range": ({"low", "high", "clip"}, {"to"}),
    "scale": ({"to"}, set()),
    "normalise": ({"nonzero"}, {"mean", "deviation"}),
}


@dataclass(frozen=True)
class Step:
    """A preprocessing step: a row of the table in networks/bundle_steps.py, and its arguments."""

    name: str
    arguments: Arguments


@with_config(STRICT)
@dataclass(frozen=True)
class SlidingWindow:
    """MONAI's sliding window: `overlap` of neighbours along each axis, weighting and padding of tiles.

    `sigma` of the Gaussian is in sides of a tile; `padding` is constant (`fill`) or replicate.
    """

    overlap: tuple[float, ...]
    weights: str = "constant"
    sigma: tuple[float, ...] = (0.125, 0.125, 0.125)
    padding: str = "constant"
    fill: float = 0.0


@with_config(STRICT)
@dataclass(frozen=True)
class LabelRules:
    """How the network's outputs become labels.

    `activation` is softmax, sigmoid or none; each output is then resampled to the scan's voxels, linearly or
    by the `nearest` voxel. With `decided_first` labels are made first, and resampled by the nearest voxel.
    The highest output wins; with `decision` "threshold" each output writes its value where it reaches
    `threshold`, later ones over earlier ones. Of each label in `largest` only the largest component is kept;
    `connected` is its connectivity: 1 faces, 2 edges, 3 corners.
    """

    activation: str = "softmax"
    decided_first: bool = False
    nearest: bool = False
    decision: str = "greatest"
    threshold: float = 0.5
    largest: tuple[int, ...] = ()
    connected: int = 3


@dataclass(frozen=True)
class MonaiBundlePackage(ModelPackage):
    """A MONAI bundle whose classes are the labels; `outputs` are the label values of its channels."""

    kind: ClassVar[str] = "monai_bundle"

    network: NetworkSpec
    steps: tuple[Step, ...]
    tiling: SlidingWindow
    outcome: LabelRules
    outputs: tuple[int, ...]
    origin: WeightsOrigin

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return (self.network,)
