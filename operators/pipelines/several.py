"""The image path of a series that one or several packages accept: one image in, one segmentation out.

If one package's structures are not in the scan, the others still run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from operators.errors import UnsuitableError
from operators.geometry.projection import Image
from operators.networks.registry import Networks
from operators.packages.packages import ModelPackage
from operators.packages.seen import (
    NOT_SEEN,
    REFUSED,
    SEGMENTED,
    AnatomyNotFoundError,
    PackageOutcome,
    merge_seen,
    seen_sentence,
)
from operators.pipelines.pipeline_table import PIPELINES, Pipeline, run_each
from operators.process.progress import Progress, part_of
from operators.segmentation.merging import crop_to_segments, merge_segmentations
from operators.segmentation.segmentation import Segmentation

# What one pipeline makes of all parts that take it: for each its next value, or why it goes no further
Step = Callable[[Pipeline, Sequence[Any], Progress], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class PackageProgress:
    """The progress of one package: the output of its last step, or the error that stopped it."""

    package: ModelPackage
    made: Any = None
    refusal: UnsuitableError | None = None

    @property
    def outcome(self) -> PackageOutcome:
        """What is reported of the package."""
        refusal, package = self.refusal, self.package
        if refusal is None:
            return PackageOutcome(package.name, package.version, SEGMENTED)
        state = NOT_SEEN if refusal.code == AnatomyNotFoundError.code else REFUSED
        return PackageOutcome(package.name, package.version, state, str(refusal))


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """An image, and the progress of each package on it."""

    source: Image
    parts: tuple[PackageProgress, ...]


def resample(image: Image, packages: Sequence[ModelPackage]) -> SeriesParts:
    """Preprocesses the image for each package's first network. Raises UnsuitableError if none can read it."""

    def step(row: Pipeline, given: Sequence[Any], _: Progress) -> Sequence[Any]:
        return row.resample(image, given)

    parts = tuple(PackageProgress(package, package) for package in packages)
    return advance(SeriesParts(image, parts), step, lambda *_: None)


def segment_anatomy(series: SeriesParts, networks: Networks, progress: Progress) -> SeriesParts:
    """Finds the structures of each package. Raises UnsuitableError if none finds any."""
    return advance(series, lambda row, given, here: row.segment_anatomy(given, networks, here), progress)


def segment_fractures(series: SeriesParts, networks: Networks, progress: Progress) -> Segmentation:
    """Returns the segments of all packages. Raises UnsuitableError if there are none."""
    alone = sum(part.refusal is None for part in series.parts) == 1

    def step(row: Pipeline, given: Sequence[Any], here: Progress) -> Sequence[Any]:
        def run(*part: Any) -> Segmentation:
            made = row.segment_fractures(*part)
            # Several label maps of the whole scan would be the largest arrays of a run
            return made if alone else crop_to_segments(made)

        return run_each(run)(given, networks, here)

    parts = advance(series, step, progress).parts
    made = merge_segmentations([part.made for part in parts if part.refusal is None], series.source.grid)
    outcomes = tuple(part.outcome for part in parts)
    absent = (each.sentence for each in outcomes if each.state == REFUSED)
    looked = [part.refusal for part in parts if isinstance(part.refusal, AnatomyNotFoundError)]
    seen = merge_seen((*made.seen, *(structure for each in looked for structure in each.seen)))
    return replace(made, warnings=(*made.warnings, *absent), seen=seen, outcomes=outcomes)


def segment(
    image: Image, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """Segments an image. Raises UnsuitableError if it shows nothing that a package delivers."""
    anatomy = segment_anatomy(resample(image, packages), networks, progress)
    return segment_fractures(anatomy, networks, progress)


def advance(series: SeriesParts, step: Step, progress: Progress) -> SeriesParts:
    """Advances each package by one step, those of a kind together. Raises UnsuitableError if none is left."""
    parts, kinds = list(series.parts), dict[type[ModelPackage], list[int]]()
    for number, part in enumerate(parts):
        if part.refusal is None:
            kinds.setdefault(type(part.package), []).append(number)
    for n, (kind, numbers) in enumerate(kinds.items()):
        here = part_of(progress, n, len(kinds))
        made = step(PIPELINES[kind], [parts[number].made for number in numbers], here)
        for number, each in zip(numbers, made, strict=True):
            package = parts[number].package
            refused = isinstance(each, UnsuitableError)
            parts[number] = PackageProgress(package, *((None, each) if refused else (each,)))
    if all(part.refusal is not None for part in parts):
        raise _joint_refusal([part.refusal for part in parts if part.refusal is not None])
    return SeriesParts(series.source, tuple(parts))


def _joint_refusal(refusals: Sequence[UnsuitableError]) -> UnsuitableError:
    """Returns all reasons, and what a coarse network saw instead, if one looked."""
    text = "; ".join(dict.fromkeys(map(str, refusals)))
    looked = [each for each in refusals if isinstance(each, AnatomyNotFoundError)]
    if not looked:
        return refusals[0] if len(refusals) == 1 else UnsuitableError(text, code=refusals[0].code)
    seen = merge_seen(structure for each in looked for structure in each.seen)
    return AnatomyNotFoundError(f"{text}; it shows {seen_sentence(seen)}", seen)
