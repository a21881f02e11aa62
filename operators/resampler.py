"""MONAI operator that reads a selection's pixels and resamples them for each package's first network."""

from __future__ import annotations

from operators.dicom.select.selection import Selection
from operators.pipelines.several import SeriesParts, resample
from operators.stage_operator import StageOperator


class ResamplerOperator(StageOperator):
    """Turns `selection` into `resampled`; reading and resampling are two stages."""

    inputs, output = ("selection",), "resampled"

    def run(self, selection: Selection) -> SeriesParts:
        """Reads and resamples one image."""
        with self.work.observer.measured("read"):
            image = self.work.read(selection.series)
        with self.work.observer.measured("resample"):
            return resample(image, selection.packages)
