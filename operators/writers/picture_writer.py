"""MONAI operator that draws fractures on their slices and bones from all sides, and marks the slices."""

from __future__ import annotations

from typing import Any

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import write_pictures, write_turntable
from operators.dicom.provenance.provenance import Provenance
from operators.errors import OutputError
from operators.render.fracture_pictures import FracturePicture, fracture_pictures
from operators.render.turntable import draw_turntable
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class PictureWriterOperator(ResultWriterOperator):
    """Writes secondary captures, key objects and views; no file if there is no fracture."""

    inputs, stage = ("measured", "resampled"), "pictures"

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes a file for each picture and each view, and one that references the slices of the
        pictures.
        """
        (resampled,) = others
        files, attempt = self.paths.files, self.paths.attempts.attempt
        pictures: tuple[FracturePicture, ...] | None = None
        with attempt("sc", files["sc"]):
            pictures = fracture_pictures(resampled.source, segmentation)
            write_pictures(pictures, provenance, files["sc"])
        with attempt("kos", files["kos"]):
            if pictures is None:
                raise OutputError("expected pictures to point to, got none", code="no_picture")
            write_key_objects(pictures, provenance, files["kos"])
        if "turntable" in files:
            with attempt("turntable", files["turntable"]):
                write_turntable(draw_turntable(segmentation), provenance, files["turntable"])
