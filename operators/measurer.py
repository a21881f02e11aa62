"""MONAI operator that measures a segmentation and flags what may be wrong with it."""

from __future__ import annotations

from operators.pipelines.several import SeriesParts
from operators.results.writing import measure
from operators.segmentation.segmentation import Segmentation
from operators.stage_operator import StageOperator


class MeasurerOperator(StageOperator):
    """Turns `resampled` and `segmentation` into `measured`: with names, measurements and flags.

    A segmentation that cannot be measured is passed on with bones of a row numbered, and there is no report.
    """

    inputs, output, stage = ("resampled", "segmentation"), "measured", "measure"

    def run(self, resampled: SeriesParts, segmentation: Segmentation) -> Segmentation:
        """Measures one segmentation."""
        return measure(segmentation, resampled.source, self.work.paths)
