"""Which image path a package takes: a table by the kind of package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from operators.geometry.volume import Volume
from operators.networks.registry import Networks
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.packages.packages import CoarseToFinePackage, ModelPackage
from operators.packages.plans import NnUNetPackage, NnUNetPerBonePackage
from operators.pipelines import coarse_to_fine as pipeline
from operators.pipelines import monai_bundle as bundled
from operators.pipelines import nnunet as direct
from operators.pipelines import nnunet_per_bone as arranged
from operators.segmentation.segmentation import Segmentation

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Chain:
    """The three steps between reading and writing; each takes what the one before gave.

    What goes between them has `package`, and `source` after the first step.
    """

    resample: Callable[[Volume, Any], Any]
    segment_anatomy: Callable[[Any, Networks, Progress], Any]
    segment_fractures: Callable[[Any, Networks, Progress], Segmentation]


CHAINS: dict[type[ModelPackage], Chain] = {
    CoarseToFinePackage: Chain(pipeline.resample, pipeline.segment_anatomy, pipeline.segment_fractures),
    NnUNetPackage: Chain(direct.prepare, direct.answer, direct.deliver),
    NnUNetPerBonePackage: Chain(direct.prepare, direct.answer, arranged.split),
    MonaiBundlePackage: Chain(bundled.prepare, bundled.answer, bundled.deliver),
}


def chain_of(package: ModelPackage) -> Chain:
    """The package's image path."""
    return CHAINS[type(package)]


def segment(volume: Volume, package: ModelPackage, networks: Networks, progress: Progress) -> Segmentation:
    """CT to Segmentation. Raises UnsuitableError where the package's anatomy is not in the CT."""
    chain = chain_of(package)
    anatomy = chain.segment_anatomy(chain.resample(volume, package), networks, progress)
    return chain.segment_fractures(anatomy, networks, progress)
