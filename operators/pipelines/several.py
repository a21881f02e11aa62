"""The image path of a series that one or several packages read: one volume in, one segmentation out.

A package whose structures are not in the scan is no refusal of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from operators.errors import UnsuitableError
from operators.geometry.volume import Volume
from operators.networks.registry import Networks
from operators.packages.packages import ModelPackage
from operators.pipelines.pipeline_table import Progress, chain_of
from operators.segmentation.merging import merge
from operators.segmentation.segmentation import Segmentation


@dataclass(frozen=True, eq=False)
class Part:
    """How far one package has come: what its last step gave, or why it goes no further."""

    package: ModelPackage
    made: Any = None
    refusal: UnsuitableError | None = None


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """A volume, and how far each package has come with it."""

    source: Volume
    parts: tuple[Part, ...]


def resample(volume: Volume, packages: Sequence[ModelPackage]) -> SeriesParts:
    """The volume as each package's first network reads it. Raises UnsuitableError where none can."""

    def step(part: Part, _: Progress) -> Any:
        return chain_of(part.package).resample(volume, part.package)

    return advanced(SeriesParts(volume, tuple(map(Part, packages))), step, lambda *_: None)


def segment_anatomy(series: SeriesParts, networks: Networks, progress: Progress) -> SeriesParts:
    """The structures that each package finds. Raises UnsuitableError where none finds any."""

    def step(part: Part, here: Progress) -> Any:
        return chain_of(part.package).segment_anatomy(part.made, networks, here)

    return advanced(series, step, progress)


def segment_fractures(series: SeriesParts, networks: Networks, progress: Progress) -> Segmentation:
    """All segments of all packages. Raises UnsuitableError where there are none."""

    def step(part: Part, here: Progress) -> Any:
        return chain_of(part.package).segment_fractures(part.made, networks, here)

    done = advanced(series, step, progress)
    made = merge([part.made for part in done.parts if part.refusal is None])
    absent = [str(part.refusal) for part in done.parts if part.refusal is not None]
    return replace(made, warnings=(*made.warnings, *absent))


def segment(
    volume: Volume, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """CT to Segmentation. Raises UnsuitableError where it shows nothing that a package delivers."""
    anatomy = segment_anatomy(resample(volume, packages), networks, progress)
    return segment_fractures(anatomy, networks, progress)


def advanced(series: SeriesParts, step: Callable[[Part, Progress], Any], progress: Progress) -> SeriesParts:
    """Each package one step further. Raises UnsuitableError where none is left."""
    parts: list[Part] = []
    for number, part in enumerate(series.parts):
        if part.refusal is None:
            here = partial(_part_of, progress, number, len(series.parts))
            part = _tried(part, partial(step, part, here))
        parts.append(part)
    if all(part.refusal is not None for part in parts):
        raise _joint_refusal([part.refusal for part in parts if part.refusal is not None])
    return SeriesParts(series.source, tuple(parts))


def _tried(part: Part, step: Callable[[], Any]) -> Part:
    try:
        return Part(part.package, step())
    except UnsuitableError as error:
        return Part(part.package, refusal=error)


def _part_of(progress: Progress, number: int, count: int, stage: str, done: float) -> None:
    progress(stage, (number + done) / count)


def _joint_refusal(refusals: Sequence[UnsuitableError]) -> UnsuitableError:
    if len(refusals) == 1:
        return refusals[0]
    return UnsuitableError("; ".join(dict.fromkeys(map(str, refusals))), code=refusals[0].code)
