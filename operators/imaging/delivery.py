"""A published network's labels on the source grid as a Segmentation: whole bones or organs, no fragments."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.imaging.packages import Label, ModelPackage
from operators.imaging.segmentation import Segment, Segmentation, Way
from operators.imaging.volume import Grid, LabelMap

Labels = NDArray[np.uint8]
Counts = NDArray[np.integer]


def delivery(
    labels: Labels, counts: Counts, sure: Mapping[int, float], grid: Grid, package: ModelPackage,
    ways: tuple[Way, ...],
) -> Segmentation:
    """Segments of `labels` (I, J, K), with the voxels of each value and its mean probability.

    Raises UnsuitableError where none of the package's labels is there.
    """
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        segment_of(label, float(counts[value] * ml), sure.get(value, 0.0))
        for label in package.labels
        if counts[value := label.first_value]
    )
    if not segments:
        raise UnsuitableError(
            f"no {package.title} found: expected at least one of the package's labels in the scan",
            code="anatomy_not_found",
        )
    return Segmentation(LabelMap(labels, grid), segments, package, ways=ways)


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
