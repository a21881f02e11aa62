"""Writes the segmentation in other forms, for those that take no SEG."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from operators.dicom.markings import Making
from operators.dicom.rtstruct_writer import write_structures
from operators.dicom.seg_writer import write_seg
from operators.imaging.segmentation import Segmentation
from operators.result_writer import ResultWriterOperator

FORMS: dict[str, Callable[[Segmentation, Making, Path], Path]] = {
    "labelmap": partial(write_seg, profile="labelmap"),
    "rtstruct": write_structures,
}


class StandInWriterOperator(ResultWriterOperator):
    """The forms that are asked for."""

    inputs, stage = ("segmentation",), "stand-ins"

    def write(self, making: Making, segmentation: Segmentation, *others: Any) -> None:
        """A file for each."""
        for form, path in self.targets.stand_ins:
            FORMS[form](segmentation, making, path)
