"""The image path of a series that one or several packages accept: one image in, one segmentation out.

If one package's structures are not in the scan, the others still run.
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
    """The progress of one package: the output of its last step, or the error that stopped it."""

    package: ModelPackage
    made: Any = None
    refusal: UnsuitableError | None = None


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """An image, and the progress of each package on it."""

    source: Image
    parts: tuple[PackageProgress, ...]


def resample(image: Image, packages: Sequence[ModelPackage]) -> SeriesParts:
    """Preprocesses the image for each package's first network. Raises UnsuitableError if none can read it."""

    def step(part: PackageProgress, _: Progress) -> Any:
        return pipeline_of(part.package).resample(image, part.package)

    return advance(SeriesParts(image, tuple(map(PackageProgress, packages))), step, lambda *_: None)


def segment_anatomy(series: SeriesParts, networks: Networks, progress: Progress) -> SeriesParts:
    """Finds the structures of each package. Raises UnsuitableError if none finds any."""

    def step(part: PackageProgress, here: Progress) -> Any:
        return pipeline_of(part.package).segment_anatomy(part.made, networks, here)

    return advance(series, step, progress)


def segment_fractures(series: SeriesParts, networks: Networks, progress: Progress) -> Segmentation:
    """The segments of all packages. Raises UnsuitableError if there are none."""

    def step(part: PackageProgress, here: Progress) -> Any:
        return pipeline_of(part.package).segment_fractures(part.made, networks, here)

    done = advance(series, step, progress)
    made = merge_segmentations([part.made for part in done.parts if part.refusal is None])
    absent = [str(part.refusal) for part in done.parts if part.refusal is not None]
    return replace(made, warnings=(*made.warnings, *absent))


def segment(
    image: Image, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """Segments an image. Raises UnsuitableError if it shows nothing that a package delivers."""
    anatomy = segment_anatomy(resample(image, packages), networks, progress)
    return segment_fractures(anatomy, networks, progress)


def advance(
    series: SeriesParts, step: Callable[[PackageProgress, Progress], Any], progress: Progress
) -> SeriesParts:
    """Advances each package by one step. Raises UnsuitableError if none is left."""
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
