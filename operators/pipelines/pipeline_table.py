"""Which image path a package takes: a table by the kind of package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from operators.errors import UnsuitableError
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.packages.packages import ModelPackage
from operators.packages.plans import NnUNetFragmentsPackage, NnUNetPackage, NnUNetPerBonePackage
from operators.packages.radiograph import RadiographPackage
from operators.pipelines import (
    coarse_to_fine,
    monai_bundle,
    nnunet,
    nnunet_fragments,
    nnunet_per_bone,
    radiograph,
)
from operators.pipelines.network_output import to_segmentation
from operators.process.progress import Progress, part_of
from operators.segmentation.segmentation import Segmentation


@dataclass(frozen=True)
class Pipeline:
    """The three steps between reading and writing; each takes the output of the previous one.

    The first two take all packages of the kind together, so that they can share work, and give for each what
    the next step takes, or why it goes no further. The first takes the type of image that the packages
    `read`. What goes between the steps has `package`, and `source` after the first.
    """

    resample: Callable[[Any, Sequence[Any]], Sequence[Any]]
    segment_anatomy: Callable[[Sequence[Any], Networks, Progress], Sequence[Any]]
    segment_fractures: Callable[[Any, Networks, Progress], Segmentation]


def attempt(step: Callable[[], Any]) -> Any:
    """Returns what a step gives, or the UnsuitableError that it raises."""
    try:
        return step()
    except UnsuitableError as error:
        return error


def prepare_each(
    prepare: Callable[[Any, Any], Any],
) -> Callable[[Any, Sequence[Any]], Sequence[Any]]:
    """Returns a first step that shares nothing between packages."""

    def step(image: Any, packages: Sequence[Any]) -> list[Any]:
        return [attempt(partial(prepare, image, package)) for package in packages]

    return step


def run_each(
    run: Callable[[Any, Networks, Progress], Any],
) -> Callable[[Sequence[Any], Networks, Progress], Sequence[Any]]:
    """Returns a later step that shares nothing between packages."""

    def step(parts: Sequence[Any], networks: Networks, progress: Progress) -> list[Any]:
        return [
            attempt(partial(run, part, networks, part_of(progress, number, len(parts))))
            for number, part in enumerate(parts)
        ]

    return step


PIPELINES: dict[type[ModelPackage], Pipeline] = {
    CoarseToFinePackage: Pipeline(
        coarse_to_fine.resample_once, coarse_to_fine.segment_anatomies, coarse_to_fine.segment_fractures
    ),
    NnUNetPackage: Pipeline(prepare_each(nnunet.prepare), run_each(nnunet.run_networks), to_segmentation),
    NnUNetPerBonePackage: Pipeline(
        prepare_each(nnunet.prepare), run_each(nnunet.run_networks), nnunet_per_bone.split_bones
    ),
    NnUNetFragmentsPackage: Pipeline(
        prepare_each(nnunet.prepare), run_each(nnunet.run_networks), nnunet_fragments.split_bones
    ),
    MonaiBundlePackage: Pipeline(
        prepare_each(monai_bundle.prepare), run_each(monai_bundle.run_network), to_segmentation
    ),
    RadiographPackage: Pipeline(
        prepare_each(radiograph.prepare), run_each(radiograph.run_networks), radiograph.to_segmentation
    ),
}
