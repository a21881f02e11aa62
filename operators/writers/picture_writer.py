"""Draws the fractures on their slices and the bones from all around, and points to the slices."""

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
    """No fracture, no file."""

    inputs, stage = ("measured", "resampled"), "pictures"

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """A file for each picture and each view, and one that names the pictures' slices."""
        (resampled,) = others
        paths, attempt = self.paths, self.paths.attempts.attempt
        pictures: tuple[FracturePicture, ...] | None = None
        with attempt("sc", paths.pictures):
            pictures = fracture_pictures(resampled.source, segmentation)
            write_pictures(pictures, provenance, paths.pictures)
        with attempt("kos", paths.key_objects):
            if pictures is None:
                raise OutputError("expected pictures to point to, got none", code="no_picture")
            write_key_objects(pictures, provenance, paths.key_objects)
        if paths.turntable is not None:
            with attempt("turntable", paths.turntable):
                write_turntable(draw_turntable(segmentation), provenance, paths.turntable)
