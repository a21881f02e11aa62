"""Which image path a package takes: a table by the kind of package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from operators.geometry.projection import Image
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.packages.packages import ModelPackage
from operators.packages.plans import NnUNetPackage, NnUNetPerBonePackage
from operators.packages.radiograph import RadiographPackage
from operators.pipelines import coarse_to_fine, monai_bundle, nnunet, nnunet_per_bone, radiograph
from operators.segmentation.segmentation import Segmentation

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Pipeline:
    """The three steps between reading and writing; each takes the output of the previous one.

    The first takes the type of image that the package `reads`. The values between them have `package`, and
    `source` after the first step.
    """

    resample: Callable[[Any, Any], Any]
    segment_anatomy: Callable[[Any, Networks, Progress], Any]
    segment_fractures: Callable[[Any, Networks, Progress], Segmentation]


PIPELINES: dict[type[ModelPackage], Pipeline] = {
    CoarseToFinePackage: Pipeline(
        coarse_to_fine.resample, coarse_to_fine.segment_anatomy, coarse_to_fine.segment_fractures
    ),
    NnUNetPackage: Pipeline(nnunet.prepare, nnunet.run_networks, nnunet.to_segmentation),
    NnUNetPerBonePackage: Pipeline(nnunet.prepare, nnunet.run_networks, nnunet_per_bone.split_bones),
    MonaiBundlePackage: Pipeline(
        monai_bundle.prepare, monai_bundle.run_network, monai_bundle.to_segmentation
    ),
    RadiographPackage: Pipeline(radiograph.prepare, radiograph.run_networks, radiograph.to_segmentation),
}


def pipeline_of(package: ModelPackage) -> Pipeline:
    """The package's image path."""
    return PIPELINES[type(package)]


def segment(image: Image, package: ModelPackage, networks: Networks, progress: Progress) -> Segmentation:
    """Segments an image. Raises UnsuitableError if the package's anatomy is not in a CT."""
    chain = pipeline_of(package)
    anatomy = chain.segment_anatomy(chain.resample(image, package), networks, progress)
    return chain.segment_fractures(anatomy, networks, progress)
