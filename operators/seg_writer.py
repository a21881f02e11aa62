"""Writes a segmentation as DICOM SEG over the series that it came from."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, InputContext, OperatorSpec, OutputContext

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class SegWriterOperator(ResultWriterOperator):
    """Out: `seg`, the path of the file, which is not there where nothing was found in a radiograph."""

    inputs, stage = ("segmentation",), "write"

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        super().setup(spec)
        spec.output("seg")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One file."""
        super().compute(op_input, op_output, context)
        op_output.emit(self.paths.files["seg"], "seg")

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """In the profile that is set."""
        kind_of(segmentation).write_seg(
            segmentation, provenance, self.paths.files["seg"], self.paths.seg_profile
        )
