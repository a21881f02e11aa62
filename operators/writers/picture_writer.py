"""MONAI operator that draws the segmentation, fractures and bones from all sides, and marks the slices."""

from __future__ import annotations

from typing import Any

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import Pictures, kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.preview_file import write_png
from operators.writers.result_writer import ResultWriterOperator


class PictureWriterOperator(ResultWriterOperator):
    """Writes a preview, secondary captures, key objects and views; of a CT no captures without a fracture."""

    inputs, stage = ("measured", "resampled"), "pictures"

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes a file for each picture and each view, and one that references the slices of the
        pictures.
        """
        (resampled,) = others
        kind, files, attempt = kind_of(segmentation), self.paths.files, self.paths.attempts.attempt
        pictures: Pictures | None = None
        with attempt("sc", files["sc"]):
            pictures = kind.draw_pictures(resampled.source, segmentation)
            kind.write_pictures(pictures, provenance, files["sc"])
        if kind.write_key_objects:
            with attempt("kos", files["kos"]):
                kind.write_key_objects(pictures, provenance, files["kos"])
        if kind.write_turntable and "turntable" in files:
            with attempt("turntable", files["turntable"]):
                kind.write_turntable(segmentation, provenance, files["turntable"])
        if "preview" in files:
            with attempt("preview", files["preview"]):
                drawn = kind.preview_among(pictures) if kind.preview_among and pictures else None
                if drawn is None:
                    drawn = kind.draw_preview(resampled.source, segmentation)
                write_png(drawn, files["preview"])
