"""Makes a Segmentation of a published network's labels on the source grid: whole bones or organs, no
fragments.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.geometry.volume import Grid, LabelMap
from operators.packages.packages import ModelPackage
from operators.segmentation.segmentation import NetworkRun, Segmentation
from operators.segmentation.segments import segment_of

Labels = NDArray[np.uint8]
Counts = NDArray[np.integer]


def segmentation_of_labels(
    labels: Labels,
    counts: Counts,
    sure: Mapping[int, float],
    grid: Grid,
    package: ModelPackage,
    network_runs: tuple[NetworkRun, ...],
) -> Segmentation:
    """Returns segments of `labels` (I, J, K), from the voxel count of each value and its mean probability.

    Raises UnsuitableError if none of the package's labels is present.
    """
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        segment_of(label, package.labels, value, None, float(counts[value] * ml), sure.get(value, 0.0))
        for label in package.labels
        if counts[value := label.first_value]
    )
    if not segments:
        raise not_found(package)
    return Segmentation(LabelMap(labels, grid), segments, package, network_runs=network_runs)


def not_found(package: ModelPackage) -> UnsuitableError:
    """Returns the error for a CT without any of the package's labels."""
    return UnsuitableError(
        f"no {package.title} found: expected at least one of the package's labels in the scan",
        code="anatomy_not_found",
    )
