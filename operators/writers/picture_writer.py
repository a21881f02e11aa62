"""Draws the fractures on their slices and the bones from all around, and points to the slices."""

from __future__ import annotations

from typing import Any

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import write_pictures, write_turntable
from operators.dicom.provenance.provenance import Making
from operators.errors import OutputError
from operators.render.fracture_pictures import FracturePicture, fracture_pictures
from operators.render.turntable import turntable
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class PictureWriterOperator(ResultWriterOperator):
    """No fracture, no file."""

    inputs, stage = ("measured", "resampled"), "pictures"

    def write(self, making: Making, segmentation: Segmentation, *others: Any) -> None:
        """A file for each picture and each view, and one that names the pictures' slices."""
        (resampled,) = others
        targets, attempt = self.targets, self.targets.attempts.attempt
        pictures: tuple[FracturePicture, ...] | None = None
        with attempt("sc", targets.pictures):
            pictures = fracture_pictures(resampled.source, segmentation)
            write_pictures(pictures, making, targets.pictures)
        with attempt("kos", targets.key_objects):
            if pictures is None:
                raise OutputError("expected pictures to point to, got none", code="no_picture")
            write_key_objects(pictures, making, targets.key_objects)
        if targets.turntable is not None:
            with attempt("turntable", targets.turntable):
                write_turntable(turntable(segmentation), making, targets.turntable)
