"""Writes the segmentation in other forms, for those that take no SEG."""

from __future__ import annotations

from typing import Any

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class FallbackWriterOperator(ResultWriterOperator):
    """The forms that are asked for."""

    inputs, stage = ("segmentation",), "stand-ins"

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """A file for each."""
        encodings = kind_of(segmentation).fallbacks
        wanted = {form: self.paths.files[form] for form in encodings if form in self.paths.files}
        for form, path in wanted.items():
            with self.paths.attempts.attempt(form, path):
                encodings[form](segmentation, provenance, path)
