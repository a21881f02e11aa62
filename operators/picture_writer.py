"""Draws the fractures on their slices, writes them as secondary captures, and points to the slices."""

from __future__ import annotations

from typing import Any

from operators.dicom.key_object_writer import write_key_objects
from operators.dicom.markings import Making
from operators.dicom.picture_writer import write_pictures
from operators.imaging.fracture_pictures import fracture_pictures
from operators.imaging.segmentation import Segmentation
from operators.result_writer import ResultWriterOperator


class PictureWriterOperator(ResultWriterOperator):
    """No fracture, no file."""

    inputs, stage = ("segmentation", "resampled"), "pictures"

    def write(self, making: Making, segmentation: Segmentation, *others: Any) -> None:
        """A file for each picture, and one that names their slices."""
        (resampled,) = others
        pictures = fracture_pictures(resampled.source, segmentation)
        write_pictures(pictures, making, self.targets.pictures)
        write_key_objects(pictures, making, self.targets.key_objects)
