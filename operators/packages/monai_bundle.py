"""A package of a MONAI bundle: the steps that the image goes through, tiles, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import with_config

from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.plans import WeightsOrigin
from operators.packages.toml_files import STRICT

Arguments = Mapping[str, object]


# What each step needs, and what it may have besides
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
    """One step of the preparation: a row of the table in networks/bundle_steps.py, and its arguments."""

    name: str
    arguments: Arguments


@with_config(STRICT)
@dataclass(frozen=True)
class SlidingWindow:
    """MONAI's sliding window: `overlap` of neighbours along each axis, how tiles are weighted and padded.

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

    `activation` is softmax, sigmoid or none; each output then goes back to the scan's voxels, linearly or
    to the `nearest`. With `decided_first` labels are decided before, and go back to the nearest voxel. The
    greatest output wins; `decision` "threshold" has each output write its value where it reaches
    `threshold`, the later over the earlier. Of the labels in `largest` only the largest component stays, as
    `connected` by 1 faces, 2 edges, 3 corners.
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
    """A MONAI bundle whose classes are the labels; `outputs` are the values that its channels write."""

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
