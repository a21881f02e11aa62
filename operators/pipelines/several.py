"""The image path of a series that one or several packages read: one image in, one segmentation out.

A package whose structures are not in the scan is no refusal of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from operators.errors import UnsuitableError
from operators.geometry.projection import Image
from operators.networks.registry import Networks
from operators.packages.packages import ModelPackage
from operators.pipelines.pipeline_table import Progress, pipeline_of
from operators.segmentation.merging import merge_segmentations
from operators.segmentation.segmentation import Segmentation


@dataclass(frozen=True, eq=False)
class PackageProgress:
    """How far one package has come: what its last step gave, or why it goes no further."""

    package: ModelPackage
    made: Any = None
    refusal: UnsuitableError | None = None


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """An image, and how far each package has come with it."""

    source: Image
    parts: tuple[PackageProgress, ...]


def resample(image: Image, packages: Sequence[ModelPackage]) -> SeriesParts:
    """The image as each package's first network reads it. Raises UnsuitableError where none can."""

    def step(part: PackageProgress, _: Progress) -> Any:
        return pipeline_of(part.package).resample(image, part.package)

    return advance(SeriesParts(image, tuple(map(PackageProgress, packages))), step, lambda *_: None)


def segment_anatomy(series: SeriesParts, networks: Networks, progress: Progress) -> SeriesParts:
    """The structures that each package finds. Raises UnsuitableError where none finds any."""

    def step(part: PackageProgress, here: Progress) -> Any:
        return pipeline_of(part.package).segment_anatomy(part.made, networks, here)

    return advance(series, step, progress)


def segment_fractures(series: SeriesParts, networks: Networks, progress: Progress) -> Segmentation:
    """All segments of all packages. Raises UnsuitableError where there are none."""

    def step(part: PackageProgress, here: Progress) -> Any:
        return pipeline_of(part.package).segment_fractures(part.made, networks, here)

    done = advance(series, step, progress)
    made = merge_segmentations([part.made for part in done.parts if part.refusal is None])
    absent = [str(part.refusal) for part in done.parts if part.refusal is not None]
    return replace(made, warnings=(*made.warnings, *absent))


def segment(
    image: Image, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """Image to Segmentation. Raises UnsuitableError where it shows nothing that a package delivers."""
    anatomy = segment_anatomy(resample(image, packages), networks, progress)
    return segment_fractures(anatomy, networks, progress)


def advance(
    series: SeriesParts, step: Callable[[PackageProgress, Progress], Any], progress: Progress
) -> SeriesParts:
    """Each package one step further. Raises UnsuitableError where none is left."""
    parts: list[PackageProgress] = []
    for number, part in enumerate(series.parts):
        if part.refusal is None:
            here = partial(_part_of, progress, number, len(series.parts))
            part = _tried(part, partial(step, part, here))
        parts.append(part)
    if all(part.refusal is not None for part in parts):
        raise _joint_refusal([part.refusal for part in parts if part.refusal is not None])
    return SeriesParts(series.source, tuple(parts))


def _tried(part: PackageProgress, step: Callable[[], Any]) -> PackageProgress:
    try:
        return PackageProgress(part.package, step())
    except UnsuitableError as error:
        return PackageProgress(part.package, refusal=error)


def _part_of(progress: Progress, number: int, count: int, stage: str, done: float) -> None:
    progress(stage, (number + done) / count)


def _joint_refusal(refusals: Sequence[UnsuitableError]) -> UnsuitableError:
    if len(refusals) == 1:
        return refusals[0]
    return UnsuitableError("; ".join(dict.fromkeys(map(str, refusals))), code=refusals[0].code)
