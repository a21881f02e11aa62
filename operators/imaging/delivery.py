"""A published network's labels on the source grid as a Segmentation: whole bones or organs, no fragments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.imaging.packages import Label, ModelPackage
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import Grid, LabelMap

Labels = NDArray[np.uint8]


def delivery(labels: Labels, sure: Callable[[int], float], grid: Grid, package: ModelPackage) -> Segmentation:
    """What the package delivers of `labels` (I, J, K); `sure` gives the mean probability of a value.

    Raises UnsuitableError where none of the package's labels is there.
    """
    kept = np.zeros(256, np.uint8)
    for label in package.labels:
        kept[label.first_value] = label.first_value
    labels = kept[labels]
    counts = np.bincount(labels.ravel(), minlength=256)
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        segment_of(label, float(counts[label.first_value] * ml), sure(label.first_value))
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
