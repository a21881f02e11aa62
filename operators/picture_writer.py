"""Draws the fractures on their slices and the bones from all around, and points to the slices."""

from __future__ import annotations

from typing import Any

from operators.dicom.key_object_writer import write_key_objects
from operators.dicom.markings import Making
from operators.dicom.picture_writer import write_pictures, write_turntable
from operators.imaging.fracture_pictures import fracture_pictures
from operators.imaging.segmentation import Segmentation
from operators.imaging.turntable import turntable
from operators.result_writer import ResultWriterOperator


class PictureWriterOperator(ResultWriterOperator):
    """No fracture, no file."""

    inputs, stage = ("measured", "resampled"), "pictures"

    def write(self, making: Making, segmentation: Segmentation, *others: Any) -> None:
        """A file for each picture and each view, and one that names the pictures' slices."""
        (resampled,) = others
        pictures = fracture_pictures(resampled.source, segmentation)
        write_pictures(pictures, making, self.targets.pictures)
        write_key_objects(pictures, making, self.targets.key_objects)
        if self.targets.turntable is not None:
            write_turntable(turntable(segmentation), making, self.targets.turntable)
