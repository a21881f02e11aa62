"""MONAI operators that write the results beside the SEG."""

from __future__ import annotations

from pathlib import Path

from operators.dicom.select.selection import Selection
from operators.pipelines.several import SeriesParts
from operators.results.writing import write_drawings, write_fallbacks, write_measurements
from operators.segmentation.segmentation import Segmentation
from operators.stage_operator import StageOperator


class ReportWriterOperator(StageOperator):
    """Writes the measurements as a structured report; the reported segmentation stays in `segmentation`."""

    inputs, stage = ("selection", "measured", "seg"), "report"
    segmentation: Segmentation | None = None

    def run(self, selection: Selection, measured: Segmentation, seg: Path) -> None:
        """Writes one file."""
        write_measurements(measured, selection.series, seg, self.work.paths)
        self.segmentation = measured


class PictureWriterOperator(StageOperator):
    """Draws a preview, fractures on their slices and bones from all sides, and marks the slices.

    Of a CT there are no captures without a fracture.
    """

    inputs, stage = ("selection", "measured", "resampled"), "pictures"

    def run(self, selection: Selection, measured: Segmentation, resampled: SeriesParts) -> None:
        """Writes the files."""
        write_drawings(measured, selection.series, resampled.source, self.work.paths)


class FallbackWriterOperator(StageOperator):
    """Writes the requested fallback encodings of a segmentation, for a PACS that accepts no SEG."""

    inputs, stage = ("selection", "measured"), "fallbacks"

    def run(self, selection: Selection, measured: Segmentation) -> None:
        """Writes a file for each fallback encoding."""
        write_fallbacks(measured, selection.series, self.work.paths)
