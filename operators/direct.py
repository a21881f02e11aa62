"""The image path of a published network as plain calls: its classes are the labels, nothing is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from operators.errors import UnsuitableError
from operators.imaging.packages import Label
from operators.imaging.preparation import Prepared, delivered, labels_of
from operators.imaging.preparation import prepare as prepare_volume
from operators.imaging.recipes import DirectPackage, Stage
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import LabelMap, Volume
from operators.networks.exact_window import Answer, certainties, predict_folds
from operators.networks.registry import Networks

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A source volume, and the same as the first stage reads it."""

    source: Volume
    prepared: Prepared
    package: DirectPackage


@dataclass(frozen=True, eq=False)
class Answered:
    """What the last stage says of a scan (classes, I, J, K), at its own spacing."""

    source: Volume
    prepared: Prepared
    answer: Answer
    package: DirectPackage


def prepare(volume: Volume, package: DirectPackage) -> PreparedScan:
    """Raises UnsuitableError for a scan of nothing but zeros."""
    return PreparedScan(volume, prepare_volume(volume, package.stages[0]), package)


def answer(scan: PreparedScan, networks: Networks, progress: Progress) -> Answered:
    """Every stage over the scan, each with the labels that the one before gave."""
    stages, prepared = scan.package.stages, scan.prepared
    found = run_stage(prepared, stages[0], networks, part_of(progress, 0, len(stages)))
    for number, (before, stage) in enumerate(pairwise(stages), start=1):
        labels = labels_of(found, prepared, before.recipe)
        del found
        prepared = prepare_volume(scan.source, stage, labels)
        found = run_stage(prepared, stage, networks, part_of(progress, number, len(stages)))
    return Answered(scan.source, prepared, found, scan.package)


def run_stage(
    prepared: Prepared, stage: Stage, networks: Networks, progress: Callable[[float], None]
) -> Answer:
    """All folds of one stage."""
    runs = [networks.get(spec) for spec in stage.folds]
    found = predict_folds(runs, prepared.channels, stage, progress)
    networks.rest()
    return found


def part_of(progress: Progress, number: int, count: int) -> Callable[[float], None]:
    """How far all of `count` stages are while one of them runs."""
    return lambda done: progress("network", (number + done) / count)


def deliver(answered: Answered, networks: Networks, progress: Progress) -> Segmentation:
    """The labels on the source grid. Raises UnsuitableError where there are none."""
    del networks
    package, grid = answered.package, answered.source.grid
    recipe = package.stages[-1].recipe
    values = [label.first_value for label in package.labels]
    labels = delivered(labels_of(answered.answer, answered.prepared, recipe), values)
    progress("labels", 1.0)
    counts = np.bincount(labels.ravel(), minlength=256)
    sure = certainties(answered.answer, recipe)
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        segment_of(label, float(counts[label.first_value] * ml), sure.get(label.first_value, 0.0))
        for label in package.labels
        if counts[label.first_value]
    )
    if not segments:
        raise UnsuitableError(
            f"no {package.title} found: expected at least one of the package's labels in the scan",
            code="anatomy_not_found",
        )
    return Segmentation(LabelMap(labels, grid), segments, package)


def segment_of(label: Label, volume_ml: float, confidence: float) -> Segment:
    """A whole bone or organ."""
    return Segment(
        value=label.first_value,
        bone=label.name,
        label=label.meaning,
        fragment=None,
        category=label.category,
        type=label.type,
        region=label.type,
        laterality=label.laterality,
        rgb=label.rgb,
        volume_ml=volume_ml,
        confidence=confidence,
    )
