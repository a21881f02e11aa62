"""MONAI operators that write the results beside the SEG."""

from __future__ import annotations

from pathlib import Path

from operators.dicom.capture.summary_page import PAGE_WRITERS
from operators.dicom.select.selection import Selection
from operators.pipelines.several import SeriesParts
from operators.render.surface_view import Picture
from operators.results.image_kinds import Pictures, kind_of
from operators.results.png_files import write_png
from operators.segmentation.segmentation import Segmentation
from operators.stage_operator import StageOperator


class ReportWriterOperator(StageOperator):
    """Writes the measurements as a structured report; the reported segmentation stays in `segmentation`."""

    inputs, stage = ("selection", "measured", "seg"), "report"
    segmentation: Segmentation | None = None

    def run(self, selection: Selection, measured: Segmentation, seg: Path) -> None:
        """Writes one file that refers to the SEG; none for a segmentation that could not be measured."""
        paths, attempts = self.work.paths, self.work.paths.attempts
        path, provenance = paths.files["sr"], paths.provenance(selection.series, measured)
        if not attempts.has_failed("sr"):
            with attempts.attempt("sr", path):
                kind_of(measured).write_report(measured, provenance, seg, path)
        self.segmentation = measured


class PictureWriterOperator(StageOperator):
    """Draws a preview, fractures on their slices and bones from all sides, and marks the slices.

    Of a CT there are no captures without a fracture.
    """

    inputs, stage = ("selection", "measured", "resampled"), "pictures"

    def run(self, selection: Selection, measured: Segmentation, resampled: SeriesParts) -> None:
        """Writes a file for each picture and view, one that references the slices, and the summary page."""
        provenance = self.work.paths.provenance(selection.series, measured)
        kind, files, attempt = kind_of(measured), self.work.paths.files, self.work.paths.attempts.attempt
        pictures: Pictures | None = None
        with attempt("sc", files["sc"]):
            pictures = kind.draw_pictures(resampled.source, measured)
            kind.write_pictures(pictures, provenance, files["sc"])
        if kind.write_key_objects:
            with attempt("kos", files["kos"]):
                kind.write_key_objects(pictures, provenance, files["kos"])
        if kind.write_turntable and "turntable" in files:
            with attempt("turntable", files["turntable"]):
                kind.write_turntable(measured, provenance, files["turntable"])
        preview: Picture | None = None
        if "preview" in files:
            with attempt("preview", files["preview"]):
                drawn = kind.preview_among(pictures) if kind.preview_among and pictures else None
                preview = kind.draw_preview(resampled.source, measured) if drawn is None else drawn
                write_png(preview, files["preview"])
        for name in filter(files.__contains__, PAGE_WRITERS):
            with attempt(name, files[name]):
                shown = kind.page_figures(pictures, preview)
                PAGE_WRITERS[name](measured, shown, provenance, files[name])


class FallbackWriterOperator(StageOperator):
    """Writes the requested fallback encodings of a segmentation, for a PACS that accepts no SEG."""

    inputs, stage = ("selection", "segmentation"), "fallbacks"

    def run(self, selection: Selection, segmentation: Segmentation) -> None:
        """Writes a file for each fallback encoding."""
        paths, encodings = self.work.paths, kind_of(segmentation).fallbacks
        provenance = paths.provenance(selection.series, segmentation)
        for form in filter(paths.files.__contains__, encodings):
            with paths.attempts.attempt(form, paths.files[form]):
                encodings[form](segmentation, provenance, paths.files[form])
