"""A package of a MONAI bundle: preprocessing steps, sliding window, and the rules of its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, with_config

from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.plans import WeightsOrigin
from operators.packages.structures import Share
from operators.packages.toml_files import STRICT

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

    overlap: Annotated[tuple[Share, ...], Field(min_length=3, max_length=3)]
    weights: Literal["constant", "gaussian"] = "constant"
    sigma: tuple[float, ...] = (0.125, 0.125, 0.125)
    padding: Literal["constant", "replicate"] = "constant"
    fill: float = 0.0


@with_config(STRICT)
@dataclass(frozen=True)
class LabelRules:
    """How the network's outputs become labels.

    Its outputs write `values`, each its own. `activation` is softmax, sigmoid or none; each output then goes
    back to the scan's voxels, linearly or to the `nearest`. With `decided_first` labels are decided before,
    and go back to the nearest voxel. The greatest output wins; `decision` "threshold" has each output write
    its value where it reaches `threshold`, the later over the earlier. Of the labels in `largest` only the
    largest component stays, as `connected` by 1 faces, 2 edges, 3 corners.
    """

    values: tuple[int, ...]
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"
    decided_first: bool = False
    nearest: bool = False
    decision: Literal["greatest", "threshold"] = "greatest"
    threshold: float = 0.5
    largest: tuple[int, ...] = ()
    connected: Annotated[int, Field(ge=1, le=3)] = 3


@dataclass(frozen=True)
class MonaiBundlePackage(ModelPackage):
    """A MONAI bundle whose classes are the labels."""

    kind: ClassVar[str] = "monai_bundle"

    network: NetworkSpec
    steps: tuple[Step, ...]
    tiling: SlidingWindow
    outcome: LabelRules
    origin: WeightsOrigin

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return (self.network,)
