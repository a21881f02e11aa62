"""MONAI operator that writes a segmentation as DICOM SEG of the series that it came from."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, InputContext, OperatorSpec, OutputContext

from operators.dicom.provenance.provenance import Provenance
from operators.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.writers.result_writer import ResultWriterOperator


class SegWriterOperator(ResultWriterOperator):
    """Emits the path of the SEG as `seg`; the file is missing if nothing was found in a radiograph."""

    inputs, stage = ("segmentation",), "write"

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        super().setup(spec)
        spec.output("seg")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Writes the SEG and emits its path."""
        super().compute(op_input, op_output, context)
        op_output.emit(self.paths.files["seg"], "seg")

    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes the SEG in the configured profile."""
        kind_of(segmentation).write_seg(
            segmentation, provenance, self.paths.files["seg"], self.paths.seg_profile
        )
