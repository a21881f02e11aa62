"""Writes the segmentation in other forms, for those that take no SEG."""

from __future__ import annotations

from typing import Any

from operators.dicom.fallback_encodings import FORMS
from operators.dicom.provenance.provenance import Making
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class StandInWriterOperator(ResultWriterOperator):
    """The forms that are asked for."""

    inputs, stage = ("segmentation",), "stand-ins"

    def write(self, making: Making, segmentation: Segmentation, *others: Any) -> None:
        """A file for each."""
        for form, path in self.targets.stand_ins:
            with self.targets.attempts.attempt(form, path):
                FORMS[form](segmentation, making, path)
