"""MONAI operator that writes fallback encodings of a segmentation, for a PACS that accepts no SEG."""

from __future__ import annotations

from typing import Any

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class FallbackWriterOperator(ResultWriterOperator):
    """Writes the fallback encodings that are requested."""

    inputs, stage = ("segmentation",), "stand-ins"

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes a file for each fallback encoding."""
        encodings = kind_of(segmentation).fallbacks
        wanted = {form: self.paths.files[form] for form in encodings if form in self.paths.files}
        for form, path in wanted.items():
            with self.paths.attempts.attempt(form, path):
                encodings[form](segmentation, provenance, path)
