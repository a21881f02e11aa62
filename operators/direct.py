"""The image path of a published network as plain calls: its classes are the labels, nothing is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from operators.errors import UnsuitableError
from operators.imaging.packages import DirectPackage, Label
from operators.imaging.preparation import Prepared, labels_of
from operators.imaging.preparation import prepare as prepare_volume
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import LabelMap, Volume
from operators.networks.exact_window import Answer, certainties, predict_folds
from operators.networks.registry import Networks

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A source volume, and the same as the network reads it."""

    source: Volume
    prepared: Prepared
    package: DirectPackage


@dataclass(frozen=True, eq=False)
class Answered:
    """What the network says of a prepared scan (classes, I, J, K), at its own spacing."""

    scan: PreparedScan
    answer: Answer
    package: DirectPackage


def prepare(volume: Volume, package: DirectPackage) -> PreparedScan:
    """Raises UnsuitableError for a scan of nothing but zeros."""
    return PreparedScan(volume, prepare_volume(volume, package), package)


def answer(scan: PreparedScan, networks: Networks, progress: Progress) -> Answered:
    """All folds over the scan."""
    package = scan.package
    runs = [networks.get(spec) for spec in package.folds]
    found = predict_folds(
        runs, scan.prepared.image, package.folds[0], package.recipe,
        lambda done: progress("network", done),
    )
    networks.rest()
    return Answered(scan, found, package)


def deliver(answered: Answered, networks: Networks, progress: Progress) -> Segmentation:
    """The labels on the source grid. Raises UnsuitableError where there are none."""
    del networks
    package, scan = answered.package, answered.scan
    labels = labels_of(answered.answer, scan.prepared, package)
    progress("labels", 1.0)
    counts = np.bincount(labels.ravel(), minlength=256)
    sure = certainties(answered.answer, package.recipe)
    ml = scan.source.grid.voxel_volume_mm3 / 1000
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
    return Segmentation(LabelMap(labels, scan.source.grid), segments, package)


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
