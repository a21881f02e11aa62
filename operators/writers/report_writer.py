"""MONAI operator that writes the measurements as a structured report."""

from __future__ import annotations

from typing import Any

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class ReportWriterOperator(ResultWriterOperator):
    """Writes the report of `measured`; the input `seg` is the SEG's path. The reported segmentation stays in
    `segmentation`.
    """

    inputs, stage = ("measured", "seg"), "report"
    segmentation: Segmentation | None = None

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes one file; none for a segmentation that could not be measured."""
        (seg,), path, attempts = others, self.paths.files["sr"], self.paths.attempts
        if not attempts.has_failed("sr"):
            with attempts.attempt("sr", path):
                kind_of(segmentation).write_report(segmentation, provenance, seg, path)
        self.segmentation = segmentation
