"""MONAI operator that finds and outlines the bones."""

from __future__ import annotations

from operators.pipelines.several import SeriesParts, segment_anatomy
from operators.stage_operator import StageOperator


class AnatomySegmenterOperator(StageOperator):
    """Turns `resampled` into `anatomy`."""

    inputs, output, stage = ("resampled",), "anatomy", "anatomy"

    def run(self, resampled: SeriesParts) -> SeriesParts:
        """Segments the anatomy of one resampled image."""
        return segment_anatomy(resampled, self.work.networks, self.work.observer.progress)
