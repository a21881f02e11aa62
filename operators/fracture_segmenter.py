"""MONAI operator that splits each bone into its fracture fragments."""

from __future__ import annotations

from operators.pipelines.several import SeriesParts, segment_fractures
from operators.segmentation.segmentation import Segmentation
from operators.stage_operator import StageOperator


class FractureSegmenterOperator(StageOperator):
    """Turns `anatomy` into `segmentation`."""

    inputs, output, stage = ("anatomy",), "segmentation", "fractures"

    def run(self, anatomy: SeriesParts) -> Segmentation:
        """Splits the bones of one anatomy."""
        return segment_fractures(anatomy, self.work.networks, self.work.observer.progress)
